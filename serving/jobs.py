"""Photos to fill, from files to files."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.face import HandBox
from twoface_pl.faces.files import write_bytes
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import Photo, read_photo
from twoface_pl.faces.origin import SYSTEM, Origin
from twoface_pl.faces.writing import KINDS, photo_content, write_photo
from twoface_pl.faces.xmp import drawn
from twoface_pl.serving.album import Album
from twoface_pl.serving.compare import compared
from twoface_pl.serving.credentials import Signer, check_kind, has_credentials
from twoface_pl.serving.dry_run import draw_placement
from twoface_pl.serving.files import STANDARD, source
from twoface_pl.serving.inpaint import fill, place_references
from twoface_pl.serving.likeness import Likeness, Verdict
from twoface_pl.serving.mask_input import MaskOptions, read_mask
from twoface_pl.serving.output import check_keeps, check_output, comparison_of, keeping, suffix_of
from twoface_pl.serving.plan import Job
from twoface_pl.serving.references import fitting_references, read_references
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.target import Target, find_target

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
        album: a folder of photos, from which references are taken.
        likeness: compares the fill with its references.
        signer: signs results.
    """

    box: HandBox | None = None
    reference_box: HandBox | None = None
    force: bool = False
    reencode: bool = False
    compare: bool = False
    mask: MaskOptions = field(default_factory=MaskOptions)
    album: Album | None = None
    likeness: Likeness | None = None
    signer: Signer | None = None


@dataclass(frozen=True)
class Done:
    """A job that is done."""

    path: Path  # of the result
    verdict: Verdict | None = None  # of its likeness to the references, where that was asked for


def _write(output: Path, content: bytes) -> None:
    if output != STANDARD:
        write_bytes(output, content)
        return
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _of_album(
    session: RepairSession, job: Job, options: JobOptions, photo: Photo, mask: np.ndarray | None
) -> list[np.ndarray]:
    """The references that would be taken from an album: none where the photo's face is not found."""
    if options.album is None:
        return []
    try:
        target = find_target(session, photo, mask, options.box)
    except TwoFaceError:  # which drawing it says
        return []
    return [pixels for _, pixels, _ in fitting_references(options.album, job, target, photo.seen())]


def draw_job(session: RepairSession, job: Job, options: JobOptions) -> Done:
    """Draw what :func:`run_job` would fill into its output.

    Raises:
        TwoFaceError: as :func:`run_job`; a face that is hidden too far is drawn all the same.
    """
    photo = read_photo(*source(job.photo))
    check_output(job.output, options.force)
    seen = photo.seen()
    mask = read_mask(job, seen, options.mask)
    hole = mask > 0 if mask is not None else None
    references = [*_of_album(session, job, options, photo, mask), *read_references(job, seen, hole)]
    picture, refused = draw_placement(session, photo, references, mask, options.box, options.reference_box)
    _write(job.output, photo_content(".png", Photo(picture, origin=Origin(xmp=drawn(SYSTEM)))))
    if refused is not None:
        raise TwoFaceError(f"{refused}" + ("" if job.output == STANDARD else f"\ndrawn in {job.output}"))
    return Done(job.output)


def _references(
    session: RepairSession, job: Job, options: JobOptions, target: Target, seen: np.ndarray
) -> tuple[list[np.ndarray], list[Frame]]:
    """Pictures of the person and their faces' frames."""
    if options.album is not None:
        chosen = fitting_references(options.album, job, target, seen)
        return [pixels for _, pixels, _ in chosen], [frame for _, _, frame in chosen]
    references = read_references(job, seen, target.mask)
    return references, place_references(session, references, options.reference_box) if references else []


def _check_credentials(job: Job, output: Path, content: bytes, photo: Photo, signer: Signer | None) -> None:
    """Refuse what cannot be signed, and speak of credentials that the photo's file has."""
    if signer is not None:
        assert photo.origin is not None
        check_kind(photo.origin.kind, str(job.photo))
        check_kind(KINDS[suffix_of(output)], f"output {output}")
    if has_credentials(content):
        log.warning(
            "%s carries Content Credentials, which %s", job.photo,
            "stay with it as the original of the result, in the result's own" if signer is not None
            else "do not hold for a changed picture: the result has none; `sign` makes new ones",
        )  # fmt: skip


def _title(path: Path, otherwise: str) -> str:
    """How credentials call a file: by its name, where it has one."""
    return path.name if path != STANDARD else otherwise


def run_job(session: RepairSession, job: Job, options: JobOptions) -> Done:
    """Fill one photo, from files to a file.

    Raises:
        TwoFaceError: as :func:`inpaint`, unreadable files, an output that exists or loses pixels, a photo that is
            its own mask or only reference.
    """
    given, name = source(job.photo)
    photo = read_photo(given, name, keep=True)
    check_output(job.output, options.force)
    comparison = comparison_of(job, options.force) if options.compare else None
    original = given if isinstance(given, bytes) else given.read_bytes()
    seen = photo.seen()
    mask = read_mask(job, seen, options.mask)
    check_keeps(suffix_of(job.output), photo, mask, f"output {job.output}")
    output = job.output if options.reencode else keeping(job, photo, options.force)
    _check_credentials(job, output, original, photo, options.signer)
    target = find_target(session, photo, mask, options.box)
    references, frames = _references(session, job, options, target, seen)
    result = fill(session, target, references, frames)
    content = photo_content(suffix_of(output), result, options.reencode)
    if options.signer is not None:
        assert photo.origin is not None
        about = original, photo.origin.kind, _title(job.photo, "photo")
        content = options.signer.sign(content, KINDS[suffix_of(output)], _title(output, "filled photo"), *about)
    _write(output, content)
    if comparison is not None:
        assert result.hole is not None
        picture = compared(seen, result.hole, references, result.seen())
        write_photo(comparison, Photo(picture, hole=np.ones(picture.shape[:2], bool)))
    verdict = None
    if options.likeness is not None and references:
        verdict = options.likeness.judge(target, references, frames, result.seen())
    return Done(output, verdict)
