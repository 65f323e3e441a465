"""What the parts around a training step cost, by the real command: images a second as its own log has them.

    make bench-train

On drawn faces, in turns: photos loaded by the main process, whose waiting is taken off (what a step alone makes), by
two loading processes, with accumulation, with a moving average, and shared by two processes (over gloo, a core each).
Then 2,000 batches of a tiny network, with a loading process, an average and TensorBoard: memory, open files and the
folder's size as they go on (four minutes; alone with --no-parts).
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
from importlib.resources import files
from pathlib import Path

import yaml

from twoface_pl.networks.build import build_generator
from twoface_pl.training.average import MovingAverage

PEOPLE, PHOTOS = 40, 4
BATCH = 16  # of every variant
COMMON = [
    "identity=none", "losses.identity.weight=0", "losses.perceptual.weight=0", "logger=csv", "log_every=4",
    "progress=false", "data.validation_photos=4", f"data.batch_size={BATCH}",
]  # fmt: skip
VARIANTS = {
    "loaded by the main process": ["data.workers=0"],
    "two loading processes": ["data.workers=2"],
    "accumulate=2": ["data.workers=2", "optimizer.accumulate=2"],
    "ema=0.999": ["data.workers=2", "ema=0.999"],
    "two processes": ["data.workers=1", "trainer=two_cpu", f"data.batch_size={BATCH // 2}"],
}
SAMPLED = (250, 500, 1000, 1500, 2000)  # batches of the long run


def _command(folder: Path, run: str, *overrides: str) -> list[str]:
    given = [f"data.root={folder / 'set'}", f"hydra.run.dir={folder / run}", *COMMON, *overrides]
    return [sys.executable, "-m", "twoface_pl", "train", *given]


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


def _average() -> tuple[float, int]:
    """Seconds that a moving average takes to follow the generator, the median of many, and its parameters."""
    generator = build_generator(yaml.safe_load((files("twoface_pl.conf.generator") / "ours.yaml").read_text()))
    average = MovingAverage(generator, 0.999)
    took = []
    for step in range(30):
        begun = time.perf_counter()
        average.follow(generator, step)
        took.append(time.perf_counter() - begun)
    return statistics.median(took), sum(weight.numel() for weight in generator.parameters())


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
    print(f"a step alone: {alone:.1f} images/s (batch {BATCH}, 128 px, generator and discriminators)")
    for name, found in rates.items():
        of_bare = statistics.median(rate / each for rate, each in zip(found, bare, strict=True))
        print(f"  {name:28} {statistics.median(found):6.1f} images/s, {of_bare:.1%} of it")
    average, parameters = _average()
    print(
        f"  a moving average of {parameters / 1e6:.1f} M parameters follows in {1e3 * average:.1f} ms, "
        f"{average * alone / BATCH:.2%} of a step, which two whole runs do not tell apart"
    )


def _held(process: int, run: Path) -> str:
    """What a process and its children hold, and how large the run's folder is."""
    children = [
        int(child) for file in Path(f"/proc/{process}/task").glob("*/children") for child in file.read_text().split()
    ]
    memory, files = 0.0, 0
    for each in (process, *children):
        figures = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        memory += next(int(line.split()[1]) for line in figures if line.startswith("Pss:")) / 1e3
        files += len(list(Path(f"/proc/{each}/fd").iterdir()))
    held = [path for path in run.rglob("*") if path.is_file()]
    size, checkpoints = (
        sum(path.stat().st_size for path in held if path.match(kind)) / 1e6 for kind in ("*", "*.ckpt")
    )
    return f"{memory:7.1f} {len(children) + 1:3} {files:4} {size:8.2f} {checkpoints:8.2f}"


def print_long_run(folder: Path) -> None:
    """A tiny network's memory, files and folder over 2,000 batches."""
    run = folder / "long"
    given = [
        "experiment=smoke", "data.batch_size=4", "image_size=64", "data.workers=1", "ema=0.99", "log_every=20",
        "logger=tensorboard", f"max_batches={SAMPLED[-1] + 100}", "validate_every=250", f"data.root={folder / 'small'}",
    ]  # fmt: skip
    process = subprocess.Popen(_command(folder, "long", *given), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"{SAMPLED[-1]} batches of a tiny network: MB of memory, processes, open files, MB of the run's folder, of")
    print("which checkpoints", flush=True)
    left = list(SAMPLED)
    try:
        while process.poll() is None and left:
            done = max((int(path.stem) for path in run.glob("pictures/[0-9]*.png")), default=0)
            if done >= left[0]:
                time.sleep(0.5)  # a checkpoint follows the picture
                print(f"  after {left.pop(0):5} batches: {_held(process.pid, run)}", flush=True)
            time.sleep(0.1)
        if process.wait() or left:
            raise SystemExit("the long run failed, or ended before it was looked at")
    finally:
        process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=16, help="of each variant in each round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-parts", action="store_true", help="the long run alone")
    parser.add_argument("--no-long-run", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size, made in ((128, "set"), (64, "small")):
            drawn = [f"image_size={size}", "frame=none", "same_picture=2", "too_alike=2", f"root={folder / made}"]
            people = ["source=synthetic", f"source.people={PEOPLE}", f"source.photos={PHOTOS}"]
            prepare = [*people, f"source.root={folder / f'photos{size}'}", *drawn]
            subprocess.run([sys.executable, "-m", "twoface_pl", "prepare", *prepare], check=True, capture_output=True)
        if not options.no_parts:
            print_parts(folder, options.batches, options.rounds)
        if not options.no_long_run:
            print_long_run(folder)


if __name__ == "__main__":
    main()
