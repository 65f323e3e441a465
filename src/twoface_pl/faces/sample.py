"""A drawn portrait that is torn, to be repaired from another one of the same person: for demo and web page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from twoface_pl.errors import require
from twoface_pl.faces.detector import FaceDetector
from twoface_pl.faces.face import Face
from twoface_pl.faces.synthetic import synthetic_photo

PAPER = np.array([236, 232, 222], np.uint8)  # what is seen under the tear
CORNERS, ROUGHNESS = 40, 0.06


@dataclass(frozen=True)
class Tear:
    """A ragged hole in a face; lengths in those between eyes and mouth.

    Args:
        below_eyes: where its middle is, on the way from the eyes (0) to the mouth (1).
        width, height: of its halves.
    """

    below_eyes: float
    width: float
    height: float

    def draw(self, face: Face, size: int, rng: np.random.Generator) -> np.ndarray:
        """The hole in a square picture: bool (size, size)."""
        eyes, mouth = face.landmarks[:2].mean(axis=0), face.landmarks[3:].mean(axis=0)
        turns = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        away = 1 + 0.12 * np.sin(3 * turns) + rng.uniform(-ROUGHNESS, ROUGHNESS, CORNERS)
        about = np.stack([self.width * away * np.cos(turns), self.height * away * np.sin(turns)], axis=1)
        outline = eyes + self.below_eyes * (mouth - eyes) + float(np.hypot(*(mouth - eyes))) * about
        mask = Image.new("1", (size, size))
        ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in outline], fill=1)
        return np.asarray(mask)


@dataclass(frozen=True)
class Sample:
    """A photo to repair: uint8 RGB (size, size, 3) both, and its hole, bool (size, size)."""

    photo: np.ndarray
    hole: np.ndarray
    reference: np.ndarray


def draw_sample(person: int, photo: int, reference: int, tear: Tear, size: int = 1024) -> Sample:
    """Two drawn photos of a person, by their numbers, one of them torn.

    Raises:
        TwoFaceError: the face detector does not find the one face, as of some drawn people.
    """
    whole = synthetic_photo(person, photo, size)
    faces = FaceDetector().detect(whole)
    require(len(faces) == 1, f"{len(faces)} faces found in photo {photo} of drawn person {person}")
    hole = tear.draw(faces[0], size, np.random.default_rng(1))
    return Sample(np.where(hole[..., None], PAPER, whole), hole, synthetic_photo(person, reference, size))
