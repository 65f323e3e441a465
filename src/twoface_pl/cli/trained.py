"""A trained generator, however users name it."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from twoface_pl.cli.near import nearest
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.model_file import model_path, packaged

if TYPE_CHECKING:
    from twoface_pl.evaluation.compared import Compared
    from twoface_pl.networks.checkpoint import TrainedGenerator


def model_here(text: object) -> Path:
    """A model's file on this machine, however users name it; one at an address is fetched."""
    from twoface_pl.buckets.address import is_address
    from twoface_pl.buckets.fetch import local

    return local(text) if is_address(text) else model_path(text)


def _inside(folder: Path) -> Path | None:
    """What a folder holds of a trained generator: a run's checkpoint, or an exported file."""
    from twoface_pl.serving.versions import find_model

    checkpoints = (folder / "best.ckpt", *sorted(folder.glob("*.ckpt"), reverse=True))
    found = next((path for path in checkpoints if path.is_file()), None)
    try:
        return found or find_model(folder)
    except TwoFaceError:
        return None


def _check_meant(path: Path) -> None:
    """Say what was meant by a folder that holds a trained generator, or by a misspelt name of the package's models."""
    if os.path.isdir(path):  # unlike Path's, false for a name that is too long
        inside = _inside(path)
        require(inside is None, f"{path}: a folder, not a checkpoint; give the file in it: {inside}")
    elif not os.path.lexists(path) and (meant := nearest(str(path), packaged())):
        raise TwoFaceError(f"no checkpoint {path}; did you mean {meant}, of the package?")


def load_trained(text: object) -> TrainedGenerator:
    """Of a checkpoint, of an exported ``.onnx`` file, or one that comes with the package, as ``shipped``.

    Raises:
        TwoFaceError: missing, broken, or of another program.
    """
    path = model_here(text)
    _check_meant(path)
    if path.suffix.lower() == ".onnx":
        from twoface_pl.export.read import load_exported

        return load_exported(path)
    from twoface_pl.networks.checkpoint import load_generator

    return load_generator(path)


def _pictures(text: object) -> Path | None:
    """The folder that ``against=`` names, if it is one of pictures."""
    from twoface_pl.buckets.address import is_address

    return model_path(text) if not is_address(text) and model_path(text).is_dir() else None


def compared_with(text: object) -> Compared | None:
    """What ``against=`` names: a generator as above, or a folder of pictures; None where it names nothing."""
    from twoface_pl.evaluation.compared import ComparedGenerator, ComparedPictures

    if not text:
        return None
    folder = _pictures(text)
    path = Path(str(text))
    if folder is None and not path.suffix and str(text) not in packaged() and not path.exists():
        raise TwoFaceError(f"against={text}: no such folder of pictures, checkpoint or .onnx file")
    return ComparedPictures(folder) if folder is not None else ComparedGenerator(load_trained(text))


def compared_by_hole(text: object, holes: Collection[str], chosen: Collection[str]) -> dict[str, Compared]:
    """The same for each hole of a protocol: of a folder its part for that hole, for those of ``chosen`` at least.

    Raises:
        TwoFaceError: pictures of a chosen hole are not there.
    """
    from twoface_pl.evaluation.compared import ComparedPictures

    folder = _pictures(text) if text else None
    if folder is not None:
        return {hole: ComparedPictures(folder / hole) for hole in holes if hole in chosen or (folder / hole).is_dir()}
    compared = compared_with(text)
    return dict.fromkeys(holes, compared) if compared is not None else {}
