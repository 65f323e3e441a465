"""A trained generator, however users name it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twoface_pl.model_file import model_path

if TYPE_CHECKING:
    from twoface_pl.evaluation.compared import Compared
    from twoface_pl.networks.checkpoint import TrainedGenerator


def model_here(text: object) -> Path:
    """A model's file on this machine, however users name it; one at an address is fetched."""
    from twoface_pl.buckets.address import is_address
    from twoface_pl.buckets.fetch import local

    return local(text) if is_address(text) else model_path(text)


def load_trained(text: object) -> TrainedGenerator:
    """Of a checkpoint, of an exported ``.onnx`` file, or ``shipped``: the one that comes with the package.

    Raises:
        TwoFaceError: missing, broken, or of another program.
    """
    path = model_here(text)
    if path.suffix.lower() == ".onnx":
        from twoface_pl.export.read import load_exported

        return load_exported(path)
    from twoface_pl.networks.checkpoint import load_generator

    return load_generator(path)


def compared_with(text: object, hole: str = "") -> Compared | None:
    """What ``against=`` names: a generator as above, or a folder of pictures; None where it names nothing.

    Of a folder with pictures for several holes it is the part for one.
    """
    from twoface_pl.buckets.address import is_address
    from twoface_pl.evaluation.compared import ComparedGenerator, ComparedPictures

    if not text:
        return None
    if not is_address(text) and model_path(text).is_dir():
        return ComparedPictures(model_path(text) / hole)
    return ComparedGenerator(load_trained(text))
