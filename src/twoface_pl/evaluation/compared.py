"""What a generator is compared with, on the same photos, holes and references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from twoface_pl.data.triples import Triple
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.frame import resize
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.listing import some_of
from twoface_pl.masks import MaskPolicy
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.tensors import to_uint8

AGAINST, AGAINST_WRONG = "compared generator", "compared, wrong reference"
RIGHT_FOLDER, WRONG_FOLDER = "right", "wrong"


def training_of(trained: TrainedGenerator) -> dict[str, Any]:
    """What a report says of a generator."""
    return {
        "generator": trained.options,
        "run": trained.run,
        "batches": trained.batches,
        "minutes_of_training": round(trained.seconds / 60, 1),
    }


class Compared(Protocol):
    """Fills of another system."""

    @property
    def about(self) -> dict[str, Any]:
        """What a report says of it."""

    def check(self, image_size: int, policy: MaskPolicy, references: int, targets: Sequence[str]) -> None:
        """Refuse what it cannot be compared on."""

    def to(self, device: torch.device) -> None:
        """Where it works."""

    def fills(
        self, masked: Tensor, mask: Tensor, references: Tensor, batch: Triple, targets: list[str]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """By condition, uint8 (N, S, S, 3); the first is :data:`AGAINST`."""


class ComparedGenerator:
    """Another trained generator."""

    def __init__(self, trained: TrainedGenerator) -> None:
        self.trained = trained

    @property
    def about(self) -> dict[str, Any]:
        return training_of(self.trained)

    def check(self, image_size: int, policy: MaskPolicy, references: int, targets: Sequence[str]) -> None:
        own = self.trained.image_size
        require(own == image_size, f"the compared generator works at {own} px, this one at {image_size}")
        self.trained.generator.check(own, policy)
        self.trained.generator.check_references(references)

    def to(self, device: torch.device) -> None:
        self.trained.generator.to(device).to(memory_format=torch.channels_last)

    def fills(
        self, masked: Tensor, mask: Tensor, references: Tensor, batch: Triple, targets: list[str]
    ) -> Iterator[tuple[str, np.ndarray]]:
        yield AGAINST, to_uint8(self.trained.generator(masked, mask, references))


class ComparedPictures:
    """Pictures that any system made: ``<folder>/right/<person>/<photo>.png``, and from a wrong reference in ``wrong``.

    They are square, of any size, and brought to the generator's; outside of the hole only the photo counts.

    Args:
        folder: with ``right`` in it, or of the pictures themselves.

    Raises:
        TwoFaceError: no folder, or none with pictures.
    """

    def __init__(self, folder: Path) -> None:
        require(folder.is_dir(), f"against={folder}: no folder")
        inner = folder / RIGHT_FOLDER
        self.folder = folder
        self._folders = {AGAINST: inner if inner.is_dir() else folder}
        if (folder / WRONG_FOLDER).is_dir():
            self._folders[AGAINST_WRONG] = folder / WRONG_FOLDER

    @property
    def about(self) -> dict[str, Any]:
        return {"pictures": str(self.folder)}

    @staticmethod
    def name_of(target: str) -> str:
        """A picture's file for a photo ``identity/file``."""
        return str(Path(target).with_suffix(".png"))

    def check(self, image_size: int, policy: MaskPolicy, references: int, targets: Sequence[str]) -> None:
        for folder in self._folders.values():
            names = [self.name_of(target) for target in targets]
            missing = [name for name in names if not (folder / name).is_file()]
            if missing:
                raise TwoFaceError(
                    f"against: {folder} lacks {len(missing)} of {len(names)} pictures: {some_of(missing)}"
                )

    def to(self, device: torch.device) -> None:
        return

    def _read(self, path: Path, size: int) -> np.ndarray:
        pixels = decode_image(path)
        height, width = pixels.shape[:2]
        require(height == width, f"{path} is {width}x{height}; a fill is square, as the photo it was given")
        return pixels if height == size else resize(pixels, size)

    def fills(
        self, masked: Tensor, mask: Tensor, references: Tensor, batch: Triple, targets: list[str]
    ) -> Iterator[tuple[str, np.ndarray]]:
        photos, holes = batch["photo"].numpy(), batch["mask"].numpy()[..., None]
        for name, folder in self._folders.items():
            made = np.stack([self._read(folder / self.name_of(target), photos.shape[1]) for target in targets])
            yield name, np.where(holes, made, photos)
