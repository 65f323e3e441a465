"""The references of a photo: those that are given, or an album's that fit it."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np

from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.origin import is_made
from twoface_pl.serving.album import Album
from twoface_pl.serving.files import same_file, source
from twoface_pl.serving.plan import Job
from twoface_pl.serving.target import Target

log = logging.getLogger(__name__)

# Of a copy: sides' ratio, the size compared at, and the shares of pixels, beside the hole and in it, that may be off by
# so many levels. Encoding and scaling change .2 % beside it and at a hole's rim up to 15 % of it; damage that is gone
# changes nine tenths. A photo without a thin scratch is taken for a copy of that with it: who has one needs no repair.
SAME_RATIO, COPY_SIDE, COPY_LEVELS, COPY_BESIDE, COPY_WITHIN = 0.02, 256, 40, 0.01, 0.2


def is_same(pixels: np.ndarray, seen: np.ndarray) -> bool:
    """Whether two pictures are one: to a level, as 16 bits a channel become 8 in two ways."""
    return pixels.shape == seen.shape and bool(cv2.absdiff(pixels, seen).max() <= 1)


def is_copy(pixels: np.ndarray, seen: np.ndarray, hole: np.ndarray | None) -> bool:
    """Whether a picture is the photo in another file, smaller or encoded anew, with what is in its hole.

    Args:
        pixels: the picture, uint8 (h, w, 3).
        seen: the photo, uint8 (H, W, 3).
        hole: bool (H, W); None: none is known.
    """
    if is_same(pixels, seen):
        return True
    ratio = pixels.shape[1] * seen.shape[0] / (pixels.shape[0] * seen.shape[1])
    if abs(ratio - 1) > SAME_RATIO:
        return False
    scale = min(COPY_SIDE / max(seen.shape), 0.5, 0.5 * len(pixels) / len(seen))  # below both: scalers differ at edges
    size = tuple(max(1, round(side * scale)) for side in seen.shape[1::-1])
    one, other = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (pixels, seen))
    unlike = cv2.absdiff(one, other).max(axis=2) > COPY_LEVELS
    inside = np.zeros(unlike.shape, bool)
    if hole is not None:
        inside = cv2.resize(hole.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    shares = ((unlike[~inside], COPY_BESIDE), (unlike[inside], COPY_WITHIN))
    return not any(part.size and part.mean() > most for part, most in shares)


def _read(path: Path, job: Job, seen: np.ndarray, hole: np.ndarray | None) -> np.ndarray | None:
    """None of the photo itself, whose damage would come back from it."""
    pixels = None
    if not same_file(path, job.photo):
        given, name = source(path)
        pixels = decode_image(given, name)
        warn_of_made(given, f"reference {path}")
    if pixels is None or is_copy(pixels, seen, hole):
        copied = "" if pixels is None or is_same(pixels, seen) else ", in a copy"
        log.warning("reference %s is left out: it is the photo itself%s", path, copied)
        return None
    return pixels


def warn_of_made(source: Path | bytes, name: str) -> None:
    """Say of a reference that it is no photo: what a model invented comes back."""
    if is_made(source, name):
        log.warning(
            "%s says that a model or this program made it: what was invented may come back; give a photo",
            name,
        )


def _say_alone(job: Job) -> None:
    log.warning(
        "no reference is left: %s is filled from the rest of itself; give other photos of the person as `reference`",
        job.photo,
    )


def read_references(job: Job, seen: np.ndarray, hole: np.ndarray | None) -> list[np.ndarray]:
    """A job's own references, uint8 sRGB (H, W, 3), but for the photo itself, which is ``seen``, with its hole."""
    found = [_read(path, job, seen, hole) for path in job.references]
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
        pixels = _read(candidate.path, job, seen, target.mask)
        if pixels is not None:
            chosen.append((candidate.path, pixels, candidate.frame))
    if not chosen:
        _say_alone(job)
    else:
        log.info("references taken: %s", ", ".join(path.name for path, _, _ in chosen))
    return chosen
