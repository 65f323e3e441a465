"""Augmentation: pictures changed at random, and their landmarks with them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from twoface_pl.data.augment_options import AugmentOptions


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
