"""Photos to fill, from files to files."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.face import HandBox
from twoface_pl.faces.image import Photo, decode_image, read_photo
from twoface_pl.faces.writing import KINDS, check_keeps_pixels, encode_photo, write_photo
from twoface_pl.serving.compare import compared
from twoface_pl.serving.dry_run import draw_placement
from twoface_pl.serving.files import STANDARD, same_file, source
from twoface_pl.serving.inpaint import inpaint
from twoface_pl.serving.mask_input import MaskOptions, read_mask
from twoface_pl.serving.plan import Job
from twoface_pl.serving.repair import RepairSession

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobOptions:
    """How photos are filled.

    Args:
        box, reference_box: as :func:`inpaint` has them.
        force: replace what is there.
        reencode: allow a JPEG that is encoded anew.
        compare: write photo, references and result beside each other too.
        mask: what is done to a mask first.
    """

    box: HandBox | None = None
    reference_box: HandBox | None = None
    force: bool = False
    reencode: bool = False
    compare: bool = False
    mask: MaskOptions = field(default_factory=MaskOptions)


def check_output(output: Path, force: bool) -> None:
    """Refuse an output that is not written, or would lose a file.

    Raises:
        TwoFaceError: says so.
    """
    if output == STANDARD:
        require(sys.__stdout__ is not None, "--output -: standard output is closed")
        require(not sys.stdout.isatty(), "--output - writes a PNG to standard output; send it to a file or program")
        return
    if output.suffix.lower() not in KINDS:
        raise TwoFaceError(f"output {output}: '{output.suffix}' is not written; use {', '.join(sorted(KINDS))}")
    if os.path.lexists(output) and not force:
        raise TwoFaceError(f"{output} exists and is kept; add --force to replace it")
    require(not output.exists() or output.is_file(), f"{output} is no file that can be replaced; give another output")


def _read_references(job: Job, seen: np.ndarray) -> list[np.ndarray] | None:
    """The references but for the photo itself, whose damage would come back from it; None where nothing is left."""
    references = []
    for path in job.references:
        pixels = None if same_file(path, job.photo) else decode_image(*source(path))
        if pixels is None or np.array_equal(pixels, seen):
            log.warning("reference %s is left out: it is the photo itself", path)
        else:
            references.append(pixels)
    if not references:
        log.warning("%s is filled from itself alone; give other photos of the person as --reference", job.photo)
    return references or None


def _check_keeps(output: Path, photo: Photo, mask: np.ndarray | None) -> None:
    """Refuse a format that cannot keep what belongs to the photo's pixels, and say what else it cannot."""
    lost = [
        what
        for what, is_there in (
            ("colour profile", photo.profile is not None),
            ("transparency", photo.alpha is not None and mask is not None),
        )
        if is_there
    ]
    if output.suffix.lower() == ".bmp":
        if lost:
            raise TwoFaceError(
                f"output {output}: a BMP cannot keep the photo's {' and '.join(lost)}; use .png or .tiff"
            )
        log.warning("%s: a BMP holds neither EXIF nor XMP: nothing in it says that a model completed the photo", output)


def _write(output: Path, photo: Photo, reencode: bool = False) -> None:
    if output != STANDARD:
        write_photo(output, photo, reencode)
        return
    sys.stdout.buffer.write(encode_photo(photo))
    sys.stdout.buffer.flush()


def draw_job(session: RepairSession, job: Job, options: JobOptions) -> Path:
    """Draw what :func:`run_job` would fill into its output; returns the picture's path.

    Raises:
        TwoFaceError: as :func:`run_job`; a face that is hidden too far is drawn all the same.
    """
    check_output(job.output, options.force)
    photo = read_photo(*source(job.photo))
    seen = photo.seen()
    mask = read_mask(job, seen, options.mask)
    references = _read_references(job, seen)
    picture, refused = draw_placement(session, photo, references, mask, options.box, options.reference_box)
    _write(job.output, Photo(picture))
    if refused is not None:
        raise TwoFaceError(f"{refused}" + ("" if job.output == STANDARD else f"\ndrawn in {job.output}"))
    return job.output


def _keeping(job: Job, photo: Photo, force: bool) -> Path:
    """A job's output; a PNG beside it where its format would change pixels outside the hole and was not asked for."""
    try:
        check_keeps_pixels(job.output.suffix.lower(), photo)
    except TwoFaceError as error:
        if job.chosen:
            raise TwoFaceError(f"output {job.output}: {error}") from None
        output = job.output.with_suffix(".png")
        check_output(output, force)
        log.warning("%s: %s; it is written as %s", job.photo, error, output.name)
        return output
    return job.output


def _comparison(output: Path, force: bool) -> Path:
    require(output != STANDARD, "--compare needs an --output that is a file")
    path = output.with_name(f"{output.stem}-compare.jpg")
    check_output(path, force)
    return path


def run_job(session: RepairSession, job: Job, options: JobOptions) -> Path:
    """Fill one photo, from files to a file; returns where it is.

    Raises:
        TwoFaceError: as :func:`inpaint`, unreadable files, an output that exists or loses pixels, a photo that is
            its own mask or only reference.
    """
    check_output(job.output, options.force)
    comparison = _comparison(job.output, options.force) if options.compare else None
    photo = read_photo(*source(job.photo), keep=True)
    seen = photo.seen()
    mask = read_mask(job, seen, options.mask)
    _check_keeps(job.output, photo, mask)
    output = job.output if options.reencode else _keeping(job, photo, options.force)
    references = _read_references(job, seen)
    result = inpaint(session, photo, references, mask, options.box, options.reference_box)
    _write(output, result, options.reencode)
    if comparison is not None:
        assert result.hole is not None
        picture = compared(seen, result.hole, references or [], result.seen())
        write_photo(comparison, Photo(picture, hole=np.ones(picture.shape[:2], bool)))
    return output
