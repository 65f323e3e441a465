"""Free-form holes: strokes as of a broad pen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from twoface_pl.masks.policy import NOMINAL_SIZE, Drawing, MaskPolicy, check_range

LIFT = 0.12  # chance that the pen is lifted after a piece of a stroke
TURN = 0.7  # of the direction from piece to piece, in radians (standard deviation)


@dataclass(frozen=True)
class Strokes(MaskPolicy):
    """Strokes that turn at random, until so much of the picture is hole (after Yu et al. 2019, free-form masks).

    Args:
        hole_ratio: smallest and largest share of the picture; the share is drawn between them.
        stroke_width: thinnest and broadest stroke, in pixels of a picture of 128.

    >>> hole = Strokes(hole_ratio=(0.2, 0.4)).draw(np.random.default_rng(0), 128)
    >>> bool(0.2 <= hole.mean() <= 0.4)
    True
    """

    hole_ratio: Sequence[float] = (0.2, 0.4)
    stroke_width: Sequence[float] = (8, 20)
    name: ClassVar[str] = "strokes"

    def __post_init__(self) -> None:
        check_range(self.name, "hole_ratio", self.hole_ratio, 0, 1)
        check_range(self.name, "stroke_width", self.stroke_width, 0, NOMINAL_SIZE)

    def draw_for(self, at: Drawing) -> np.ndarray:
        rng, image_size = at.rng, at.image_size
        pixels = image_size**2
        (fewest, most_ratio), (thinnest, broadest) = self.hole_ratio, self.stroke_width
        wanted = max(1, round(rng.uniform(fewest, most_ratio) * pixels))
        most = max(wanted, most_ratio * pixels)
        canvas = np.zeros((image_size, image_size), np.uint8)
        down, thinner = True, 1.0
        place, direction, width = np.zeros(2), 0.0, 1
        while (filled := cv2.countNonZero(canvas)) < wanted:
            if down:
                place = rng.uniform(0, image_size, 2)
                direction = rng.uniform(0, 2 * np.pi)
                width = max(1, round(thinner * rng.uniform(thinnest, broadest) * image_size / NOMINAL_SIZE))
            # A piece is no longer than what is wanted still, so that the last one does not run far over.
            length = min(rng.uniform(0.5, 1.5) * width, 1 + (wanted - filled) / width)
            end = place + length * np.array([np.cos(direction), np.sin(direction)])
            before = canvas.copy() if filled + (width + 2) * (length + width + 2) > most else None
            first, last = (tuple(int(value) for value in point) for point in (place, end))
            cv2.line(canvas, first, last, 1, width, cv2.LINE_8)
            if before is not None and cv2.countNonZero(canvas) > most:
                if filled >= fewest * pixels:
                    return before.astype(bool)
                # Another piece, elsewhere; a thinner one, should the strokes be too broad for so small a hole.
                canvas, down, thinner = before, True, 0.8 * thinner
                continue
            outside = bool((end < 0).any() or (end >= image_size).any())
            place, direction = end, direction + rng.normal(0, TURN)
            down = outside or rng.random() < LIFT
        return canvas.astype(bool)
