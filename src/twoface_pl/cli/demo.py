"""``twoface demo``: a drawn portrait, torn, is repaired with the package's model; no photos and no torch are needed."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from twoface_pl.cli.demo_folder import add_folder, clear_folder, twoface

MADE = ("photo.png", "mask.png", "reference.png", "filled.png", "filled-compare.jpg")
NEXT = """
Try next:
  - two photos of your own, by the command above
  - in a browser: `twoface serve` (pip install 'twoface-pl[serve]'; in a clone `make serve`), at http://127.0.0.1:8501/
  - the whole path, from drawn faces to a model trained on them: `twoface demo-training`\
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_folder(parser, "demo")


def _draw(folder: Path) -> tuple[Path, Path, Path]:
    """A torn photo, its mask and another photo of the same drawn person."""
    import numpy as np

    from twoface_pl.faces.image import write_image
    from twoface_pl.faces.sample import Tear, draw_sample

    sample = draw_sample(person=11, photo=4, reference=1, tear=Tear(below_eyes=0.78, width=0.55, height=0.56))
    photo, mask, reference = (folder / f"{name}.png" for name in ("photo", "mask", "reference"))
    write_image(photo, sample.photo)
    write_image(mask, np.repeat(sample.hole[..., None] * np.uint8(255), 3, axis=2))
    write_image(reference, sample.reference)
    return photo, mask, reference


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    folder: Path = arguments.folder
    clear_folder(folder, MADE)
    photo, mask, reference = _draw(folder)
    print(f"drawn: {photo}, its mask {mask.name} (white is the hole), and {reference.name} of the same person")
    result = folder / "filled.png"
    twoface(
        "inpaint", "--image", str(photo), "--mask", str(mask), "--reference", str(reference),
        "--output", str(result), "--compare",
    )  # fmt: skip
    compared = folder / "filled-compare.jpg"
    print(f"\nLook at {compared.resolve()}: photo, reference, result ({time.monotonic() - started:.0f} seconds)")
    print(NEXT)
    return 0
