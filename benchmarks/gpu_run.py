"""A training on a machine with a GPU that is lent for half an hour, without a network, ten minutes a command.

    python3 benchmarks/gpu_run.py bring packed/1 --store /tmp/run     # each packed folder, in a call of its own
    python3 benchmarks/gpu_run.py check --store /tmp/run              # all there? unpacked, installed, a GPU: seconds
    python3 benchmarks/gpu_run.py measure --store /tmp/run            # images a second at three sizes of batch
    python3 benchmarks/gpu_run.py train --store /tmp/run --minutes 9 --total 18     # again until the total is reached
    python3 benchmarks/gpu_run.py finish --store /tmp/run --output "$OUT"           # exported, judged, cut into pieces
    python3 benchmarks/gpu_run.py train --size small --store /tmp/run --minutes 5 --total 5  # taught by the large one
    python3 benchmarks/gpu_run.py finish --size small --store /tmp/run --output "$OUT"
    python benchmarks/gpu_run.py join results --output back           # at home: whole files again

What follows `--` are overrides of `twoface train`, of `finish` those of `twoface evaluate`. Each command ends by
itself, and may be given again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from gpu_pieces import MIB, Trouble, bring, cut, join
from gpu_store import Store, check, tail

BACK = 15 * MIB  # of a piece on the way back
SAVE_SECONDS = 60  # that a training which is told to stop may take for the step at hand and its checkpoint
LEAST_BATCH = 8
FORGETS = "not enough memory"  # what `twoface train` says
HOLES = ("center", "center64", "strokes")
SIZES = ("large", "small")  # of the model; the large one teaches the small one
KEPT = """
import sys, torch
from pathlib import Path
from twoface_pl.networks.checkpoint import load_generator
torch.save(load_generator(Path(sys.argv[1])).generator.state_dict(), sys.argv[2])
"""


def _training(store: Store, size: str, run: Path, minutes: float, batch: int, overrides: list[str]) -> list[str]:
    own = [
        f"data.root={store.data}", f"hydra.run.dir={run}", "resume=auto", f"max_minutes={minutes}",
        f"data.batch_size={batch}", "progress=false", "logger=csv",
    ]  # fmt: skip
    if size == "large":
        return store.command("train", "experiment=large", *own, *overrides)
    taught = f"losses.distillation.teacher={store.checkpoint('large')}"
    return store.command("train", "experiment=distilled", taught, *own, *overrides)


def _rows(run: Path) -> list[dict[str, str]]:
    files = sorted(run.glob("csv/*/metrics.csv"))
    return [row for file in files for row in csv.DictReader(file.open()) if row.get("speed/images_a_second")]


def measure(store: Store, size: str, batches: list[int], seconds: float, overrides: list[str]) -> None:
    """Images a second of whole steps, by size of batch."""
    store.require_ready()
    print("batch  images/s  waiting for data  GPU memory")
    for batch in batches:
        run = store.folder / f"measured-{batch}"
        shutil.rmtree(run, ignore_errors=True)
        few = ["log_every=5", "validate_every=1000000", "data.validation_photos=8"]
        command = _training(store, size, run, seconds / 60, batch, [*few, *overrides])
        done = subprocess.run(
            command, cwd=store.folder, env=store.environment(), capture_output=True, text=True, check=False
        )
        rows = _rows(run)[1:]  # the first is warming up
        if done.returncode or not rows:
            why = "no batch was logged in that time" if not done.returncode else tail(done.stderr, 1)
            print(f"{batch:5}  {why}")
            continue
        rate, waiting = (
            statistics.median(float(row[f"speed/{name}"]) for row in rows) for name in ("images_a_second", "waiting")
        )
        memory = rows[-1].get("memory/gpu_gb") or "nan"
        print(f"{batch:5}  {rate:8.0f}  {100 * waiting:15.1f}%  {float(memory):7.1f} GB", flush=True)


def _room(store: Store) -> dict[str, int]:
    """Batches that have room, by the model's size, where others had none."""
    path = store.folder / "room.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def train(store: Store, size: str, minutes: float, total: float, batch: int, overrides: list[str]) -> None:
    """Train, or go on, for at most so many minutes; a batch that has no room is halved."""
    store.require_ready()
    end = time.monotonic() + 60 * minutes
    run, log = store.run(size), store.folder / f"train-{size}.log"
    batch = min(batch, _room(store).get(size, batch))
    while True:
        with log.open("ab") as stream:
            before = stream.tell()
            process = subprocess.Popen(
                _training(store, size, run, total, batch, overrides), cwd=store.folder,
                env=store.environment(), stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip
            try:
                process.wait(max(1.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(SAVE_SECONDS)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        said = tail(log.read_bytes()[before:].decode(errors="replace"), 4)
        if process.returncode == 1 and FORGETS in said and batch // 2 >= LEAST_BATCH:
            batch //= 2
            (store.folder / "room.json").write_text(json.dumps({**_room(store), size: batch}))
            print(f"the GPU has no room for batches of {2 * batch}: going on with {batch}", flush=True)
            continue
        print(said)
        if process.returncode not in (0, 128 + signal.SIGTERM, -signal.SIGKILL):
            raise Trouble(f"the training ended with {process.returncode}; see {log}; what was saved is in {run}")
        rows = _rows(run)
        if rows:
            print(f"{float(rows[-1]['speed/images_a_second']):.0f} images/s in batches of {batch}")
        return


def _judge(store: Store, size: str, checkpoint: Path, device: str, photos: int, overrides: list[str]) -> list[Path]:
    """Evaluations on the validation split, a hole each."""
    made = []
    for hole in HOLES:
        output = store.folder / f"judged-{size}" / hole
        judge = ["recogniser=sface"] if (store.brought / "sface.onnx").exists() else []
        done = store.call(
            "evaluate", f"checkpoint={checkpoint}", f"root={store.data}", "subset=validation",
            f"mask={hole}", f"photos={photos}", f"device={device}", "force=true",
            f"output={output}", *judge, *overrides,
        )  # fmt: skip
        print(f"{hole}: {tail(done.stdout if not done.returncode else done.stderr, 12)}", flush=True)
        made += [path for path in (output / "evaluation.json", output / "evaluation.png") if path.exists()]
    return made


def finish(store: Store, size: str, output: Path, device: str, photos: int, overrides: list[str]) -> None:
    """Export, judge, and cut what must come back into pieces; what fails is said, and the rest comes back."""
    store.require_ready()
    run, checkpoint = store.run(size), store.checkpoint(size)
    back = store.folder / "back"
    shutil.rmtree(back, ignore_errors=True)
    back.mkdir()
    given = [sys.executable, "-c", KEPT, str(checkpoint), str(back / "generator.pt")]
    done = subprocess.run(given, env=store.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"the weights alone cannot be kept: {tail(done.stderr, 1)}", flush=True)
    models = store.folder / f"models-{size}"
    shutil.rmtree(models, ignore_errors=True)
    done = store.call("export", f"checkpoint={checkpoint}", "half=true", f"output={models}")
    print(tail(done.stdout if not done.returncode else done.stderr, 4), flush=True)
    for path in models.glob("1/model.onnx"):
        shutil.copyfile(path, back / path.name)
    judged = _judge(store, size, checkpoint, device, photos, overrides)
    with zipfile.ZipFile(back / "rest.zip", "w", zipfile.ZIP_DEFLATED) as rest:
        pictures = sorted(run.glob("pictures/*.png"))[-3:]
        logs = [*run.glob("csv/*/metrics.csv"), store.folder / f"train-{size}.log", *run.glob(".hydra/*.yaml")]
        for path in (*judged, *pictures, *logs):
            if path.exists():
                rest.write(path, str(path.relative_to(store.folder)))
    output.mkdir(parents=True, exist_ok=True)
    (folder,) = cut(sorted(back.iterdir()), store.folder / f"out-{time.monotonic_ns()}", BACK)
    for path in folder.iterdir():
        shutil.copyfile(path, output / path.name)
    print(f"{output}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)

    def command(name: str, stored: bool = True) -> argparse.ArgumentParser:
        one = commands.add_parser(name)
        if stored:
            one.add_argument("--store", type=Path, required=True, help="a folder that stays while the machine does")
        if name in ("measure", "train", "finish"):
            one.add_argument("--size", choices=SIZES, default="large", help="of the model (%(default)s)")
        return one

    command("bring").add_argument("folder", type=Path)
    command("check").add_argument("--cpu", action="store_true", help="do without a GPU, to try it out")
    measuring = command("measure")
    measuring.add_argument("--batches", type=int, nargs="+", default=[64, 256, 1024])
    measuring.add_argument("--seconds", type=float, default=8, help="of training, each (%(default)s)")
    training = command("train")
    training.add_argument("--minutes", type=float, default=9, help="of this call (%(default)s)")
    training.add_argument("--total", type=float, default=18, help="over all calls (%(default)s)")
    training.add_argument("--batch", type=int, default=256, help="photos a step (%(default)s)")
    finishing = command("finish")
    finishing.add_argument("--output", type=Path, required=True)
    finishing.add_argument("--device", default="cuda", help="that judges (%(default)s)")
    finishing.add_argument("--photos", type=int, default=200, help="that are judged (%(default)s)")
    joining = command("join", stored=False)
    joining.add_argument("folder", type=Path)
    joining.add_argument("--output", type=Path, required=True)
    return parser


def _do(options: argparse.Namespace, overrides: list[str]) -> None:
    if options.what == "join":
        print(", ".join(str(path) for path in join(options.folder, options.output)))
        return
    store = Store(options.store.resolve())
    if options.what == "bring":
        missing = bring(options.folder, store.folder)
        print(f"{len(missing)} pieces are still missing, first {missing[0]}" if missing else "all pieces are there")
    elif options.what == "check":
        check(store, options.cpu)
    elif options.what == "measure":
        measure(store, options.size, options.batches, options.seconds, overrides)
    elif options.what == "train":
        train(store, options.size, options.minutes, options.total, options.batch, overrides)
    else:
        finish(store, options.size, options.output, options.device, options.photos, overrides)


def main() -> int:
    given = sys.argv[1:]
    own, overrides = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    try:
        _do(_parser().parse_args(own), overrides)
    except Trouble as trouble:
        print(f"gpu_run: {trouble}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
