"""Pictures that people look at: rows of photos under named columns."""

from __future__ import annotations

import cv2
import numpy as np

from twoface_pl.faces.frame import resize

HEADER = 22
GAP = 4
FONT = cv2.FONT_HERSHEY_SIMPLEX


def picture_grid(columns: dict[str, np.ndarray], side: int = 160, rows: int = 8) -> np.ndarray:
    """One picture: a column per name, a row per photo.

    Args:
        columns: uint8 (N, H, W, 3) by name, all of one N.
        side: each photo's side in the picture, in pixels.
        rows: how many photos at the most.

    Returns:
        uint8 (height, width, 3).
    """
    shown = {name: photos[:rows] for name, photos in columns.items()}
    count = len(next(iter(shown.values())))
    step = side + GAP
    canvas = np.full((HEADER + count * step, len(shown) * step - GAP, 3), 255, np.uint8)
    for column, (name, photos) in enumerate(shown.items()):
        left = column * step
        scale = min(0.45, 0.45 * side / max(1, cv2.getTextSize(name, FONT, 0.45, 1)[0][0]))
        cv2.putText(canvas, name, (left + 2, HEADER - 7), FONT, scale, (30, 30, 30), 1, cv2.LINE_AA)
        for row, photo in enumerate(photos):
            top = HEADER + row * step
            canvas[top : top + side, left : left + side] = resize(photo, side)
    return canvas


def show_hole(photos: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The photos with their holes black."""
    return photos * ~masks[..., None]
