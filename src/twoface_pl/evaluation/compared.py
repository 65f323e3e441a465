"""What a generator is compared with, on the same photos, holes and references."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from twoface_pl.data.triples import Triple
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.evaluation.names import AGAINST, COMPARED, OCCLUDED, RIGHT, WRONG
from twoface_pl.faces.frame import FrameKind, resize
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.listing import some_of
from twoface_pl.masks import MaskPolicy
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.tensors import to_uint8

SEEN = 0.3  # share of the hole's pixels; of fills a few are the photo's by chance
FOLDERS = {RIGHT: "right", WRONG: "wrong", OCCLUDED: "occluded"}


def training_of(trained: TrainedGenerator) -> dict[str, Any]:
    """What a report says of a generator."""
    return {
        "generator": trained.options,
        "run": trained.run,
        "batches": trained.batches,
        "minutes_of_training": round(trained.seconds / 60, 1),
    }


def weights_digest(network: nn.Module) -> str:
    """A checksum of a network's weights."""
    digest = hashlib.sha256()
    for name, weight in sorted(network.state_dict().items()):
        digest.update(name.encode() + weight.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def require_fit(trained: TrainedGenerator, image_size: int, frame: FrameKind, who: str) -> None:
    """Refuse a generator of another size or frame, whose figures would be of other photos.

    Raises:
        TwoFaceError: it works on others.
    """
    own = trained.image_size
    require(own == image_size, f"{who} works at {own} px; here are photos of {image_size} px")
    there = trained.frame.name
    require(trained.frame == frame, f"{who} was trained in the frame {there}; here it is {frame.name}")


class Compared(Protocol):
    """Fills of another system."""

    @property
    def about(self) -> dict[str, Any]:
        """What a report says of it."""

    def digest(self, targets: Sequence[str]) -> str:
        """A checksum of all that its fills of these photos follow from."""

    def check(
        self, image_size: int, frame: FrameKind, policy: MaskPolicy, references: int, targets: Sequence[str]
    ) -> None:
        """Refuse what it cannot be compared on.

        Args:
            image_size: side of the photos, in pixels.
            frame: of the faces in them.
            policy: of the holes.
            references: how many it is given.
            targets: the photos, as ``identity/file``.

        Raises:
            TwoFaceError: it cannot fill these.
        """

    def to(self, device: torch.device) -> None:
        """Where it works."""

    def fills(
        self, masked: Tensor, mask: Tensor, references: Mapping[str, Tensor], batch: Triple, targets: list[str]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Its fills of a batch.

        Args:
            masked: (N, 3, S, S) in [0, 1], 0 in the hole.
            mask: (N, 1, S, S), 1 = hole.
            references: (N, R, 3, S, S) in [0, 1], by condition, the right ones among them.
            batch: what these were made of.
            targets: the photos' names.

        Yields:
            a condition of ``COMPARED`` and uint8 (N, S, S, 3); that of the right references first.
        """


class ComparedGenerator:
    """Another trained generator."""

    def __init__(self, trained: TrainedGenerator) -> None:
        self.trained = trained

    @property
    def about(self) -> dict[str, Any]:
        return training_of(self.trained)

    def digest(self, targets: Sequence[str]) -> str:
        return weights_digest(self.trained.generator)

    def check(
        self, image_size: int, frame: FrameKind, policy: MaskPolicy, references: int, targets: Sequence[str]
    ) -> None:
        require_fit(self.trained, image_size, frame, "the compared generator")
        self.trained.generator.check(image_size, policy)
        self.trained.generator.check_references(references)

    def to(self, device: torch.device) -> None:
        self.trained.generator.to(device).to(memory_format=torch.channels_last)

    def fills(
        self, masked: Tensor, mask: Tensor, references: Mapping[str, Tensor], batch: Triple, targets: list[str]
    ) -> Iterator[tuple[str, np.ndarray]]:
        for name, condition in COMPARED.items():
            if name in references:
                yield condition, to_uint8(self.trained.generator(masked, mask, references[name]))


class ComparedPictures:
    """Pictures that any system made: ``<folder>/right/<person>/<photo>.png``; from wrong references in ``wrong``, from
    those with something over the face in ``occluded``.

    They are square, of any size, and brought to the generator's; outside of the hole only the photo counts.

    Args:
        folder: with ``right`` in it, or of the pictures themselves.

    Raises:
        TwoFaceError: no folder, or none with pictures.
    """

    def __init__(self, folder: Path) -> None:
        require(folder.is_dir(), f"against={folder}: no folder")
        inner = folder / FOLDERS[RIGHT]
        self.folder = folder
        self._folders = {AGAINST: inner if inner.is_dir() else folder}
        for name in (WRONG, OCCLUDED):
            if (folder / FOLDERS[name]).is_dir():
                self._folders[COMPARED[name]] = folder / FOLDERS[name]

    @property
    def about(self) -> dict[str, Any]:
        return {"pictures": str(self.folder)}

    @staticmethod
    def name_of(target: str) -> str:
        """A picture's file for a photo ``identity/file``."""
        return str(Path(target).with_suffix(".png"))

    def digest(self, targets: Sequence[str]) -> str:
        digest = hashlib.sha256()
        for condition, folder in self._folders.items():
            for target in targets:
                digest.update(f"{condition}/{target}".encode() + (folder / self.name_of(target)).read_bytes())
        return digest.hexdigest()

    def check(
        self, image_size: int, frame: FrameKind, policy: MaskPolicy, references: int, targets: Sequence[str]
    ) -> None:
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
        self, masked: Tensor, mask: Tensor, references: Mapping[str, Tensor], batch: Triple, targets: list[str]
    ) -> Iterator[tuple[str, np.ndarray]]:
        photos, holes = batch["photo"].numpy(), batch["mask"].numpy()[..., None]
        for name, folder in self._folders.items():
            made = np.stack([self._read(folder / self.name_of(target), photos.shape[1]) for target in targets])
            self._require_unseen(made, photos, holes, folder)
            yield name, np.where(holes, made, photos)

    @staticmethod
    def _require_unseen(made: np.ndarray, photos: np.ndarray, holes: np.ndarray, folder: Path) -> None:
        """Refuse pictures that show in the hole what only the whole photo shows."""
        same = (made == photos).all(axis=3, keepdims=True) & holes
        share = same.sum() / holes.sum()
        if share > SEEN:
            raise TwoFaceError(
                f"against: in {folder} {share:.0%} of the hole is the photo itself, to the last digit: these pictures "
                "were made for other holes; inputs= with the same mask, seed and subset gives those of now"
            )
