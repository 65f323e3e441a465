"""Holes from pictures: a folder of masks."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import OPAQUE, decode_mask
from twoface_pl.faces.listing import list_photos, some_of
from twoface_pl.masks.policy import Drawing, MaskPolicy

log = logging.getLogger(__name__)

KEPT = 4096  # decoded masks that stay in memory


@dataclass(frozen=True)
class MaskFiles(MaskPolicy):
    """Masks from a folder, white (1) the hole; brought to the picture's size.

    Args:
        folder: of pictures of any size.
        flip: also mirrored, half of the time.
    """

    folder: str
    flip: bool = True
    name: ClassVar[str] = "files"
    _files: list[Path] = field(default_factory=list, init=False, repr=False, compare=False)
    _masks: dict[tuple[Path, int], np.ndarray | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        place = Path(self.folder or "")
        if not self.folder or not place.is_dir():
            raise TwoFaceError(f"mask '{self.name}': no folder {self.folder}; give mask.folder=<folder of masks>")
        found = list_photos(place)
        self._files.extend(found.paths)
        if not self._files:
            raise TwoFaceError(f"mask '{self.name}': no pictures in {self.folder}")
        if found.left_out:
            names = some_of([str(path.relative_to(place)) for path in found.left_out])
            log.warning("masks in %s: left out, no pictures: %s", place, names)

    def _mask(self, path: Path, size: int) -> np.ndarray | None:
        """A file's mask; None where it has no hole, is all hole or cannot be read."""
        if (path, size) not in self._masks:
            mask = None
            try:
                mask = cv2.resize(decode_mask(path), (size, size), interpolation=cv2.INTER_AREA) > OPAQUE // 2
                if not mask.any() or mask.all():
                    log.warning("mask %s is left out: it has %s", path, "no hole" if not mask.any() else "only hole")
                    mask = None
            except TwoFaceError as error:
                log.warning("a mask is left out: %s", error)
            if len(self._masks) >= KEPT:
                self._masks.clear()
            self._masks[path, size] = mask
        return self._masks[path, size]

    def draw_for(self, at: Drawing) -> np.ndarray:
        first, mirrored = int(at.rng.integers(len(self._files))), self.flip and at.rng.random() < 0.5
        for step in range(len(self._files)):
            mask = self._mask(self._files[(first + step) % len(self._files)], at.image_size)
            if mask is not None:
                return mask[:, ::-1].copy() if mirrored else mask.copy()
        raise TwoFaceError(f"mask '{self.name}': no picture in {self.folder} has a hole; white is the hole")
