"""Photos to fill, by files: one, or all of a folder."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.face import HandBox
from twoface_pl.faces.image import OPAQUE, Photo, decode_image, decode_mask, read_photo
from twoface_pl.faces.listing import list_photos, some_of
from twoface_pl.faces.writing import (
    JPEG_SUFFIXES,
    KINDS,
    LOSSLESS_SUFFIXES,
    encode_photo,
    keeps_pixels,
    write_photo,
)
from twoface_pl.serving.dry_run import draw_placement
from twoface_pl.serving.inpaint import inpaint
from twoface_pl.serving.session import FillSession

log = logging.getLogger(__name__)

STANDARD = Path("-")  # standard input or output, as programs of the shell have it
MOST_INPUT = 2**29  # bytes of standard input: an uncompressed picture of the largest size has fewer
MOSTLY_GREY = 0.5  # share of a mask's hole that is blended with the photo, from which on it may be no mask


@dataclass(frozen=True)
class Job:
    """One photo to fill, by files."""

    photo: Path
    references: tuple[Path, ...]
    output: Path
    mask: Path | None = None


@dataclass
class Plan:
    """What there is to do, and what is not done."""

    jobs: list[Job] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # photos that lack a mask or a reference
    kept: list[Path] = field(default_factory=list)  # outputs of an earlier run
    left_out: list[str] = field(default_factory=list)  # files of the folder that are no photos


def result_suffix(photo: Path, reencode: bool = False) -> str:
    """Of a photo's result: its own where that leaves what lies outside the hole as it is, else a PNG's."""
    suffix = photo.suffix.lower()
    kept = keeps_pixels(suffix) or (reencode and suffix in JPEG_SUFFIXES)
    return photo.suffix if kept else ".png"


class _Partners:
    """A file for each photo: one for all, or of a folder the one of the same name, else of the same stem."""

    def __init__(self, given: Path, what: str) -> None:
        self.given = given
        self.what = what
        self._files: dict[tuple[Path, str], list[Path]] | None = None
        if given.is_dir():
            self._files = {}
            for path in list_photos(given).paths:
                self._files.setdefault((path.relative_to(given).parent, path.stem), []).append(path)

    def of(self, photo: Path) -> Path:
        """The file for a photo, given by its path in its folder.

        Raises:
            TwoFaceError: there is none.
        """
        if self._files is None:
            return self.given
        for place in (photo.parent, Path()):
            found = self._files.get((place, photo.stem), [])
            if found:
                return min(found, key=lambda path: (path.name != photo.name, path.name))
        raise TwoFaceError(f"{self.given}: no {self.what} named like {photo.name}")


def _check_folders(image: Path, output: Path, others: Sequence[Path]) -> None:
    if STANDARD in others:
        raise TwoFaceError("- (standard input) is one picture; for a folder of photos give files or folders")
    if output == STANDARD or (output.exists() and not output.is_dir()):
        raise TwoFaceError(f"output {output} is a file; for a folder of photos give a folder")
    for given in (image, *others):
        if output.exists() and _same_file(given, output):
            raise TwoFaceError(f"{output} holds the photos, masks or references; give another folder for the output")


def _output_names(photos: list[Path], suffixes: Callable[[Path], str]) -> dict[Path, Path]:
    """``<stem>.<suffix of its result>`` for each photo, in its sub-folder; where two would be one file,
    ``<stem>-<its own suffix>`` instead."""
    results = {photo: photo.with_suffix(suffixes(photo)) for photo in photos}
    counts = Counter(results.values())
    names: dict[Path, Path] = {}
    taken: set[str] = set()
    for photo in sorted(photos, key=lambda photo: counts[results[photo]]):  # whose name is theirs alone, first
        stem = photo.stem if counts[results[photo]] == 1 else photo.name.replace(".", "-")
        name, number = results[photo].with_stem(stem), 1
        while str(name).casefold() in taken:
            number += 1
            name = results[photo].with_stem(f"{stem}-{number}")
        taken.add(str(name).casefold())
        names[photo] = name
    return {photo: names[photo] for photo in photos}


def plan_jobs(
    image: Path,
    references: Sequence[Path],
    output: Path,
    mask: Path | None = None,
    force: bool = False,
    suffixes: Callable[[Path], str] = result_suffix,
) -> Plan:
    """One job for a photo, one for each photo of a folder and its sub-folders.

    For a folder of photos, each of ``references`` and ``mask`` is one file for all of them or a folder with
    files of the same names; ``output`` is a folder. What is in it already is kept, unless ``force`` is given.
    ``suffixes`` says by a photo what its result's is, where the output is a folder.

    Raises:
        TwoFaceError: a folder that cannot be read or holds no photos; of a single photo, a partner that is missing.
    """
    others = [_Partners(given, "reference") for given in references]
    masks = _Partners(mask, "mask") if mask is not None else None
    if not image.is_dir():
        if output.is_dir():
            output = output / (f"{image.stem}{suffixes(image)}" if image != STANDARD else "filled.png")
        name = Path(image.name)
        return Plan([Job(image, tuple(each.of(name) for each in others), output, masks.of(name) if masks else None)])
    _check_folders(image, output, [*references, *([mask] if mask else [])])
    apart = [folder for folder in (output, *references, *([mask] if mask else [])) if folder.is_dir()]
    found = list_photos(image, [folder for folder in apart if not folder.samefile(image)])
    plan = Plan(left_out=[str(path.relative_to(image)) for path in found.left_out])
    if not found.paths:
        others_there = f"; it has {some_of(plan.left_out)}" if plan.left_out else ""
        raise TwoFaceError(f"{image}: no photos in this folder{others_there}")
    for name, target in _output_names([path.relative_to(image) for path in found.paths], suffixes).items():
        if (output / target).exists() and not force:
            plan.kept.append(output / target)
            continue
        try:
            partners = tuple(each.of(name) for each in others)
            plan.jobs.append(Job(image / name, partners, output / target, masks.of(name) if masks else None))
        except TwoFaceError as error:
            plan.failures.append(f"{image / name}: {error}")
    return plan


def default_output(image: Path, suffixes: Callable[[Path], str] = result_suffix) -> Path:
    """Beside a photo, or a folder of photos.

    Raises:
        TwoFaceError: it is standard input.
    """
    require(image != STANDARD, "--output is needed where the photo comes from standard input")
    name = f"{image.name}-filled" if image.is_dir() else f"{image.stem}-filled{suffixes(image)}"
    return image.absolute().with_name(name) if image.name in ("", "..") else image.with_name(name)


def _refuse_jpeg(output: Path, why: str) -> TwoFaceError:
    others = ", ".join(sorted(LOSSLESS_SUFFIXES))
    return TwoFaceError(f"output {output}: {why}; use {others}, or --reencode, which encodes all of it anew")


def check_output(output: Path, force: bool, reencode: bool = False) -> None:
    """Refuse an output that would lose pixels, or a file.

    Raises:
        TwoFaceError: says so.
    """
    if output == STANDARD:
        require(sys.__stdout__ is not None, "--output -: standard output is closed")
        require(not sys.stdout.isatty(), "--output - writes a PNG to standard output; send it to a file or program")
        return
    suffix = output.suffix.lower()
    if suffix in JPEG_SUFFIXES:
        if not (reencode or keeps_pixels(suffix)):
            raise _refuse_jpeg(output, "to leave a JPEG as it is outside the hole, pip install 'twoface-pl[jpeg]'")
    elif suffix not in KINDS:
        raise TwoFaceError(f"output {output}: '{output.suffix}' is not written; use {', '.join(sorted(KINDS))}")
    if os.path.lexists(output) and not force:
        raise TwoFaceError(f"{output} exists and is kept; add --force to replace it")
    require(not output.exists() or output.is_file(), f"{output} is no file that can be replaced; give another output")


def _source(path: Path) -> tuple[Path | bytes, str]:
    """Where a picture is read from, and how errors call it."""
    if path != STANDARD:
        return path, str(path)
    require(sys.__stdin__ is not None, "standard input is closed")
    content = sys.stdin.buffer.read(MOST_INPUT + 1)
    require(len(content) <= MOST_INPUT, f"standard input: more than {MOST_INPUT >> 20} MB")
    require(
        bool(content), "standard input is empty; send a picture to it, as in: twoface inpaint --image - < photo.jpg"
    )
    return content, "standard input"


def _same_file(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


def _read_references(job: Job, seen: np.ndarray) -> list[np.ndarray] | None:
    """The references but for the photo itself, whose damage would come back from it; None where nothing is left."""
    references = []
    for path in job.references:
        pixels = None if _same_file(path, job.photo) else decode_image(*_source(path))
        if pixels is None or np.array_equal(pixels, seen):
            log.warning("reference %s is left out: it is the photo itself", path)
        else:
            references.append(pixels)
    if not references:
        log.warning("%s is filled from itself alone; give other photos of the person as --reference", job.photo)
    return references or None


def _read_mask(job: Job) -> np.ndarray | None:
    if job.mask is None:
        return None
    mask = decode_mask(*_source(job.mask))
    touched = mask > 0
    if (mask[touched] < OPAQUE).sum() > MOSTLY_GREY * touched.sum():
        itself = _same_file(job.mask, job.photo) or (
            job.photo != STANDARD and np.array_equal(mask, decode_mask(job.photo))
        )
        require(not itself, f"mask {job.mask} is the photo itself; give a picture that is white where the hole is")
        log.warning("mask %s is mostly grey: there the fill is blended with the photo; is it a mask?", job.mask)
    return mask


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


def drawn_output(output: Path, of_folder: bool) -> Path:
    """Where a dry run draws what would be filled into an output: beside it, or a folder's into one within it."""
    if output == STANDARD:
        return output
    if of_folder or output.is_dir():
        return output / "placement"
    return output.with_name(f"{output.stem}-placement.png")


def draw_job(session: FillSession, job: Job, box: HandBox | None, reference_box: HandBox | None, force: bool) -> Path:
    """Draw what :func:`run_job` would fill into its output; returns the picture's path.

    Raises:
        TwoFaceError: as :func:`run_job`; a face that is hidden too far is drawn all the same.
    """
    check_output(job.output, force)
    photo = read_photo(*_source(job.photo))
    mask = _read_mask(job)
    references = _read_references(job, photo.seen())
    picture, refused = draw_placement(session, photo, references, mask, box, reference_box)
    _write(job.output, Photo(picture))
    if refused is not None:
        raise TwoFaceError(f"{refused}" + ("" if job.output == STANDARD else f"\ndrawn in {job.output}"))
    return job.output


def _write(output: Path, photo: Photo, reencode: bool = False) -> None:
    if output != STANDARD:
        write_photo(output, photo, reencode)
        return
    sys.stdout.buffer.write(encode_photo(photo))
    sys.stdout.buffer.flush()


def run_job(
    session: FillSession,
    job: Job,
    box: HandBox | None,
    reference_box: HandBox | None,
    force: bool,
    reencode: bool = False,
) -> Path:
    """Fill one photo, from files to a file; returns where it is.

    Raises:
        TwoFaceError: as :func:`inpaint`, unreadable files, an output that exists or loses pixels, a photo that is
            its own mask or only reference.
    """
    check_output(job.output, force, reencode)
    photo = read_photo(*_source(job.photo), keep=True)
    mask = _read_mask(job)
    _check_keeps(job.output, photo, mask)
    suffix = job.output.suffix.lower()
    if suffix in JPEG_SUFFIXES and not reencode and not keeps_pixels(suffix, photo):
        raise _refuse_jpeg(job.output, f"{job.photo} is no JPEG, and as one its pixels would change outside the hole")
    result = inpaint(session, photo, _read_references(job, photo.seen()), mask, box, reference_box)
    _write(job.output, result, reencode)
    return job.output
