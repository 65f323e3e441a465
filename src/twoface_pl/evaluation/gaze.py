"""Where the eyes look: pupils of a fill against those of the photo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from twoface_pl.evaluation.statistics import bootstrap_mean

HALF_WIDTH, HALF_HEIGHT = 0.28, 0.18  # of an eye's window, in eye distances
WINDOW = (36, 24)  # pixels it is brought to
HIDDEN = 0.8  # of an eye's window, from which on the fill drew that eye
STRONG = 0.3  # standard deviations above the mean, from which on a gradient counts
SMOOTHED = 1.5  # pixels of the window


def find_pupil(eye: np.ndarray) -> np.ndarray:
    """The pupil's middle by the means of gradients (Timm and Barth 2011): there most gradients point away from it.

    Args:
        eye: uint8 grey (h, w), a window about one eye.

    Returns:
        (x, y) as shares of the window.
    """
    grey = cv2.resize(eye, WINDOW, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), SMOOTHED)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    strength = np.hypot(across, down)
    rows, columns = np.nonzero(strength > strength.mean() + STRONG * strength.std())
    if not len(rows):
        return np.array([0.5, 0.5])
    gradient = np.stack([across[rows, columns], down[rows, columns]], axis=1) / strength[rows, columns, None]
    y, x = (axis.ravel().astype(np.float32) for axis in np.mgrid[: WINDOW[1], : WINDOW[0]])
    away_x, away_y = columns - x[:, None], rows - y[:, None]  # from each place to each gradient
    length = np.hypot(away_x, away_y) + 1e-6
    along = (away_x * gradient[:, 0] + away_y * gradient[:, 1]) / length
    worth = np.square(np.maximum(along, 0)).mean(axis=1) * (255 - smooth.ravel())  # a pupil is dark
    best = int(worth.argmax())
    return np.array([(x[best] + 0.5) / WINDOW[0], (y[best] + 0.5) / WINDOW[1]])


def _window(middle: np.ndarray, distance: float, size: int) -> tuple[slice, slice]:
    reach = np.array([HALF_WIDTH, HALF_HEIGHT]) * distance
    (left, top), (right, bottom) = np.clip(np.round([middle - reach, middle + reach]), 0, size).astype(int)
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def gaze_error(filled: np.ndarray, truth: np.ndarray, mask: np.ndarray, landmarks: np.ndarray) -> float:
    """How far a fill's pupils are from the photo's, in eye distances; the mean of the eyes that the hole hid.

    Args:
        filled, truth: uint8 (S, S, 3).
        mask: bool (S, S), True = hole.
        landmarks: (5, 2), the photo's, as shares of it.

    Returns:
        NaN where the hole hid no eye.
    """
    size = len(truth)
    eyes = landmarks[:2] * size
    distance = float(np.hypot(*(eyes[1] - eyes[0])))
    found = []
    for eye in eyes:
        rows, columns = _window(eye, distance, size)
        part = mask[rows, columns]
        if min(part.shape) < 3 or part.mean() < HIDDEN:
            continue
        pupils = [
            find_pupil(cv2.cvtColor(np.ascontiguousarray(pixels[rows, columns]), cv2.COLOR_RGB2GRAY))
            for pixels in (filled, truth)
        ]
        found.append(np.hypot(*((pupils[0] - pupils[1]) * part.shape[::-1])) / distance)
    return float(np.mean(found)) if found else float("nan")


class GazeRecord:
    """Collects, photo by photo, how far the pupils of each condition's fills are from the photos'.

    Args:
        landmarks: of photos ``identity/file``.
        otherwise: of photos that have none; None: such photos are left out.
    """

    def __init__(self, landmarks: Mapping[str, np.ndarray], otherwise: np.ndarray | None) -> None:
        self._landmarks, self._otherwise = landmarks, otherwise
        self._errors: dict[str, list[float]] = {}

    def add(self, fills: dict[str, np.ndarray], truth: np.ndarray, mask: np.ndarray, targets: list[str]) -> None:
        """A batch: uint8 (N, S, S, 3) by condition, the photos, bool (N, S, S), and the photos' names."""
        for number, target in enumerate(targets):
            landmarks = self._landmarks.get(target, self._otherwise)
            for name, filled in fills.items():
                known = landmarks is not None
                error = gaze_error(filled[number], truth[number], mask[number], landmarks) if known else np.nan  # type: ignore[arg-type]
                self._errors.setdefault(name, []).append(error)

    def summary(self, people: np.ndarray) -> dict[str, Any] | None:
        """Means over the photos whose eyes were hidden; None where there are none."""
        errors = {name: np.array(values) for name, values in self._errors.items()}
        if not errors:
            return None
        there = np.isfinite(next(iter(errors.values())))
        if not there.any():
            return None
        return {
            "photos": int(there.sum()),
            "conditions": {
                name: bootstrap_mean(values[there], people[there]).rounded() for name, values in errors.items()
            },
        }
