"""Shared parts: a tiny data set, a fitted identity network, a trained checkpoint, an exported model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import onnx
import pytest
import torch
from filelock import FileLock
from model_parts import sealed
from torch import Tensor, nn
from warm import COMMAND, WarmCommand

from twoface_pl.data.datamodule import DataOptions, TripleDataModule
from twoface_pl.data_prep.options import PrepareOptions
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.result import PrepareResult
from twoface_pl.data_prep.split import SplitRule
from twoface_pl.evaluation.evaluator import EvaluateOptions
from twoface_pl.export.export import export
from twoface_pl.export.write import write_repair
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.synthetic import write_synthetic_photos
from twoface_pl.masks import CenterSquare
from twoface_pl.model_file import REPAIR
from twoface_pl.networks.checkpoint import load_generator
from twoface_pl.serving.versions import find_model
from twoface_pl.training.fit_synthetic_identity import fit_synthetic_identity
from twoface_pl.training.module import InpaintingModule
from twoface_pl.training.train import TrainOptions, train

pytest_plugins = ["browser", "s3"]  # fixtures of the web page's tests, and of those of buckets

SIZE = 64
HOLE = 16
TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
SHARED = ROOT.parent / "shared"
MASK = {"name": "center", "size": HOLE}
GENERATOR = {"name": "ours", "width": 32, "fine_width": 16, "depth": 1, "fine_blocks": 1, "blocks": 1, "heads": 2}
DISCRIMINATOR = {"name": "conv", "width": 8, "local_size": 16}
OPTIMIZER = {
    "kind": "adam",
    "generator_lr": 1e-3,
    "discriminator_lr": 1e-3,
    "betas": [0.5, 0.99],
    "decay_batches": None,
}
TIGHT = FrameKind("tight", 33, 54)
FACED = {"frame": TIGHT, "min_face": 10, "image_size": 64}  # of a preparation that finds faces
CPU = {"accelerator": "cpu", "devices": 1, "precision": "32-true"}

EXPORTED = {"model", "tight_model"}  # fixtures that take long, made by one process while the other waits
Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure() -> None:
    """Give each of the processes that share the tests its own cores, and with them all that it starts: the threads of
    one wait in circles, and would take the other's time. And signals as from a terminal, whatever started the tests: a
    job in the background or under nohup ignores two, and so would the commands and servers of tests."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
    if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
        number, count = int(os.environ["PYTEST_XDIST_WORKER"][2:]), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        own = sorted(os.sched_getaffinity(0))[number::count]
        os.sched_setaffinity(0, own or os.sched_getaffinity(0))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the exported model come first: they begin in one process, and the other, in the middle, has others."""
    items.sort(key=lambda item: not EXPORTED & set(getattr(item, "fixturenames", ())))


def losses(reconstruction: float = 1.0, adversarial: float = 0.01, identity: float = 0.0, **changes) -> dict:
    """Options of every loss; ``changes`` replaces some, as ``perceptual={"weight": 1.0}``."""
    options = {
        "reconstruction": {"weight": reconstruction, "kind": "l1", "rim_weight": 0.0, "rim_width": 0},
        "perceptual": {
            "weight": 0.0, "size": 32, "margin": 0.125, "close_ups": 0.5, "vgg_weights": "random",
            "vgg_preprocess": "auto", "start": 0,
        },
        "adversarial": {
            "kind": "non_saturating", "global_weight": adversarial, "local_weight": adversarial,
            "discriminator_weight": 1.0, "r1_weight": 0.0, "r1_every": 1, "start": 0,
        },
        "identity": {
            "weight": identity, "kind": "cosine", "truth": 1.0, "reference": 0.0, "hardened": False, "share": 1.0,
            "start": 0,
        },
        "distillation": {"weight": 0.0, "teacher": None, "kind": "l1", "start": 0},
    }  # fmt: skip
    return {name: {**values, **changes.get(name, {})} for name, values in options.items()}


def kinds_of_rejects(result: PrepareResult) -> dict[str, str]:
    """The kind of each reject, by person and file."""
    return {reject.path.partition("/")[2]: reject.kind for reject in result.rejects}


def bytes_of(folder: Path) -> dict[Path, bytes]:
    """Every file's content."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def is_pinned(*packages: str) -> bool:
    """Whether these are installed as ``constraints.txt`` pins them."""
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    return all(version(name).partition("+")[0] == pinned[name] for name in packages)


def split_rule(name: str = "few_photos", validation: float = 0.2, test: float = 0.2, seed: int = 0) -> SplitRule:
    return SplitRule.build({"name": name, "validation": validation, "test": test, "seed": seed})


def prepare_options(photos: Path, root: Path, split: str | SplitRule = "few_photos", **changes) -> PrepareOptions:
    """Drawn faces are found by no detector, so they are taken as they are."""
    options = {
        "image_size": SIZE,
        "frame": FrameKind("none"),
        "split": split_rule(split) if isinstance(split, str) else split,
        "workers": 1,
        "same_picture": 2.0,  # drawings are alike: nothing is a duplicate
        "too_alike": 2.0,
    }
    return PrepareOptions((photos,), root, **{**options, **changes})


def tiny_module(**changes) -> InpaintingModule:
    options = {
        "generator": GENERATOR,
        "discriminator": DISCRIMINATOR,
        "losses": losses(),
        "optimizer": OPTIMIZER,
        "facts": {"image_size": SIZE, "frame": {"name": "none"}, "mask": MASK, "run": "tests"},
        "log_every": 1,
    }
    return InpaintingModule(**{**options, **changes})


def brightness_of(generator: nn.Module) -> Tensor:
    """The bias that a fill of ours moves with: of its decoder's last convolution before the block at full size."""
    bias = [layer for layer in generator.decoder if isinstance(layer, nn.Conv2d)][-1].bias
    assert bias is not None
    return bias


def tiny_data(root: Path, workers: int = 0) -> TripleDataModule:
    options = DataOptions(root, SIZE, batch_size=4, workers=workers, seed=0, validation_photos=4)
    return TripleDataModule(options, CenterSquare(HOLE))


def tiny_options(folder: Path, **changes) -> TrainOptions:
    options = {
        "folder": folder,
        "max_batches": 4,
        "validate_every": 2,
        "logger": "csv",
        "trainer": CPU,
        "progress": False,
    }
    return TrainOptions(**{**options, **changes})


def evaluate_options(root: Path, **changes) -> EvaluateOptions:
    options = {"split": "test", "mask": None, "batch_size": 3, "photos": 0, "seed": 0, "device": "cpu"}
    return EvaluateOptions(root, **{**options, **changes})


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["TWOFACE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ.pop("TWOFACE_FACENET", None)
    os.environ.pop("TWOFACE_VGG16", None)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of 24 people, as a user has them."""
    root = tmp_path_factory.mktemp("photos") / "drawn"
    write_synthetic_photos(root, people=24, photos=4, size=SIZE)
    return root


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos at 128 px with a face each, of 12 people."""
    root = tmp_path_factory.mktemp("raw") / "drawn"
    write_synthetic_photos(root, people=12, photos=4, size=128)
    return root


@pytest.fixture(scope="session")
def prepared(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, prepared."""
    root = tmp_path_factory.mktemp("data") / "prepared"
    prepare(prepare_options(photos, root))
    return root


@pytest.fixture(scope="session")
def prepared_128(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same at 128 px, by the 2018 split: what `seed` needs."""
    root = tmp_path_factory.mktemp("data") / "prepared_128"
    prepare(prepare_options(photos, root, "classic2018", image_size=128))
    return root


def _once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Path]) -> Path:
    """What takes long is made by one of the processes that share the tests; ``make`` gets its folder."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"made-{name}"
    with FileLock(f"{folder}.lock"):
        said = folder / "path.txt"
        if not said.exists():
            folder.mkdir()
            said.write_text(str(make(folder)))
        return Path(said.read_text())


@pytest.fixture(scope="session")
def identity_file(_cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small identity network, where the `identity=synthetic` config looks for it."""

    def make(folder: Path) -> Path:
        path = folder / "synthetic_identity.pt"
        fit_synthetic_identity(path, people=60, photos=6, steps=120)
        return path

    path = Path(os.environ["TWOFACE_CACHE"]) / "synthetic_identity.pt"
    shutil.copyfile(_once(tmp_path_factory, "identity", make), path)
    return path


@pytest.fixture(scope="session")
def checkpoint(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few batches' checkpoint of a tiny generator."""

    def make(folder: Path) -> Path:
        torch.manual_seed(0)  # one model for all runs of the tests
        return train(tiny_module(), tiny_data(prepared), tiny_options(folder / "run")).best

    return _once(tmp_path_factory, "checkpoint", make)


@pytest.fixture(scope="session")
def model(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its export."""

    def make(folder: Path) -> Path:
        return export(load_generator(checkpoint), folder / "two_face_model").path

    return _once(tmp_path_factory, "model", make)


@pytest.fixture(scope="session")
def tight_model(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, said to work in the tight frame: enough to see where it fills."""

    def make(folder: Path) -> Path:
        path = folder / model.name
        onnx.save(sealed(onnx.load(model), frame=json.dumps(TIGHT.options())), path)
        write_repair(path, find_model(path, REPAIR))
        return path

    return _once(tmp_path_factory, "tight", make)


@pytest.fixture(scope="session")
def twoface(_cache: None) -> Run:
    """Runs the command in a process of its own."""
    return WarmCommand()


@pytest.fixture(scope="session")
def installed() -> Run:
    """Runs the installed script, which takes its time to start."""

    def run(*arguments: object, cwd: Path | None = None, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        command = [str(COMMAND), *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, timeout=timeout, capture_output=True, text=True, check=False)

    return run
