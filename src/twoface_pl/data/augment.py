"""Augmentation: what changes, how often and how much."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twoface_pl.errors import TwoFaceError, require

STRENGTHS = {
    "degrees": 180, "shift": 0.5, "scale": 0.9, "brightness": 1, "contrast": 1, "saturation": 1, "hue": 0.5,
}  # fmt: skip


@dataclass(frozen=True)
class AugmentOptions:
    """Chances of each change, and how strong it is."""

    flip: float = 0.0  # left to right
    affine: float = 0.0
    colour: float = 0.0
    blur: float = 0.0
    jpeg: float = 0.0
    degrees: float = 4.0  # of affine: largest turn
    shift: float = 0.02  # of affine: largest shift, as a share of the picture
    scale: float = 0.04  # of affine: largest change of size, as a share
    brightness: float = 0.2  # of colour: largest change, as a share
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.02  # of colour: as a share of the circle
    blur_sigma: Sequence[float] = (0.5, 1.5)  # of blur: smallest and largest, in pixels
    jpeg_quality: Sequence[int] = (50, 95)  # of jpeg: smallest and largest

    def __post_init__(self) -> None:
        for name in ("flip", "affine", "colour", "blur", "jpeg"):
            value = getattr(self, name)
            require(isinstance(value, int | float) and 0 <= value <= 1, f"augment: {name}={value} is no chance, 0 to 1")
        for name in ("blur_sigma", "jpeg_quality"):
            value = getattr(self, name)
            pair = isinstance(value, list | tuple) and len(value) == 2 and 0 < value[0] <= value[1]
            require(pair, f"augment: {name}={value} is not [smallest,largest]")
        require(self.jpeg_quality[1] <= 100, f"augment: jpeg_quality={self.jpeg_quality} goes beyond 100")
        for name, most in STRENGTHS.items():
            value = getattr(self, name)
            good = isinstance(value, int | float) and 0 <= value <= most
            require(good, f"augment: {name}={value} is not a number from 0 to {most}")

    @classmethod
    def build(cls, options: dict[str, Any]) -> AugmentOptions:
        """From plain options.

        Raises:
            TwoFaceError: an option that is not known or out of its range.
        """
        try:
            return cls(**options)
        except TypeError as error:
            raise TwoFaceError(f"augment: {error}") from None


class Augmentation:
    """Changes a picture at random, and with it its landmarks.

    All that is drawn comes from the generators that are handed in, so a sample stays a function of its key.
    """

    def __init__(self, options: AugmentOptions) -> None:
        self.options = options
        self._transforms: list[tuple[float, Any]] | None = None

    def __reduce__(self) -> tuple[type[Augmentation], tuple[AugmentOptions]]:
        return Augmentation, (self.options,)

    def __call__(
        self, pixels: np.ndarray, rng: np.random.Generator, drawn: random.Random, landmarks: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """A changed picture.

        Args:
            pixels: uint8 (H, W, 3); not changed itself.
            rng, drawn: albumentations draws from both kinds.
            landmarks: (5, 2), as shares of the picture, or None.

        Returns:
            uint8 (H, W, 3), and the landmarks where they lie now.
        """
        if self._transforms is None:
            from twoface_pl.data.transforms import build_transforms  # takes seconds, and only training needs it

            self._transforms = build_transforms(self.options)
        if not self._transforms:
            return pixels, landmarks
        data: dict[str, Any] = {"image": pixels}
        size = np.array([pixels.shape[1], pixels.shape[0]])
        if landmarks is not None:  # albumentations' own form: x, y, z, angle, scale
            data["keypoints"] = np.column_stack([landmarks * size, np.zeros((len(landmarks), 3))]).astype(np.float32)
        # One by one, not by Compose: its checks of every call cost as much as all the changes.
        for chance, transform in self._transforms:
            if drawn.random() < chance:
                transform.set_random_state(rng, drawn)
                data = transform(**data)
        if landmarks is not None:
            landmarks = _left_first(data["keypoints"][:, :2] / size)
        return np.ascontiguousarray(data["image"]), landmarks


def _left_first(points: np.ndarray) -> np.ndarray:
    """Eyes and mouth corners of a picture that may be flipped: its left side first again."""
    points = points.astype(np.float64)
    for left, right in ((0, 1), (3, 4)):
        if points[left, 0] > points[right, 0]:
            points[[left, right]] = points[[right, left]]
    return points
