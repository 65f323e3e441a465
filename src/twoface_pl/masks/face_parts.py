"""Holes where a person is known by: parts of the face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.masks.policy import Drawing, MaskPolicy

PARTS = ("eyes", "nose", "mouth", "lower_half", "left_half", "right_half")
EYES_TO_MOUTH = 1.09  # of a mean frontal face, in eye distances
ROUNDNESS = 4  # exponent of the parts' outline: 2 an ellipse, large a rectangle


@dataclass(frozen=True)
class FaceParts(MaskPolicy):
    """One part of the face a sample: by the photo's landmarks, or where the frame has them in the mean.

    Left and right are the picture's. Halves are halves of the face's oval.

    Args:
        parts: of which one is drawn.
        jitter: by which share a part's size varies.

    >>> points = np.array([(0.37, 0.42), (0.63, 0.42), (0.5, 0.55), (0.4, 0.7), (0.6, 0.7)])
    >>> hole = FaceParts(parts=["mouth"], jitter=0).draw(np.random.default_rng(0), 100, points)
    >>> bool(hole[70, 50]), bool(hole[42, 37])
    (True, False)
    """

    parts: Sequence[str] = PARTS
    jitter: float = 0.15
    name: ClassVar[str] = "face_parts"

    def __post_init__(self) -> None:
        unknown = [part for part in self.parts if part not in PARTS]
        require(
            bool(self.parts) and not unknown,
            f"mask '{self.name}': parts {unknown or 'none'}; there are: {', '.join(PARTS)}",
        )
        require(
            isinstance(self.jitter, int | float) and 0 <= self.jitter < 0.5,
            f"mask '{self.name}': jitter={self.jitter} is not a share from 0 to below 0.5",
        )

    @property
    def needs_landmarks(self) -> bool:
        return True

    def draw_for(self, at: Drawing) -> np.ndarray:
        if at.landmarks is None:
            raise TwoFaceError(
                f"mask '{self.name}' needs to know where the face is; prepare the photos with frame=tight or loose"
            )
        part = self.parts[int(at.rng.integers(len(self.parts)))]
        size = 1 + self.jitter * at.rng.uniform(-1, 1, 2)
        mask = _draw_part(part, at.landmarks * at.image_size, size, at.image_size)
        if not mask.any():
            raise TwoFaceError(f"mask '{self.name}': the {part} lies outside the picture")
        return mask


def _draw_part(part: str, points: np.ndarray, size: np.ndarray, image_size: int) -> np.ndarray:
    left_eye, right_eye, nose, left_mouth, right_mouth = points
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    # A face's length, unlike the distance of its eyes, stays the same where it turns to a side.
    unit = float(np.hypot(*(mouth - eyes))) / EYES_TO_MOUTH
    y, x = (axis + 0.5 for axis in np.ogrid[:image_size, :image_size])

    def rounded(middle: np.ndarray, width: float, height: float, power: int = ROUNDNESS) -> np.ndarray:
        across = (x - middle[0]) / (width * size[0])
        along = (y - middle[1]) / (height * size[1])
        return np.abs(across) ** power + np.abs(along) ** power < 1

    if part == "eyes":
        reach = abs(right_eye[0] - left_eye[0]) / 2 + 0.42 * unit
        return rounded(eyes - (0, 0.08 * unit), reach, 0.38 * unit)
    if part == "nose":
        bridge = np.add(eyes, (0, 0.1 * unit))
        middle, height = (bridge + nose) / 2 + (0, 0.1 * unit), abs(nose[1] - bridge[1]) / 2 + 0.12 * unit
        return rounded(middle, 0.38 * unit, height)
    if part == "mouth":
        reach = abs(right_mouth[0] - left_mouth[0]) / 2 + 0.22 * unit
        return rounded(mouth, reach, 0.36 * unit)
    oval = rounded(eyes * 0.45 + mouth * 0.55, 1.02 * unit, 1.5 * unit, power=2)
    if part == "lower_half":
        return oval & (y > (eyes[1] + nose[1]) / 2)
    middle_line = eyes[0] + (mouth[0] - eyes[0]) * (y - eyes[1]) / max(mouth[1] - eyes[1], 1e-6)
    return oval & ((x < middle_line) if part == "left_half" else (x >= middle_line))
