"""The web page's sample faces: a drawn photo that is torn, its mask, and another photo of the same person.

make page-samples
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from twoface_pl.faces.sample import Tear, draw_sample

FOLDER = Path(__file__).parents[1] / "serving" / "page" / "site" / "samples"
OVER_THE_MOUTH = Tear(below_eyes=1, width=0.62, height=0.42)


def main() -> None:
    sample = draw_sample(person=24, photo=0, reference=1, tear=OVER_THE_MOUTH)
    FOLDER.mkdir(exist_ok=True)
    Image.fromarray(sample.photo).save(FOLDER / "photo.jpg", quality=88)
    Image.fromarray(sample.reference).save(FOLDER / "reference.jpg", quality=88)
    Image.fromarray(sample.hole).save(FOLDER / "mask.png", optimize=True)


if __name__ == "__main__":
    main()
