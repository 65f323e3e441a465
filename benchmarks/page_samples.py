"""The web page's sample faces: a drawn photo that is torn, its mask, and another photo of the same person.

make page-samples
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from twoface_pl.data.synthetic import synthetic_photo
from twoface_pl.faces.detector import FaceDetector
from twoface_pl.faces.face import Face

FOLDER = Path(__file__).parents[1] / "serving" / "page" / "site" / "samples"
PERSON, PHOTO, REFERENCE, SIZE = 24, 0, 1, 1024
PAPER = (236, 232, 222)  # under the tear
CORNERS, WIDTH, HEIGHT, ROUGHNESS = 40, 0.62, 0.42, 0.06  # of the tear, in eye distances


def torn(face: Face, rng: np.random.Generator) -> Image.Image:
    """A ragged hole over the mouth: 255 in it."""
    eyes, mouth = face.landmarks[:2].mean(axis=0), face.landmarks[3:].mean(axis=0)
    unit = float(np.hypot(*(mouth - eyes)))
    mask = Image.new("L", (SIZE, SIZE))
    turns = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    away = unit * (1 + 0.12 * np.sin(3 * turns) + rng.uniform(-ROUGHNESS, ROUGHNESS, CORNERS))
    outline = mouth + np.stack([WIDTH * away * np.cos(turns), HEIGHT * away * np.sin(turns)], axis=1)
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in outline], fill=255)
    return mask


def main() -> None:
    photo, reference = (Image.fromarray(synthetic_photo(PERSON, number, SIZE)) for number in (PHOTO, REFERENCE))
    (face,) = FaceDetector().detect(np.asarray(photo))
    mask = torn(face, np.random.default_rng(1))
    photo.paste(PAPER, mask=mask)
    FOLDER.mkdir(exist_ok=True)
    photo.save(FOLDER / "photo.jpg", quality=88)
    reference.save(FOLDER / "reference.jpg", quality=88)
    mask.convert("1").save(FOLDER / "mask.png", optimize=True)


if __name__ == "__main__":
    main()
