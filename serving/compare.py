"""Pictures beside each other, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

HEIGHT = 640  # pixels of the picture, at the most
GAP = 8
HOLE = (255, 0, 200)
TINT = 0.55  # of the hole


def tinted(pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A photo, uint8 (H, W, 3), with its hole (bool (H, W)) in colour."""
    shown = pixels.copy()
    shown[hole] = np.round((1 - TINT) * pixels[hole] + TINT * np.array(HOLE)).astype(np.uint8)
    return shown


def shrunk(pixels: np.ndarray, height: int = HEIGHT) -> np.ndarray:
    """No higher than that."""
    scale = min(1.0, height / pixels.shape[0])
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def side_by_side(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures in a row, on white."""
    height = max(len(panel) for panel in panels)
    return np.hstack(
        [
            cv2.copyMakeBorder(
                panel, 0, height - len(panel), GAP * (number > 0), 0, cv2.BORDER_CONSTANT, value=(255, 255, 255)
            )
            for number, panel in enumerate(panels)
        ]
    )


def compared(photo: np.ndarray, hole: np.ndarray, references: Sequence[np.ndarray], result: np.ndarray) -> np.ndarray:
    """A photo with its hole in colour, its references and the result, at one height."""
    height = min(HEIGHT, len(photo))
    return side_by_side([shrunk(each, height) for each in (tinted(photo, hole), *references, result)])
