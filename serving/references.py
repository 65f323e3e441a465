"""The references of a photo: those that are given, or an album's that fit it."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np

from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.origin import is_completed
from twoface_pl.serving.album import Album
from twoface_pl.serving.files import same_file, source
from twoface_pl.serving.plan import Job
from twoface_pl.serving.target import Target

log = logging.getLogger(__name__)


def is_same(pixels: np.ndarray, seen: np.ndarray) -> bool:
    """Whether two pictures are one: to a level, as 16 bits a channel become 8 in two ways."""
    return pixels.shape == seen.shape and bool(cv2.absdiff(pixels, seen).max() <= 1)


def _read(path: Path, job: Job, seen: np.ndarray) -> np.ndarray | None:
    """None of the photo itself, whose damage would come back from it."""
    pixels = None
    if not same_file(path, job.photo):
        given, name = source(path)
        pixels = decode_image(given, name)
        warn_of_completed(given, f"reference {path}")
    if pixels is None or is_same(pixels, seen):
        log.warning("reference %s is left out: it is the photo itself", path)
        return None
    return pixels


def warn_of_completed(source: Path | bytes, name: str) -> None:
    """Say of a reference that a model has filled it already: what that invented comes back."""
    if is_completed(source, name):
        log.warning(
            "%s says that a model has filled it: what that invented may come back; give an untouched photo", name
        )


def _say_alone(job: Job) -> None:
    log.warning(
        "no reference is left: %s is filled from the rest of itself; give other photos of the person as `reference`",
        job.photo,
    )


def read_references(job: Job, seen: np.ndarray) -> list[np.ndarray]:
    """A job's own references, uint8 sRGB (H, W, 3), but for the photo itself, which is ``seen``."""
    found = [_read(path, job, seen) for path in job.references]
    references = [pixels for pixels in found if pixels is not None]
    if job.references and not references:
        _say_alone(job)
    return references


def fitting_references(
    album: Album, job: Job, target: Target, seen: np.ndarray
) -> list[tuple[Path, np.ndarray, Frame]]:
    """Of an album's photos those that fit a photo best, uint8 sRGB (H, W, 3), with their faces' frames."""
    chosen: list[tuple[Path, np.ndarray, Frame]] = []
    for candidate in album.ranked(target):
        if len(chosen) == album.most:
            break
        pixels = _read(candidate.path, job, seen)
        if pixels is not None:
            chosen.append((candidate.path, pixels, candidate.frame))
    if not chosen:
        _say_alone(job)
    return chosen
