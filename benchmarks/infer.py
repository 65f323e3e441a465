"""Speed of what is exported, in one run: the network in each runtime, and whole repairs part by part.

    make bench-infer
    make bench-infer ARGS="--compile"

The network is the package's, and the 2018 one for comparison, on framed pictures of 128 pixels. A repair is of a drawn
portrait that fills half of its photo's height, saved as JPEG, from another drawing of the same person; each runs in a
process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from twoface_pl.export.export import export
from twoface_pl.export.read import load_exported
from twoface_pl.export.timing import median_of_turns
from twoface_pl.export.variants import write_variant
from twoface_pl.faces.detector import usable_cores
from twoface_pl.faces.finder import Sought
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.hole import as_levels
from twoface_pl.faces.image import decode_image, read_photo, write_image
from twoface_pl.faces.runtime import run_options
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.faces.writing import write_photo
from twoface_pl.model_file import FILES, GENERATOR, INT8, REPAIR, SHIPPED
from twoface_pl.model_signature import GENERATOR_INPUTS, OWN_SIZE_OUTPUT
from twoface_pl.networks.build import build_generator
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.placing import place, place_photo
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model

SIZE, BATCHES = 128, (1, 8)
PARTS = ("decode", "find", "repair", "paste", "encode")
MEGAPIXELS = (0.5, 2, 12, 48)
PERSON = 12  # a drawn face that the detector is sure of
Run = Callable[[], object]


def _in_torch(generator: nn.Module, feeds: dict[str, np.ndarray], compiled: bool) -> Run:
    image, mask, references = (
        torch.from_numpy(array).movedim(-1, -3).contiguous() for array in (feeds[name] for name in GENERATOR_INPUTS)
    )
    network = torch.compile(generator) if compiled else generator

    def run() -> object:
        with torch.inference_mode():
            return network(image * (1 - mask), mask, references)

    return run


def _in_onnxruntime(path: Path, feeds: dict[str, np.ndarray]) -> Run:
    session = FillSession(path, "cpu")
    wanted = [OWN_SIZE_OUTPUT] if session.facts.any_size else None
    return lambda: session.session.run(wanted, feeds, run_options())


def _in_openvino(path: Path, feeds: dict[str, np.ndarray]) -> Run | None:
    try:
        import openvino
    except ImportError:
        return None
    core = openvino.Core()
    # In float32, as onnxruntime: on CPUs with units for bfloat16 it would round to that.
    options = {"INFERENCE_NUM_THREADS": usable_cores(), "INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(core.read_model(path), "CPU", options)
    return lambda: model(feeds)


def _feeds(batch: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    image, reference = rng.random((2, batch, SIZE, SIZE, 3), np.float32)
    mask = np.zeros((batch, SIZE, SIZE, 1), np.float32)
    mask[:, 48:80, 48:80] = 1
    return dict(zip(GENERATOR_INPUTS, (image, mask, reference[:, None]), strict=True))


def _in_int8(path: Path, feeds: dict[str, np.ndarray], folder: Path) -> Run:
    """Calibrated on noise: its time is what any other has."""
    if not folder.exists():
        folder.mkdir()
        write_variant(INT8, path, [{name: values[:1] for name, values in feeds.items()}], folder)
    return _in_onnxruntime(folder / FILES[GENERATOR], feeds)


def print_networks(rounds: int, compiled: bool) -> None:
    """Milliseconds a picture in each runtime."""
    torch.manual_seed(0)
    options = {"name": "seed", "vgg_weights": "random"}
    generator = build_generator(options).eval().requires_grad_(False)
    seed = TrainedGenerator(generator, options, SIZE, FrameKind("none"), {"name": "center", "size": 32}, "benchmark", 0)
    with tempfile.TemporaryDirectory() as folder:
        networks = {"seed": (generator, export(seed, Path(folder)).path)}
        networks["ours"] = (load_exported(SHIPPED).generator, SHIPPED)
        for batch in BATCHES:
            feeds: dict[str, np.ndarray] = _feeds(batch)
            runs: dict[str, Run] = {}
            for name, (network, path) in networks.items():
                runs[f"{name}, onnxruntime"] = _in_onnxruntime(path, feeds)
                runs[f"{name}, onnxruntime int8"] = _in_int8(path, feeds, Path(folder) / f"{name}-int8")
                runs[f"{name}, torch"] = _in_torch(network, feeds, False)
            if compiled:
                runs["ours, torch.compile"] = _in_torch(networks["ours"][0], feeds, True)
            took = median_of_turns(runs, rounds)
            print(f"batch {batch}: ms a picture, and times ours in onnxruntime")
            for name, seconds in took.items():
                ratio = seconds / took["ours, onnxruntime"]
                print(f"  {name:24} {1000 * seconds / batch:7.1f} {ratio:6.2f}", flush=True)


def print_runtimes(rounds: int) -> None:
    """A whole repair's graph on a photo of half a megapixel, in onnxruntime and OpenVINO."""
    session = RepairSession(find_model(SHIPPED, REPAIR), "cpu")
    photo, reference = (synthetic_photo(PERSON, number, 700) for number in (0, 1))
    frames = [place(session, Sought(pixels)) for pixels in (photo, reference)]
    hole = frames[0].mask_in_photo(session.default_mask, *photo.shape[:2])
    feeds = session.feeds(photo, as_levels(hole), frames[0], [reference], frames[1:])
    runs: dict[str, Run] = {"onnxruntime": lambda: session.session.run(None, feeds)}
    other = _in_openvino(session.path, feeds)
    if other is None:
        print("OpenVINO is not installed: make runtimes")
        return
    took = median_of_turns({**runs, "openvino": other}, rounds)
    times = "   ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in took.items())
    print(f"a whole repair of 700x700: {times}   openvino {took['openvino'] / took['onnxruntime']:.2f} times it")


@contextmanager
def _timed(parts: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    parts[name] = time.perf_counter() - start


def _memory(field: str) -> float:
    """Megabytes, of /proc."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1e3


def one_repair(folder: Path) -> dict[str, float]:
    """Seconds by part, and megabytes above what the decoded photos take."""
    logging.disable()
    parts: dict[str, float] = {}
    with _timed(parts, "open"):
        session = RepairSession(find_model(SHIPPED, REPAIR), "cpu")
        small = synthetic_photo(PERSON, 0, 160)
        hole = np.zeros(small.shape[:2], bool)
        hole[80:100, 70:90] = True
        place(session, Sought(small, hole=hole))
    with _timed(parts, "decode"):
        photo, reference = read_photo(folder / "photo.jpg", keep=True), decode_image(folder / "reference.jpg")
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    with _timed(parts, "find"):
        seen = photo.seen()
        mask = np.zeros(seen.shape[:2], bool)
        height, width = seen.shape[:2]
        mask[height // 2 : height // 2 + height // 9, width // 2 - height // 18 : width // 2 + height // 18] = True
        frames = [place_photo(session, Sought(seen, hole=mask)), place(session, Sought(reference))]
    with _timed(parts, "repair"):
        content = session.repair(seen, mask, frames[0], [reference], frames[1:])
    with _timed(parts, "paste"):
        result = photo.with_fill(content, as_levels(mask))
    peak = _memory("VmHWM") - before
    with _timed(parts, "encode"):
        write_photo(folder / "result.jpg", result, reencode=True)
    return {**parts, "memory": peak, "frame": frames[0].side}


def print_repairs(megapixels: list[float]) -> None:
    """A table of whole repairs, in seconds, each in a process of its own."""
    print("MP    frame px   " + "   ".join(f"{name:>7}" for name in (*PARTS, "MB")))
    for size in megapixels:
        height, width = (round(1000 * np.sqrt(size * ratio)) for ratio in (3 / 4, 4 / 3))
        with tempfile.TemporaryDirectory() as name:
            for number, role in enumerate(("photo", "reference")):
                photo = np.full((height, width, 3), (120, 140, 150), np.uint8)
                top, left, side = height // 4, (width - height // 2) // 2, height // 2
                photo[top : top + side, left : left + side] = synthetic_photo(PERSON, number, side)
                write_image(Path(name) / f"{role}.jpg", photo)
            done = subprocess.run(
                [sys.executable, __file__, "--one", name], capture_output=True, text=True, check=False
            )
        if done.returncode:
            sys.exit(done.stderr)
        found = json.loads(done.stdout)
        times = "   ".join(f"{found[part]:7.2f}" for part in PARTS)
        print(f"{size:<5} {found['frame']:8.0f}   {times}   {found['memory']:7.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="of each turn (%(default)s)")
    parser.add_argument("--compile", action="store_true", help="torch.compile too, which takes minutes first")
    parser.add_argument("--megapixels", type=float, nargs="*", default=list(MEGAPIXELS), help="of photos repaired")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(one_repair(given.one)))
        return
    torch.set_num_threads(usable_cores())
    print_repairs(given.megapixels)
    print_runtimes(given.rounds)
    print_networks(given.rounds, given.compile)


if __name__ == "__main__":
    main()
