"""A drawn portrait filled at full size: ``docs/full-size.jpg``.

    make full-size-picture

The photo with a hole, the reference, the package's fill of 128 pixels enlarged, and that with the detail step; below
each a part of it at full size.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from twoface_pl.cli.trained import load_trained
from twoface_pl.evaluation.picture import picture_grid
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import write_image
from twoface_pl.faces.synthetic import EYE_DISTANCE, EYE_LINE, synthetic_photo
from twoface_pl.networks.full_size import FullSize, enlarged
from twoface_pl.networks.tensors import to_float, to_uint8

SIZE, SHOWN = 1024, 420
PERSON, PHOTO, REFERENCE = 11, 0, 2
GRAIN = 5.0  # levels, of a film's


def _portrait(photo: int, frame: Frame, drawn: int) -> np.ndarray:
    """A drawn face in the model's frame, with grain."""
    pixels = frame.crop(synthetic_photo(PERSON, photo, drawn), SIZE).astype(np.float32)
    grain = cv2.GaussianBlur(np.random.default_rng(photo).normal(0, 1, pixels.shape[:2]), (0, 0), 1.0)
    return np.clip(np.round(pixels + GRAIN * grain[..., None] / grain.std()), 0, 255).astype(np.uint8)


def main() -> None:
    trained = load_trained("shipped")
    left, right = trained.frame.landmarks()[:2]  # the eyes, as shares of the frame
    drawn = round(SIZE * (right[0] - left[0]) / EYE_DISTANCE)
    frame = Frame(drawn / 2 - SIZE / 2, drawn * EYE_LINE - SIZE * left[1], SIZE)
    photo, reference = _portrait(PHOTO, frame, drawn), _portrait(REFERENCE, frame, drawn)
    hole = np.zeros((SIZE, SIZE), bool)
    hole[SIZE * 36 // 128 : SIZE * 100 // 128, SIZE * 32 // 128 : SIZE * 96 // 128] = True
    image, given = (to_float(torch.from_numpy(pixels[None])) for pixels in (photo, reference))
    mask = torch.from_numpy(hole)[None, None].float()
    with torch.inference_mode():
        filled, own = FullSize(trained.generator, trained.image_size).eval()(image * (1 - mask), mask, given[None])
    columns = {
        "photo with a hole": photo * ~hole[..., None],
        "reference": reference,
        "filled at 128 px, enlarged": to_uint8(enlarged(own, image, mask))[0],
        "with the reference's detail": to_uint8(filled)[0],
    }
    corner = SIZE // 4  # what is shown close to
    shown = {
        name: np.stack([cv2.resize(pixels, (SHOWN, SHOWN), interpolation=cv2.INTER_AREA),
                        pixels[corner : corner + SHOWN, corner : corner + SHOWN]])
        for name, pixels in columns.items()
    }  # fmt: skip
    write_image(Path("docs/full-size.jpg"), picture_grid(shown, SHOWN), quality=88)


if __name__ == "__main__":
    main()
