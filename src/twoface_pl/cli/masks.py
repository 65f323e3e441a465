"""``twoface masks``: look at mask policies before training with them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twoface_pl.errors import TwoFaceError, require

if TYPE_CHECKING:
    import numpy as np

WRITTEN = (".png", ".jpg", ".jpeg", ".webp")
HOLE_COLOUR = (255, 255, 255)


def _background(image: str | None, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture to draw on, and its landmarks as shares of it."""
    from twoface_pl.faces.detector import FaceDetector
    from twoface_pl.faces.face import subject
    from twoface_pl.faces.frame import Frame, FrameKind
    from twoface_pl.faces.image import decode_image
    from twoface_pl.faces.synthetic import EYE_DISTANCE, EYE_LINE, Circumstances, draw_face, draw_identity

    if image is None:
        drawn = FrameKind("drawn", eye_distance=128 * EYE_DISTANCE, eye_line=128 * EYE_LINE)
        light, grey = (0.0, 0.0), (200.0, 205.0, 215.0)
        still = Circumstances(light, 0, 1, 0, 0.3, 0, 0, light, 1, 0, (grey, grey))
        return draw_face(draw_identity(4), still, size), drawn.landmarks()
    photo = decode_image(Path(image))
    face = subject(FaceDetector().detect(photo), *photo.shape[:2])
    require(face is not None, f"{image}: not one clear face; give another image=")
    assert face is not None
    frame = Frame.centred(*photo.shape[:2])
    return frame.crop(photo, size), frame.to_unit(face.landmarks)


def _example_files(folder: Path) -> None:
    """Two masks for the policy that reads files, where no folder of one's own is given."""
    import cv2
    import numpy as np

    from twoface_pl.faces.image import write_image

    ring, cross = np.zeros((2, 128, 128, 3), np.uint8)
    cv2.ellipse(ring, (64, 60), (34, 40), 0, 0, 360, HOLE_COLOUR, 14)
    cv2.line(cross, (20, 30), (100, 110), HOLE_COLOUR, 16)
    cv2.line(cross, (98, 34), (40, 80), HOLE_COLOUR, 10)
    write_image(folder / "ring.png", ring)
    write_image(folder / "cross.png", cross)


def run(config: dict[str, Any], folder: Path) -> None:
    import numpy as np

    from twoface_pl.cli.hydra_app import compose_group
    from twoface_pl.evaluation.picture import picture_grid
    from twoface_pl.faces.image import write_image
    from twoface_pl.masks import build_mask_policy

    output = Path(config["output"])
    if output.exists() and not config["force"]:
        raise TwoFaceError(f"{output} exists and is kept; set force=true to replace it, or another output=")
    require(output.suffix.lower() in WRITTEN, f"output={output}: pictures are written as {', '.join(WRITTEN)}")
    require(config["samples"] > 0, f"samples={config['samples']} is not above 0")
    require(config["seed"] >= 0, f"seed={config['seed']} is below 0")
    given = config.get("mask")
    require(not given or "name" in given, "the mask's config has no name: that of its policy")
    options = {given["name"]: given} if given else compose_group("mask")
    photo, landmarks = _background(config["image"], config["image_size"])
    columns = {}
    with tempfile.TemporaryDirectory() as temporary:
        _example_files(Path(temporary))
        for name, mask in options.items():
            if mask.get("folder") == "???":
                mask["folder"] = temporary
            policy = build_mask_policy(mask)
            shown = []
            for sample in range(config["samples"]):
                rng = np.random.default_rng((config["seed"], sample))
                # Three epochs a sample, so that a curriculum shows its stages.
                hole = policy.draw(rng, config["image_size"], landmarks, epoch=3 * sample)
                shown.append(np.where(hole[..., None], np.array(HOLE_COLOUR, np.uint8), photo))
            columns[name] = np.stack(shown)
    write_image(output, picture_grid(columns, side=112, rows=config["samples"]))
    print(output)
