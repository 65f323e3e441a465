"""Where a hole lies in a photo."""

from __future__ import annotations

import numpy as np


def bounding_box(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold all of a hole: of a mask (H, W) that has one, what is not 0."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def outermost(mask: np.ndarray) -> np.ndarray:
    """Points (N, 2), x and y, of a hole's first and last pixel in each row: what lies around them, lies around it."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].astype(bool).argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows][:, ::-1].astype(bool).argmax(axis=1)
    return np.concatenate([np.column_stack([first, rows]), np.column_stack([last, rows])]) + 0.5
