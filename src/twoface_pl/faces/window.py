"""What the placement network sees: a square of a photo with its hole, turned as a face may be."""

from __future__ import annotations

import math
from functools import cached_property

import cv2
import numpy as np

from twoface_pl.faces.face import MEAN_LANDMARKS
from twoface_pl.faces.frame import Frame, fit_frame
from twoface_pl.faces.hole import shrink_hole, spread

LONGEST_SIDE = 1280  # pixels; larger photos are shrunk to it
SIZE = 64  # pixels a side, as the network sees it
EYE_DISTANCE = 0.2  # of a face that lies as it should, as a share of the window
EYE_LINE = 0.4  # its height
LANDMARKS = np.array([0.5, EYE_LINE]) + EYE_DISTANCE * MEAN_LANDMARKS  # (5, 2), of that face
GREY = 128  # in place of what cannot be seen
HOLE, SEEN, OUTSIDE = 255, 128, 0  # the fourth channel


def window_of(landmarks: np.ndarray) -> Frame:
    """The window in which landmarks (5, 2) lie as they should."""
    return fit_frame(LANDMARKS, landmarks)


class Windows:
    """Cuts windows out of a photo, made smaller where it is large. What its hole shows is never seen.

    ``step`` is the photo's pixels, across and down, for one of the smaller one's.

    Args:
        photo: uint8 RGB (H, W, 3).
        hole: bool (H, W), True = hole; None where there is none.
    """

    def __init__(self, photo: np.ndarray, hole: np.ndarray | None) -> None:
        height, width = photo.shape[:2]
        shrunk = min(1.0, LONGEST_SIDE / max(height, width))
        if shrunk < 1:
            size = (max(1, round(width * shrunk)), max(1, round(height * shrunk)))
            photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
            if hole is not None:
                hole = shrink_hole(hole, size)
        self.step = np.array([width / photo.shape[1], height / photo.shape[0]])
        self._photo, self._hole = photo, hole
        seen = cv2.cvtColor(photo, cv2.COLOR_RGB2RGBA)
        seen[..., 3] = SEEN
        if hole is not None:
            seen.view(np.uint32)[..., 0][hole] = np.array([GREY, GREY, GREY, HOLE], np.uint8).view(np.uint32)
        self._levels = [seen]

    @cached_property
    def filled(self) -> np.ndarray:
        """The smaller photo, its hole filled smoothly: uint8 (h, w, 3)."""
        return self._photo if self._hole is None else spread(self._photo, self._hole)

    def _level(self, halvings: int) -> np.ndarray:
        """The photo, halved so often; each pixel the mean of those that it stands for."""
        while len(self._levels) <= halvings:
            last = self._levels[-1]
            height, width = (max(1, math.ceil(side / 2)) for side in last.shape[:2])
            padded = cv2.copyMakeBorder(
                last, 0, 2 * height - last.shape[0], 0, 2 * width - last.shape[1], cv2.BORDER_REPLICATE
            )
            self._levels.append(cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA))
        return self._levels[halvings]

    def look(self, window: Frame) -> np.ndarray:
        """uint8 (SIZE, SIZE, 4): RGB, grey in the hole and outside; and which is hole, seen or outside."""
        step = window.side / SIZE / self.step.max()  # pixels for one of the window's
        halvings = max(0, math.floor(math.log2(max(step, 1e-6)) + 0.25))
        halvings = min(halvings, int(math.log2(max(self._levels[0].shape[:2]))))
        level = self._level(halvings)
        scale = self.step * 2**halvings
        linear = window.linear / SIZE / scale[:, None]
        offset = np.array([window.x, window.y]) / scale
        matrix = np.column_stack([linear, offset + linear @ (0.5, 0.5) - 0.5])  # points to pixels' numbers
        return cv2.warpAffine(
            level, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT, borderValue=(GREY, GREY, GREY, OUTSIDE),
        )  # fmt: skip


def square(middle: np.ndarray, side: float, angle: float = 0.0) -> Frame:
    """A square about a point of the photo; ``angle`` in radians, clockwise."""
    linear = Frame(0, 0, side, angle).linear
    x, y = middle - linear @ (0.5, 0.5)
    return Frame(float(x), float(y), side, angle)
