"""Where a hole lies in a photo."""

from __future__ import annotations

import cv2
import numpy as np

from twoface_pl.errors import require

SPREAD = 64  # pixels of a hole's longer side beyond which its surroundings are spread on a smaller picture
MOST_IN_BYTES = 15  # times that a picture may be shrunk for a pixel to be half a level of 255 or more
RADIUS = 3  # pixels, of Telea's method


def check_hole(mask: np.ndarray) -> None:
    """Refuse a mask (H, W) without a hole.

    Raises:
        TwoFaceError: nothing in it is other than 0.
    """
    require(bool(mask.any()), "the mask has no hole: paint white (255; a 1 is black) what is to be filled")


def bounding_box(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold all of a hole: of a mask (H, W) that has one, what is not 0.

    >>> bounding_box(np.array([[0, 0, 0], [0, 1, 1]]))
    (slice(1, 2, None), slice(1, 3, None))
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def outermost(mask: np.ndarray) -> np.ndarray:
    """Points (N, 2), x and y, of a hole's first and last pixel in each row: what lies around them, lies around it."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].astype(bool).argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows][:, ::-1].astype(bool).argmax(axis=1)
    return np.concatenate([np.column_stack([first, rows]), np.column_stack([last, rows])]) + 0.5


def as_levels(hole: np.ndarray) -> np.ndarray:
    """A hole (bool (H, W)) as the levels of a mask: uint8, 255 in it.

    >>> as_levels(np.array([[False, True]]))
    array([[  0, 255]], dtype=uint8)
    """
    return hole.view(np.uint8) * np.uint8(255)


def shrink_hole(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A hole (bool (H, W)) in a smaller picture of (width, height): every pixel that it has part in."""
    factor = max(mask.shape[1] / size[0], mask.shape[0] / size[1])
    # in bytes a quarter of the memory, as long as one pixel's share does not vanish in them
    levels = as_levels(mask) if factor <= MOST_IN_BYTES else mask.astype(np.float32)
    return cv2.resize(levels, size, interpolation=cv2.INTER_AREA) > 0


def spread(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A photo with its surroundings spread smoothly into the hole (Telea 2004): nothing of what is in it stays.

    Args:
        photo: uint8 (H, W, 3).
        mask: bool (H, W), True = hole.

    Returns:
        uint8 (H, W, 3); outside the hole the photo itself.
    """
    if not mask.any() or mask.all():
        return photo if not mask.any() else np.full_like(photo, 128)
    rows, columns = bounding_box(mask)
    longer = max(rows.stop - rows.start, columns.stop - columns.start)
    factor = max(1.0, longer / SPREAD)
    margin = int(4 * factor)
    around = (
        slice(max(0, rows.start - margin), rows.stop + margin),
        slice(max(0, columns.start - margin), columns.stop + margin),
    )
    part, hole = photo[around], mask[around]
    size = tuple(max(1, round(side / factor)) for side in hole.shape[1::-1])
    touched = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    if touched.all():
        smooth = np.full_like(part, part[~hole].mean(axis=0) if not hole.all() else photo[~mask].mean(axis=0))
    else:
        small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        small = cv2.inpaint(small, touched.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)
        smooth = cv2.resize(small, part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    result = photo.copy()
    result[around][hole] = smooth[hole]
    return result
