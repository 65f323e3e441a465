"""Squares and boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.masks.policy import Drawing, MaskPolicy


def _check_side(name: str, side: int, image_size: int) -> None:
    if not isinstance(side, int) or not 1 <= side < image_size:
        raise TwoFaceError(f"mask '{name}': a hole of {side} px does not fit a picture of {image_size} px")


@dataclass(frozen=True)
class CenterSquare(MaskPolicy):
    """A square in the middle; 32 of 128 in the 2018 system.

    >>> CenterSquare(2).draw(np.random.default_rng(0), 4).astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]])
    """

    size: int = 32
    name: ClassVar[str] = "center"

    def check(self, image_size: int) -> None:
        _check_side(self.name, self.size, image_size)

    def draw_for(self, at: Drawing) -> np.ndarray:
        self.check(at.image_size)
        mask = np.zeros((at.image_size, at.image_size), bool)
        start = (at.image_size - self.size) // 2
        mask[start : start + self.size, start : start + self.size] = True
        return mask


@dataclass(frozen=True)
class RandomBox(MaskPolicy):
    """A rectangle anywhere; each side drawn between the smallest and the largest, in pixels.

    >>> int(RandomBox(8, 8).draw(np.random.default_rng(0), 32).sum())
    64
    """

    smallest: int = 24
    largest: int = 64
    name: ClassVar[str] = "random_box"

    def __post_init__(self) -> None:
        require(self.smallest <= self.largest, f"mask '{self.name}': smallest={self.smallest} is above {self.largest}")

    def check(self, image_size: int) -> None:
        for side in (self.smallest, self.largest):
            _check_side(self.name, side, image_size)

    def draw_for(self, at: Drawing) -> np.ndarray:
        self.check(at.image_size)
        draw = at.rng.integers
        height, width = draw(self.smallest, self.largest, size=2, endpoint=True)
        top = draw(0, at.image_size - height, endpoint=True)
        left = draw(0, at.image_size - width, endpoint=True)
        mask = np.zeros((at.image_size, at.image_size), bool)
        mask[top : top + height, left : left + width] = True
        return mask
