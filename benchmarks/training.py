"""What the parts around a training step cost, by the real command: images a second as its own log has them.

    make bench-train

On drawn faces, in turns: photos loaded by the main process, whose waiting is taken off (what a step alone makes), by
two loading processes, with accumulation, with a moving average, and shared by two processes (over gloo, a core each).
Then 2,000 batches of a tiny network: memory, open files and the folder's size as they go on.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEOPLE, PHOTOS = 40, 4
COMMON = [
    "identity=none", "losses.identity.weight=0", "losses.perceptual.weight=0", "logger=csv", "log_every=4",
    "progress=false", "data.validation_photos=4",
]  # fmt: skip
VARIANTS = {
    "loaded by the main process": ["data.workers=0"],
    "two loading processes": ["data.workers=2"],
    "accumulate=2": ["data.workers=2", "optimizer.accumulate=2"],
    "ema=0.999": ["data.workers=2", "ema=0.999"],
    "two processes": ["data.workers=1", "trainer=two_cpu", "data.batch_size=8"],
}
SAMPLED = (500, 1000, 1500, 2000)  # batches of the long run


def _command(folder: Path, run: str, *overrides: str) -> list[str]:
    given = [f"data.root={folder / 'set'}", f"hydra.run.dir={folder / run}", *COMMON, *overrides]
    return [sys.executable, "-m", "twoface_pl.cli", "train", *given]


def _rows(run: Path) -> list[dict[str, str]]:
    (file,) = run.glob("csv/*/metrics.csv")
    return [row for row in csv.DictReader(file.open()) if row["speed/images_a_second"]]


def _rate(folder: Path, run: str, batches: int, overrides: list[str]) -> tuple[float, float]:
    """Median images a second, and the share of time that was waited for data; the first logs are warm-up."""
    command = _command(folder, run, f"max_batches={batches}", f"validate_every={batches}", "trainer=cpu", *overrides)
    environment = dict(os.environ)
    if "trainer=two_cpu" in overrides:
        command.remove("trainer=cpu")
        environment["OMP_NUM_THREADS"] = "1"
    subprocess.run(command, check=True, capture_output=True, env=environment)
    rows = _rows(folder / run)[1:]
    return _median(rows, "images_a_second"), _median(rows, "waiting")


def _median(rows: list[dict[str, str]], name: str) -> float:
    return statistics.median(float(row[f"speed/{name}"]) for row in rows)


def print_parts(folder: Path, batches: int, rounds: int) -> None:
    """Each variant against a step alone, the median of rounds taken in turns."""
    rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
    bare: list[float] = []
    for turn in range(rounds):
        for number, (name, overrides) in enumerate(VARIANTS.items()):
            rate, waiting = _rate(folder, f"run{turn}_{number}", batches, overrides)
            rates[name].append(rate)
            if not number:
                bare.append(rate / (1 - waiting))
    alone = statistics.median(bare)
    print(f"a step alone: {alone:.1f} images/s (batch 16, 128 px, generator and discriminators)")
    for name, found in rates.items():
        of_bare = statistics.median(rate / each for rate, each in zip(found, bare, strict=True))
        print(f"  {name:28} {statistics.median(found):6.1f} images/s, {of_bare:.1%} of it")
    loaded, averaged = (rates[name] for name in ("two loading processes", "ema=0.999"))
    cost = 1 - statistics.median(with_it / without for with_it, without in zip(averaged, loaded, strict=True))
    print(f"  a moving average costs {cost:.1%} of a step")


def _held(process: int, run: Path) -> tuple[float, int, float]:
    """Memory in MB, open files, and the run's folder in MB."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    memory = next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1e3
    files = len(list(Path(f"/proc/{process}/fd").iterdir()))
    return memory, files, sum(path.stat().st_size for path in run.rglob("*") if path.is_file()) / 1e6


def print_long_run(folder: Path) -> None:
    """A tiny network's memory, files and folder over 2,000 batches."""
    run = folder / "long"
    small = ["experiment=smoke", "image_size=64", "losses.identity.weight=0", "data.workers=0", "log_every=20"]
    given = [*small, f"max_batches={SAMPLED[-1]}", "validate_every=250", f"data.root={folder / 'small'}"]
    process = subprocess.Popen(_command(folder, "long", *given), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"{SAMPLED[-1]} batches of a tiny network: MB of memory, open files, MB of the run's folder")
    left = list(SAMPLED)
    while process.poll() is None and left:
        done = max((int(path.stem) for path in run.glob("pictures/*.png")), default=0)
        if done >= left[0]:
            memory, files, disk = _held(process.pid, run)
            print(f"  after {left.pop(0):5} batches: {memory:7.1f} {files:4} {disk:7.2f}", flush=True)
        time.sleep(0.2)
    if process.wait():
        raise SystemExit("the long run failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=16, help="of each variant in each round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-long-run", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size, made in ((128, "set"), (64, "small")):
            drawn = [f"image_size={size}", "frame=none", "same_picture=2", "too_alike=2", f"root={folder / made}"]
            people = ["source=synthetic", f"source.people={PEOPLE}", f"source.photos={PHOTOS}"]
            prepare = [*people, f"source.root={folder / f'photos{size}'}", *drawn]
            subprocess.run(
                [sys.executable, "-m", "twoface_pl.cli", "prepare", *prepare], check=True, capture_output=True
            )
        print_parts(folder, options.batches, options.rounds)
        if not options.no_long_run:
            print_long_run(folder)


if __name__ == "__main__":
    main()
