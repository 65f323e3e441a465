"""Masks as people have them: of another size, inverted, too tight, or painted into the photo."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.hole import as_levels
from twoface_pl.faces.image import OPAQUE, decode_mask
from twoface_pl.serving.files import STANDARD, same_file, source
from twoface_pl.serving.plan import Job

log = logging.getLogger(__name__)

MOSTLY_GREY = 0.5  # share of a mask's hole that is blended with the photo, from which on it may be no mask
SAME_SHAPE = 0.02  # by how much the ratio of a mask's sides may differ from the photo's
PAINTED = 32  # levels that a painted hole's colour may be off, in a JPEG
SPECKS = 0.05  # of the largest painted part: smaller ones are no hole
SOFT_STEPS = 15  # of a soft edge that is grown
BLEEDING = 2  # pixels by which a brush's soft edge and a JPEG's noise reach beyond the colour


@dataclass(frozen=True)
class MaskOptions:
    """What is done to a mask before it is used.

    Args:
        invert: black is the hole.
        grow: pixels of the photo by which the hole is made larger on all sides.
        colour: RGB that the hole was painted with in the photo itself.
    """

    invert: bool = False
    grow: int = 0
    colour: tuple[int, int, int] | None = None


def _painted(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """The parts of a photo (uint8 (H, W, 3)) that are painted over with a colour: uint8 (H, W), 255 in them."""
    low, high = (np.clip(np.array(colour) + by, 0, 255).astype(np.uint8) for by in (-PAINTED, PAINTED))
    found = cv2.inRange(pixels, low, high)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found)
    areas = stats[:, cv2.CC_STAT_AREA]
    if count < 2:
        raise TwoFaceError(f"nothing in the photo has the colour {bytes(colour).hex()}; give a `mask`")
    kept = areas >= SPECKS * areas[1:].max()
    kept[0] = False
    return _grown(as_levels(kept[labels]), BLEEDING)


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    """Larger on all sides, softness kept, in a time that does not depend on by how much."""
    levels = np.unique(mask[mask > 0])
    if len(levels) > SOFT_STEPS:
        levels = np.linspace(0, OPAQUE, SOFT_STEPS + 1)[1:].astype(np.uint8)
    grown = mask.copy()
    for level in levels[levels <= mask.max()]:  # what is within reach of a level has at least that one
        away = cv2.distanceTransform((mask < level).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        near = away < by + 0.5
        grown[near] = np.maximum(grown[near], level)
    return grown


def _fitted(mask: np.ndarray, height: int, width: int, name: str) -> np.ndarray:
    """A mask at its photo's size."""
    if mask.shape == (height, width):
        return mask
    ratio = mask.shape[1] * height / (mask.shape[0] * width)
    shown = f"{name} is {mask.shape[1]}x{mask.shape[0]}, the photo {width}x{height}"
    require(abs(ratio - 1) <= SAME_SHAPE, f"{shown}: another shape; give the mask that belongs to it")
    log.warning("%s; it is stretched to that", shown)
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)


def adjusted(mask: np.ndarray | None, seen: np.ndarray, options: MaskOptions, name: str = "mask") -> np.ndarray | None:
    """A mask at its photo's size, with what is to be done to it, uint8 with 255 in the hole; None where there is none.

    Args:
        mask: uint8 (h, w), 255 in the hole; None: none is given.
        seen: the photo, uint8 sRGB (H, W, 3).
        options: what is done to it.
        name: of the mask, for errors.

    Raises:
        TwoFaceError: one of another shape, no place of the colour, something to be done to no mask.
    """
    if options.colour is not None:
        mask = _painted(seen, options.colour)
    elif mask is None:
        require(not options.invert and not options.grow, "`invert` and `grow` need a `mask` or a `mask_colour`")
        return None
    else:
        mask = _fitted(mask, seen.shape[0], seen.shape[1], name)
    if options.invert:
        mask = OPAQUE - mask
    return _grown(mask, options.grow) if options.grow else mask


def read_mask(job: Job, seen: np.ndarray, options: MaskOptions) -> np.ndarray | None:
    """The mask of a job, as :func:`adjusted` has it.

    Raises:
        TwoFaceError: as there; an unreadable file, the photo itself.
    """
    if job.mask is None or options.colour is not None:
        return adjusted(None, seen, options)
    mask = decode_mask(*source(job.mask))
    _check_is_mask(job, mask)
    return adjusted(mask, seen, options, f"mask {job.mask}")


def is_mostly_grey(mask: np.ndarray) -> bool:
    """Whether what a mask touches is mostly blended with the photo: it may be no mask."""
    touched = mask > 0
    return bool((mask[touched] < OPAQUE).sum() > MOSTLY_GREY * touched.sum())


def _check_is_mask(job: Job, mask: np.ndarray) -> None:
    assert job.mask is not None
    if is_mostly_grey(mask):
        itself = same_file(job.mask, job.photo) or (
            job.photo != STANDARD and np.array_equal(mask, decode_mask(job.photo))
        )
        require(not itself, f"mask {job.mask} is the photo itself; give a picture that is white where the hole is")
        log.warning("mask %s is mostly grey: there the fill is blended with the photo; is it a mask?", job.mask)
