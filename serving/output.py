"""Where a result goes: what is refused before anything is filled, and what its format cannot keep."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import numpy as np

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.image import Photo
from twoface_pl.faces.jpeg import NoRewriteError
from twoface_pl.faces.origin import is_made
from twoface_pl.faces.writing import DEEP_KINDS, KINDS, check_keeps_pixels
from twoface_pl.serving.files import STANDARD
from twoface_pl.serving.plan import Job

log = logging.getLogger(__name__)


def suffix_of(output: Path) -> str:
    """In which format a result is written: in lower case, of standard output a PNG's."""
    return ".png" if output == STANDARD else output.suffix.lower()


def check_output(output: Path, force: bool) -> None:
    """Refuse an output that is not written, or would lose a file.

    Raises:
        TwoFaceError: says so.
    """
    if output == STANDARD:
        require(sys.__stdout__ is not None, "`output` -: standard output is closed")
        require(not sys.stdout.isatty(), "`output` - writes a PNG to standard output; send it to a file or program")
        return
    if suffix_of(output) not in KINDS:
        what = f"'{output.suffix}' is not written" if output.suffix else "neither a folder that is there nor a picture"
        raise TwoFaceError(f"output {output}: {what}; use {', '.join(sorted(KINDS))}")
    if os.path.lexists(output) and not force:
        raise TwoFaceError(f"{output} exists and is kept; add `force` to replace it")
    require(not output.exists() or output.is_file(), f"{output} is no file that can be replaced; give another output")


def check_keeps(suffix: str, photo: Photo, mask: np.ndarray | None, shown: str) -> None:
    """Refuse a format that cannot keep what belongs to the photo's pixels, and say what else it cannot.

    Args:
        suffix: of the format.
        photo: to be filled.
        mask: that was given with it, or None.
        shown: how the output is called.

    Raises:
        TwoFaceError: it would lose the profile or transparency.
    """
    lost = [
        what
        for what, is_there in (
            ("colour profile", photo.profile is not None),
            ("transparency", photo.alpha is not None and mask is not None),
        )
        if is_there
    ]
    if suffix == ".bmp":
        if lost:
            raise TwoFaceError(f"{shown}: a BMP cannot keep the photo's {' and '.join(lost)}; use .png or .tiff")
        log.warning("%s: a BMP holds neither EXIF nor XMP: nothing in it says that a model completed the photo", shown)
    if photo.origin is not None and photo.origin.inks:
        log.warning("%s: the photo is in CMYK, the result in sRGB", shown)
    if photo.deep is not None and KINDS[suffix] not in DEEP_KINDS:
        log.warning("%s: of the photo's 16 bits a channel this format holds 8; .png and .tiff hold them all", shown)


def keeping(job: Job, photo: Photo, force: bool) -> Path:
    """A job's output; a PNG beside it where its format would change pixels outside the hole and was not asked for."""
    try:
        check_keeps_pixels(suffix_of(job.output), photo)
    except NoRewriteError as error:
        if job.instead is None:
            raise TwoFaceError(f"output {job.output}: {error}") from None
        job.check_apart(job.instead)
        check_output(job.instead, force)
        log.warning("%s: %s; it is written as %s", job.photo, error.why, job.instead.name)
        return job.instead
    return job.output


def _is_ours(path: Path) -> bool:
    try:
        return is_made(path, str(path))
    except TwoFaceError:  # no picture
        return False


def comparison_of(job: Job, force: bool) -> Path:
    """Where a job's result is shown beside its photo.

    Raises:
        TwoFaceError: it is there already, or a file that is given.
    """
    if job.comparison is None:
        raise TwoFaceError("`compare` needs an `output` that is a file")
    job.check_apart(job.comparison)
    of_before = not job.output.exists() and job.comparison.is_file() and _is_ours(job.comparison)
    check_output(job.comparison, force or of_before)  # of a result that was removed to be made anew
    return job.comparison
