"""Steps of the package's generator on the CPU, alone and beside another program: how its threads wait for each other.

make bench-beside

OpenMP's threads turn in circles where they wait, which is the fastest way as long as each has a core of its own. Where
another program has one, they turn while those that work wait for a core. The command has them turn three thousand times
and then sleep; OMP_WAIT_POLICY=PASSIVE lets them sleep at once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from twoface_pl.cli.main import TURNS

WAITS = {
    "as OpenMP does": {},
    "as the command does": {TURNS[0]: TURNS[1]},
    "PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
}
BUSY = "while True: pass"


def _steps(seconds: float) -> float:
    """Steps a second, forwards and back."""
    import torch

    from twoface_pl.networks.build import build_generator

    generator = build_generator({"name": "ours"}).to(memory_format=torch.channels_last)
    photo, mask = torch.rand(4, 3, 128, 128), torch.zeros(4, 1, 128, 128)
    mask[..., 32:96, 32:96] = 1
    references = torch.rand(4, 1, 3, 128, 128)

    def step() -> None:
        generator(photo * (1 - mask), mask, references).square().mean().backward()

    step()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step()
        count += 1
    return count / (time.perf_counter() - start)


def _measured(wait: dict[str, str], seconds: float) -> float:
    command = [sys.executable, __file__, "--seconds", str(seconds), "--one"]
    others = {name: value for name, value in os.environ.items() if name not in (TURNS[0], "OMP_WAIT_POLICY")}
    return float(subprocess.run(command, env=others | wait, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(_steps(given.seconds))
        return
    for others in (0, 1):
        rounds: list[list[float]] = []
        busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(others)]
        try:
            # In turns: the machine's speed varies.
            rounds += [[_measured(wait, given.seconds) for wait in WAITS.values()] for _ in range(given.rounds)]
        finally:
            for process in busy:
                process.kill()
        for name, rates in zip(WAITS, zip(*rounds, strict=True), strict=True):
            ratios = sorted(rate / usual[0] for rate, usual in zip(rates, rounds, strict=True))
            shown = ", ".join(f"{rate:.2f}" for rate in rates)
            print(f"beside {others}, {name}: {shown} steps a second; {ratios[len(ratios) // 2]:.2f} times (median)")


if __name__ == "__main__":
    main()
