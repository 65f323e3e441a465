"""A filled frame back into its photo, and what of a hole lies beside the frame."""

from __future__ import annotations

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import bounding_box, check_hole, outermost, spread

INSIDE = 0.5  # of a hole, what the frame must hold of it
THIN = 0.03  # of the frame's side: what is that close to its edge in the mean, as scratches are, needs no reference
BLENDED = 0.05  # of the frame's side: within its edge, where a fill gives way to what is beside


def _depths(frame: Frame, hole: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    """How far each pixel (N,) of a hole, cut out with its box, lies within a frame, as shares of its side."""
    rows, columns = np.nonzero(hole)
    inside = frame.to_unit(np.column_stack([columns + box[1].start, rows + box[0].start]) + 0.5)
    return np.minimum(inside, 1 - inside).min(axis=1)


def _lies_within(frame: Frame, hole: np.ndarray) -> bool:
    points = frame.to_unit(outermost(hole))
    return bool(points.min() >= 0 and points.max() <= 1)


def check_reach(frame: Frame, hole: np.ndarray) -> float:
    """Refuse a hole that a frame does not hold; returns the share of it that lies beside the frame.

    What lies beside is filled from what surrounds it, without a reference: a part of a larger hole, or scratches.

    Args:
        frame: of the face.
        hole: bool (H, W), True = hole.

    Raises:
        TwoFaceError: it is empty, mostly elsewhere, or nothing of the frame is left.
    """
    check_hole(hole)
    if _lies_within(frame, hole):
        return 0.0
    box = bounding_box(hole)
    outside = _depths(frame, hole[box], box) < 0
    share = float(outside.mean())
    beside = np.zeros(hole[box].shape, np.uint8)
    beside[hole[box]] = outside
    depths = cv2.distanceTransform(np.pad(beside, 1), cv2.DIST_L2, 3)
    if share == 1 or (share > 1 - INSIDE and depths[depths > 0].mean() > THIN * frame.side):
        x, y = frame.middle
        raise TwoFaceError(
            f"the mask reaches out of the face's frame, a square of {frame.side:.0f} px about x {x:.0f}, y {y:.0f}; "
            "give a `box` x,y,width,height of the face that belongs to it, or a smaller mask"
        )
    return share


def content(frame: Frame, filled: np.ndarray, photo: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """What a hole is filled with: the frame's fill, and what surrounds the hole where that reaches beside it.

    Args:
        frame: of the face.
        filled: uint8 (size, size, 3), of the frame.
        photo: uint8 (H, W, 3).
        hole: bool (H, W), True = hole.

    Returns:
        uint8, of the hole's bounding box.
    """
    box = bounding_box(hole)
    fill = frame.to_photo(filled, box)
    if _lies_within(frame, hole):
        return fill
    within = hole[box]
    weight = np.clip(_depths(frame, within, box) / BLENDED, 0, 1)[:, None]
    fill[within] = np.round(weight * fill[within] + (1 - weight) * spread(photo, hole)[box][within])
    return fill


def hole_in_frame(frame: Frame, hole: np.ndarray, size: int) -> tuple[np.ndarray, float]:
    """The part of a photo's hole (bool (H, W)) that the model fills, bool (size, size); and the share that is beside.

    Raises:
        TwoFaceError: as :func:`check_reach`, or all of the frame is hole.
    """
    beside = check_reach(frame, hole)
    framed = frame.crop_mask(hole, size)
    if framed.all():
        raise TwoFaceError("the mask hides all of the square that the model looks at: nothing is left to go by")
    return framed, beside
