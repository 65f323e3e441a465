"""References in which something covers the face: what a fill must not take from them."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import cv2
import numpy as np

from twoface_pl.data.index import read_frame
from twoface_pl.data.landmarks import read_landmarks
from twoface_pl.data.source import Source
from twoface_pl.errors import TwoFaceError

Points = np.ndarray
DARK, CLOTH, SKIN = (28, 28, 32), (150, 190, 205), (172, 128, 104)


def _glasses(pixels: np.ndarray, points: Points, unit: float) -> None:
    """Sunglasses."""
    left, right = points[:2]
    thick = max(1, round(0.08 * unit))
    cv2.line(pixels, _whole(left), _whole(right), DARK, thick, cv2.LINE_AA)
    axes = (max(1, round(0.4 * unit)), max(1, round(0.28 * unit)))
    for eye in (left, right):
        cv2.ellipse(pixels, _beside(eye, unit, 0, 0.06), axes, 0, 0, 360, DARK, -1, cv2.LINE_AA)


def _cloth(pixels: np.ndarray, points: Points, unit: float) -> None:
    """A cloth over nose and mouth."""
    nose, mouth = points[2], (points[3] + points[4]) / 2
    above = [_beside(nose, unit, x, y) for x, y in ((-1.0, -0.05), (0, -0.3), (1.0, -0.05))]
    below = [_beside(mouth, unit, x, 0.75) for x in (0.75, -0.75)]
    cv2.fillPoly(pixels, [np.array(above + below, np.int32)], CLOTH, cv2.LINE_AA)


def _hand(pixels: np.ndarray, points: Points, unit: float) -> None:
    """Fingers across one cheek and the mouth's corner."""
    start = _beside(points[3], unit, -0.9, 0.9)
    for number in range(4):
        end = _beside(points[0], unit, 0.1 + 0.28 * number, 0.5 + 0.1 * number)
        cv2.line(pixels, start, end, SKIN, max(1, round(0.24 * unit)), cv2.LINE_AA)


OCCLUDERS: tuple[Callable[[np.ndarray, Points, float], None], ...] = (_glasses, _cloth, _hand)


def _whole(point: np.ndarray) -> tuple[int, int]:
    x, y = (round(float(value)) for value in point)
    return x, y


def _beside(point: np.ndarray, unit: float, x: float, y: float) -> tuple[int, int]:
    return _whole(point + unit * np.array([x, y]))


def occluded(photo: np.ndarray, landmarks: np.ndarray, number: int) -> np.ndarray:
    """A photo of a face with sunglasses, a cloth or a hand over it, drawn.

    Args:
        photo: uint8 (S, S, 3).
        landmarks: (5, 2), as shares of it.
        number: any; it chooses what covers the face.

    Returns:
        uint8 (S, S, 3).
    """
    pixels = photo.copy()
    points = landmarks * len(photo)
    unit = float(np.hypot(*(points[1] - points[0])))
    OCCLUDERS[number % len(OCCLUDERS)](pixels, points, unit)
    return pixels


class Occluder:
    """Covers the faces of one split's references, each always by the same.

    Args:
        source: a prepared data set.
        split: of it.
    """

    def __init__(self, source: Source, split: str) -> None:
        self._landmarks = read_landmarks(source, split)
        frame = read_frame(source)
        self._usual = frame.landmarks() if frame.aligned else None

    def __call__(self, entry: str, pixels: np.ndarray) -> np.ndarray:
        """A reference ``identity/file``, uint8 (S, S, 3), with something over the face.

        Raises:
            TwoFaceError: the data set does not say where its face is.
        """
        landmarks = self._landmarks.get(entry, self._usual)
        if landmarks is None:
            raise TwoFaceError(f"the data set has no landmarks of {entry}; run prepare again")
        return occluded(pixels, np.asarray(landmarks, np.float64), zlib.crc32(entry.encode()))
