"""Photos of any size through the model: frame, fill, paste back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import SquareFrame
from twoface_pl.faces.image import LOSSLESS_SUFFIXES, decode_image, decode_mask, list_photos, write_image
from twoface_pl.serving.session import FillSession

log = logging.getLogger(__name__)

MOSTLY_HOLE = 0.9
Box = tuple[int, int, int, int]


def _frame(photo: np.ndarray, box: Box | None) -> SquareFrame:
    height, width = photo.shape[:2]
    return SquareFrame.centred(height, width) if box is None else SquareFrame.around_box(box, height, width)


def inpaint(
    session: FillSession,
    photo: np.ndarray,
    reference: np.ndarray,
    mask: np.ndarray | None = None,
    box: Box | None = None,
    reference_box: Box | None = None,
) -> np.ndarray:
    """Fill the hole of a photo of any size.

    Args:
        session: the model.
        photo, reference: uint8 RGB (H, W, 3), of any sizes.
        mask: bool, of the photo's size, True = hole; the model's default mask in the frame if left out.
        box, reference_box: x, y, width, height of the face; else the largest centred square is its frame.

    Returns:
        uint8 RGB of the photo's shape; pixels outside the mask are the photo's own, bit for bit.

    Raises:
        TwoFaceError: a mask of another size, an empty one, one outside the frame, or one this model
            cannot fill.
    """
    height, width = photo.shape[:2]
    frame = _frame(photo, box)
    size = session.image_size
    if mask is None:
        hole = session.default_mask
        mask = frame.mask_in_photo(hole, height, width)
    elif mask.shape != (height, width):
        raise TwoFaceError(
            f"the mask is {mask.shape[1]}x{mask.shape[0]}, the photo {width}x{height}; they must be of one size"
        )
    else:
        if mask.mean() > MOSTLY_HOLE:
            log.warning("the mask is %.0f %% hole; white (1) is the hole: is it inverted?", 100 * mask.mean())
        hole = frame.crop_mask(mask, size)
    session.check_mask(hole)
    reference_frame = _frame(reference, reference_box)
    face = reference_frame.crop(reference, size)
    (filled,) = session.fill_uint8(frame.crop(photo, size)[None], hole[None], face[None])
    return frame.paste_back(photo, filled, mask)


@dataclass(frozen=True)
class Job:
    """One photo to fill, by files."""

    photo: Path
    reference: Path
    output: Path
    mask: Path | None = None


def _check_output(output: Path, force: bool) -> None:
    if output.suffix.lower() not in LOSSLESS_SUFFIXES:
        raise TwoFaceError(
            f"output {output}: '{output.suffix}' would change pixels outside the hole; use "
            f"{', '.join(sorted(LOSSLESS_SUFFIXES))}"
        )
    if output.exists() and not force:
        raise TwoFaceError(f"{output} exists and is kept; add --force to replace it")


def run_job(session: FillSession, job: Job, box: Box | None, reference_box: Box | None, force: bool) -> None:
    """Fill one photo, from files to a file.

    Raises:
        TwoFaceError: as :func:`inpaint`, unreadable files, or an output that exists or loses pixels.
    """
    _check_output(job.output, force)
    mask = decode_mask(job.mask) if job.mask is not None else None
    result = inpaint(session, decode_image(job.photo), decode_image(job.reference), mask, box, reference_box)
    write_image(job.output, result)


def _partner(photo: Path, given: Path, what: str) -> Path:
    """The file for a photo: the given one, or in a folder the one of the same stem."""
    if not given.is_dir():
        return given
    same = [path for path in list_photos(given) if path.stem == photo.stem]
    if not same:
        raise TwoFaceError(f"{given}: no {what} named like {photo.name}")
    return same[0]


def plan_jobs(image: Path, reference: Path, output: Path, mask: Path | None = None) -> Iterator[Job]:
    """One job for a photo, one for each photo of a folder.

    For a folder of photos, ``reference`` and ``mask`` are one file for all of them or folders with
    files of the same names; ``output`` is a folder.

    Raises:
        TwoFaceError: a photo or folder that is missing or empty, a partner that is missing.
    """
    if not image.is_dir():
        if output.is_dir():
            output = output / f"{image.stem}.png"
        yield Job(image, _partner(image, reference, "reference"), output, mask and _partner(image, mask, "mask"))
        return
    photos = list_photos(image)
    if not photos:
        raise TwoFaceError(f"{image}: no photos in this folder")
    if output.exists() and not output.is_dir():
        raise TwoFaceError(f"output {output} is a file; for a folder of photos give a folder")
    stems = [photo.stem for photo in photos]
    for photo in photos:
        name = photo.stem if stems.count(photo.stem) == 1 else photo.name.replace(".", "-")
        yield Job(
            photo,
            _partner(photo, reference, "reference"),
            output / f"{name}.png",
            mask and _partner(photo, mask, "mask"),
        )
