"""Drawn faces that the detector is sure of, and holes in them."""

from __future__ import annotations

import numpy as np
from conftest import TIGHT

from twoface_pl.data.damage import in_photo
from twoface_pl.evaluation.placement import FINE, outcome
from twoface_pl.faces.face import Face
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.masks import CenterSquare, build_mask_policy

CLEAR = (12, 13, 18, 22, 24, 37, 54, 55)  # drawn faces that the detector is sure of, in all directions


def drawn(*people: int, side: int = 180, gap: int = 60) -> np.ndarray:
    """A photo with drawn faces beside each other."""
    photo = np.full((side + 2 * gap, gap + len(people) * (side + gap), 3), 120, np.uint8)
    for place, person in enumerate(people):
        left = gap + place * (side + gap)
        photo[gap : gap + side, left : left + side] = synthetic_photo(person, 0, side)
    return photo


def face_hole(face: Face, shape: tuple[int, int], *parts: str) -> np.ndarray:
    """Parts of a face, or a square as wide as half of its frame."""
    frame = TIGHT.place(face)
    hole = np.zeros(shape, bool)
    if not parts:
        return in_photo(CenterSquare(64).draw(np.random.default_rng(0), 128), frame, *shape)
    for part in parts:
        policy = build_mask_policy({"name": "face_parts", "parts": [part], "jitter": 0.0})
        part_hole = policy.draw(np.random.default_rng(0), 128, frame.to_unit(face.landmarks))
        hole |= in_photo(part_hole, frame, *shape)
    return hole


def is_fine(found: Face, true: Face) -> bool:
    return outcome(TIGHT.place(found), TIGHT.place(true), TIGHT) == FINE
