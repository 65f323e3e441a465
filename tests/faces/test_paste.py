"""A hole that reaches beside the face's frame: what is filled by whom, and what is refused."""

import cv2
import numpy as np
import pytest

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import bounding_box
from twoface_pl.faces.paste import check_reach, content

FRAME = Frame(60, 50, 100, 0.2)
PHOTO = np.full((220, 260, 3), (60, 120, 180), np.uint8)
FILLED = np.full((64, 64, 3), (200, 200, 40), np.uint8)


def _hole(rows: slice, columns: slice) -> np.ndarray:
    hole = np.zeros(PHOTO.shape[:2], bool)
    hole[rows, columns] = True
    return hole


def test_a_hole_within_the_frame_is_filled_by_it_alone() -> None:
    hole = _hole(slice(90, 120), slice(85, 120))
    assert check_reach(FRAME, hole) == 0
    assert np.array_equal(content(FRAME, FILLED, PHOTO, hole), FRAME.to_photo(FILLED, bounding_box(hole)))


def test_what_lies_beside_is_filled_from_its_surroundings() -> None:
    hole = _hole(slice(90, 120), slice(90, 200))
    share = check_reach(FRAME, hole)
    assert 0.2 < share < 0.5
    filled = content(FRAME, FILLED, PHOTO, hole)
    assert filled.shape == (30, 110, 3)
    assert np.abs(filled[:, :20].astype(int) - FILLED[0, 0]).max() <= 1
    assert np.abs(filled[:, -30:].astype(int) - PHOTO[0, 0]).max() <= 8
    steps = np.abs(np.diff(filled[15].astype(int), axis=0)).max()
    assert steps < 80  # no seam: over 140 levels in several steps


def test_scratches_may_lie_anywhere_and_a_blot_may_not() -> None:
    scratches, rng = np.zeros(PHOTO.shape[:2], np.uint8), np.random.default_rng(0)
    for _ in range(50):
        start, end = rng.integers(0, PHOTO.shape[1::-1], (2, 2))
        cv2.line(scratches, start.tolist(), end.tolist(), 255, 2)
    assert check_reach(FRAME, scratches > 0) > 0.5
    for blot in (_hole(slice(0, 200), slice(150, 260)), _hole(slice(0, 12), slice(0, 12))):
        with pytest.raises(TwoFaceError, match=r"reaches out of the face's frame, a square of 100 px .*`box`"):
            check_reach(FRAME, blot)
    with pytest.raises(TwoFaceError, match="no hole"):
        check_reach(FRAME, _hole(slice(0, 0), slice(0, 0)))
