"""Reading the generator out of a training checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.reading import check_file
from twoface_pl.masks import CenterSquare
from twoface_pl.model_file import WEIGHTS_PREFIX, build_frame, check_field
from twoface_pl.networks.build import build_generator
from twoface_pl.networks.generator import Generator
from twoface_pl.networks.seed import SeedGenerator
from twoface_pl.networks.weights import check_weights, is_weight, load_torch_file

AVERAGE_PREFIX = "average.module."  # of the moving average's weights
# What Lightning needs of a checkpoint to go on, and of which type.
RESUMED: dict[str, type] = {
    "epoch": int,
    "global_step": int,
    "pytorch-lightning_version": str,
    "loops": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "callbacks": dict,
}


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


def _misfit(weights: Mapping[str, object], generator: Generator) -> str | None:
    """How weights differ from those that a generator has, in a few words; None if they do not."""
    wanted = generator.state_dict()
    for name, weight in wanted.items():
        found = weights.get(name)
        if not is_weight(found):
            return f"{name} is missing" if found is None else f"{name} is no weight"
        assert isinstance(found, Tensor)
        if found.shape != weight.shape or found.is_floating_point() != weight.is_floating_point():
            return f"{name} is {found.dtype} {tuple(found.shape)}, not {weight.dtype} {tuple(weight.shape)}"
    kinds = {name.rpartition(".")[2] for name in wanted}  # an exporter adds values of other kinds, beside the weights
    more = sorted(name for name in set(weights) - set(wanted) if name.rpartition(".")[2] in kinds)
    return f"{more[0][:100]} is none of its weights" if more else None


def generator_with(
    options: dict[str, Any], image_size: int, weights: Mapping[str, object], name: str, says: str
) -> Generator:
    """A generator with the weights of a file, in eval mode and frozen.

    Args:
        options: of the generator; they may lie, so what they claim is compared before it is allocated.
        image_size: that it is said to work at.
        weights: by name.
        name: of the file, for errors.
        says: the sentence for weights of another architecture.

    Raises:
        TwoFaceError: options of no generator, weights of another one, or some that are not finite.
    """
    try:
        claimed = _without_memory(options)
        claimed.check(image_size, claimed.only_hole or CenterSquare())
        problem = _misfit(weights, claimed)
        if problem is None:
            generator = build_to_load(options)
    except TwoFaceError as error:
        raise TwoFaceError(f"{name}: {str(error)[:300]}") from None
    if problem is not None:
        raise TwoFaceError(f"{says} ({problem})")
    generator.load_state_dict({key: weights[key] for key in generator.state_dict()})  # into float32
    check_weights(generator.state_dict(), name)
    return generator.eval().requires_grad_(False)


def _without_memory(options: dict[str, Any]) -> Generator:
    """The generator for its weights' shapes only; the 2018 network's are given, and it looks at its own."""
    with torch.device("cpu" if options.get("name") == SeedGenerator.name else "meta"):
        return build_to_load(options)


def _part(content: Mapping[str, Any], key: str, kind: type, path: Path) -> Any:
    if not isinstance(content.get(key), kind):
        found = type(content[key]).__name__ if key in content else "missing"
        raise TwoFaceError(f"{path}: its {key} is {found}, not a {kind.__name__}; this checkpoint cannot be read")
    return content[key]


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, with all that says what it is in its place."""
    check_file(path, "checkpoint", "train one with `twoface train`, it says where it is")
    content = load_torch_file(path, "a training checkpoint")
    hparams = content.get("hyper_parameters")
    if not isinstance(hparams, dict) or not {"generator", "facts"} <= set(hparams) or "state_dict" not in content:
        raise TwoFaceError(f"{path}: a checkpoint of another program, not of `twoface train`")
    facts, name = _part(hparams, "facts", dict, path), str(path)
    check_field(name, "architecture", hparams["generator"])
    for fact in ("image_size", "frame", "mask", "run"):
        check_field(name, fact, facts.get(fact))
    check_field(name, "batches", content.get("batches_done"))
    check_field(name, "seconds", content.get("seconds", 0.0))
    state = _part(content, "state_dict", dict, path)
    if not all(isinstance(key, str) for key in state):
        raise TwoFaceError(f"{path}: its state_dict is not by names; this checkpoint cannot be read")
    return content


def _tensors(values: object, name: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors in lists and dictionaries, however these hold one another, each with where it is."""
    left, seen = [(name, values)], set()
    while left:
        name, value = left.pop()
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            left += [(f"{name}.{str(key)[:50]}", part) for key, part in pairs]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content, for a training that goes on; never runs code from it.

    Raises:
        TwoFaceError: missing, broken, not a Two-Face checkpoint, or with weights that are not finite.
    """
    content = _read(path)
    for key in ("discriminator", "optimizer"):
        _part(content["hyper_parameters"], key, dict, path)
    for key, kind in RESUMED.items():
        _part(content, key, kind, path)
    check_weights(content["state_dict"], str(path))
    check_weights(dict(_tensors(content["optimizer_states"], "optimizer_states")), str(path))
    return content


def load_generator(path: Path) -> TrainedGenerator:
    """The generator of a checkpoint; its moving average where there is one.

    Raises:
        TwoFaceError: missing, broken, not a Two-Face checkpoint; weights of another architecture, or a generator's
            that are not finite.
    """
    content = _read(path)
    options, facts = dict(content["hyper_parameters"]["generator"]), content["hyper_parameters"]["facts"]
    has_average = any(key.startswith(AVERAGE_PREFIX) for key in content["state_dict"])
    prefix = AVERAGE_PREFIX if has_average else WEIGHTS_PREFIX
    weights = {
        key.removeprefix(prefix): value for key, value in content["state_dict"].items() if key.startswith(prefix)
    }
    return TrainedGenerator(
        generator_with(
            options, facts["image_size"], weights, str(path), f"{path}: not a checkpoint of generator {options}"
        ),
        options,
        facts["image_size"],
        build_frame(str(path), facts["frame"]),
        facts["mask"],
        facts["run"],
        content["batches_done"],
        content.get("seconds", 0.0),
    )
