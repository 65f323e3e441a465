"""Reading the generator out of a training checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import FrameKind
from twoface_pl.model_file import WEIGHTS_PREFIX
from twoface_pl.networks.generator import Generator, build_generator
from twoface_pl.networks.seed import SeedGenerator
from twoface_pl.networks.weights import load_torch_file


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator in eval mode and what its training says of it, as plain containers."""

    generator: Generator
    options: dict[str, Any]  # of the generator
    image_size: int
    frame: FrameKind
    mask: dict[str, Any]  # of the mask policy it was trained with
    run: str
    batches: int
    seconds: float = 0.0  # that this run took, validations included, without those it was begun from
    figures: list[dict[str, Any]] = field(default_factory=list)  # the judge's, where the file holds them


def architecture(options: dict[str, Any]) -> dict[str, Any]:
    """A network's options without the file of frozen weights, which checkpoints and exports hold themselves."""
    return {key: value for key, value in options.items() if key != "vgg_weights"}


def build_to_load(options: dict[str, Any]) -> Generator:
    """A generator whose weights are loaded next, frozen ones too: no file of those is needed.

    Raises:
        TwoFaceError: as :func:`build_generator`.
    """
    frozen = {"vgg_weights": "random"} if options.get("name") == SeedGenerator.name else {}
    return build_generator({**options, **frozen})


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content; never runs code from it.

    Raises:
        TwoFaceError: missing, broken, or not a Two-Face checkpoint.
    """
    if not path.is_file():
        raise TwoFaceError(f"no checkpoint {path}; train one with `twoface train`, it says where it is")
    content = load_torch_file(path, "a training checkpoint")
    hparams = content.get("hyper_parameters", {})
    if not {"generator", "facts"} <= set(hparams) or "state_dict" not in content:
        raise TwoFaceError(f"{path}: a checkpoint of another program, not of `twoface train`")
    return content


def load_generator(path: Path) -> TrainedGenerator:
    """The generator of a checkpoint.

    Raises:
        TwoFaceError: as :func:`read_checkpoint`, or weights of another architecture.
    """
    content = read_checkpoint(path)
    hparams = content["hyper_parameters"]
    options = dict(hparams["generator"])
    generator = build_to_load(options)
    state = {
        key.removeprefix(WEIGHTS_PREFIX): value
        for key, value in content["state_dict"].items()
        if key.startswith(WEIGHTS_PREFIX)
    }
    try:
        generator.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise TwoFaceError(f"{path}: not a checkpoint of generator {options}: {first[:200]}") from None
    facts = hparams["facts"]
    return TrainedGenerator(
        generator.eval().requires_grad_(False),
        options,
        facts["image_size"],
        FrameKind.build(facts["frame"]),
        facts["mask"],
        facts["run"],
        content["batches_done"],
        content.get("seconds", 0.0),
    )
