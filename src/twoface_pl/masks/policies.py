"""One small class per mask policy, and the function that builds one from plain options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from twoface_pl.errors import TwoFaceError, require


class MaskPolicy(Protocol):
    """Draws one mask a sample."""

    name: ClassVar[str]
    fixed: ClassVar[bool]  # every draw is the same mask

    def draw(self, rng: np.random.Generator, image_size: int) -> np.ndarray:
        """A mask: bool (image_size, image_size), True in the hole."""
        ...


def _check_side(name: str, side: int, image_size: int) -> None:
    if not 1 <= side < image_size:
        raise TwoFaceError(f"mask '{name}': a hole of {side} px does not fit a picture of {image_size} px")


@dataclass(frozen=True)
class CenterSquare:
    """A square in the middle; 32 of 128 in the 2018 system."""

    size: int = 32
    name: ClassVar[str] = "center"
    fixed: ClassVar[bool] = True

    def draw(self, rng: np.random.Generator, image_size: int) -> np.ndarray:
        _check_side(self.name, self.size, image_size)
        mask = np.zeros((image_size, image_size), bool)
        start = (image_size - self.size) // 2
        mask[start : start + self.size, start : start + self.size] = True
        return mask


@dataclass(frozen=True)
class RandomBox:
    """A rectangle anywhere; each side drawn between the smallest and the largest, in pixels."""

    smallest: int = 24
    largest: int = 64
    name: ClassVar[str] = "random_box"
    fixed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require(self.smallest <= self.largest, f"mask '{self.name}': smallest={self.smallest} is above {self.largest}")

    def draw(self, rng: np.random.Generator, image_size: int) -> np.ndarray:
        _check_side(self.name, self.smallest, image_size)
        _check_side(self.name, self.largest, image_size)
        height, width = rng.integers(self.smallest, self.largest, size=2, endpoint=True)
        top = rng.integers(0, image_size - height, endpoint=True)
        left = rng.integers(0, image_size - width, endpoint=True)
        mask = np.zeros((image_size, image_size), bool)
        mask[top : top + height, left : left + width] = True
        return mask


POLICIES: dict[str, type[CenterSquare] | type[RandomBox]] = {
    policy.name: policy for policy in (CenterSquare, RandomBox)
}


def build_mask_policy(options: dict[str, Any]) -> MaskPolicy:
    """A policy from ``{"name": ..., **options}``.

    Raises:
        TwoFaceError: no such policy, or an option it does not have.
    """
    arguments = dict(options)
    name = arguments.pop("name", None)
    if name not in POLICIES:
        raise TwoFaceError(f"mask policy '{name}' is not known; there are: {', '.join(POLICIES)}")
    try:
        return POLICIES[name](**arguments)
    except TypeError as error:
        raise TwoFaceError(f"mask policy '{name}': {error}") from None
