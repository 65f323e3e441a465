"""The photo to fill: where its hole is, and which square of it the model sees."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.deep import DEEPER
from twoface_pl.faces.face import HandBox
from twoface_pl.faces.finder import Sought
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import as_levels, check_hole, spread
from twoface_pl.faces.image import OPAQUE, Photo, soften
from twoface_pl.faces.paste import hole_in_frame
from twoface_pl.serving.placing import place_photo
from twoface_pl.serving.repair import RepairSession

log = logging.getLogger(__name__)

NO_MASK = "no mask is given: the model's own hole is filled, a square in the middle of the face"
MOSTLY_HOLE = 0.9
MENTIONED = 0.02  # of a hole, what lies beside the frame without a word


@dataclass(frozen=True)
class Target:
    """A photo whose face was found."""

    photo: Photo  # as it is kept
    seen: np.ndarray  # uint8 sRGB (H, W, 3)
    mask: np.ndarray  # uint8 (H, W), 255 in the hole; what lies between blends
    frame: Frame  # of its face

    @property
    def hole(self) -> np.ndarray:
        """Bool (H, W), True = hole."""
        return self.mask > 0

    def without_hole(self) -> np.ndarray:
        """As it is seen, its surroundings spread into the hole: uint8 sRGB (H, W, 3)."""
        return spread(self.seen, self.hole)


def _check_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask as uint8, 255 in the hole."""
    if mask.shape != (height, width):
        raise TwoFaceError(
            f"the mask is {mask.shape[1]}x{mask.shape[0]}, the photo {width}x{height}; they must be of one size"
        )
    check_hole(mask)
    share = np.count_nonzero(mask) / mask.size
    if share > MOSTLY_HOLE:
        log.warning("the mask is %.0f %% hole; white (1) is the hole: is it inverted?", 100 * share)
    return as_levels(mask) if mask.dtype == bool else mask


def opaque_in(photo: Photo, mask: np.ndarray | None) -> Photo:
    """A photo that is not transparent where it is filled: in a mask, uint8 (H, W)."""
    if photo.alpha is None or mask is None or mask.shape != photo.alpha.shape:
        return photo
    deep = photo.deep
    if deep is not None and deep.shape[2] == 4:  # which has its transparency in 16 bits too
        deep = deep.copy()
        deep[mask > 0, 3] = OPAQUE * DEEPER
    return replace(photo, alpha=np.where(mask > 0, OPAQUE, photo.alpha).astype(photo.alpha.dtype), deep=deep)


def given_hole(photo: Photo, mask: np.ndarray | None) -> tuple[Photo, np.ndarray | None]:
    """The hole that is given with a photo, uint8 with 255 in it, and the photo whose transparency stays.

    Raises:
        TwoFaceError: a mask of another size, or without a hole.
    """
    if photo.alpha is not None and mask is None and (clear := OPAQUE - soften(photo.alpha)).any():
        log.warning("the transparent part of the photo is taken as the hole; give a mask if it is not")
        return replace(photo, alpha=None), clear
    if mask is None:
        return photo, None
    mask = _check_mask(mask, *photo.pixels.shape[:2])
    if photo.alpha is not None and (photo.alpha[mask > 0] == 0).any():
        log.warning("the photo is transparent in the hole and stays so; without a mask what is transparent is filled")
    return photo, mask


def find_hole(session: RepairSession, frame: Frame, given: np.ndarray | None, height: int, width: int) -> np.ndarray:
    """The hole in the photo, bool (height, width): the given one, else the model's own.

    Raises:
        TwoFaceError: one that the frame does not hold, or this model cannot fill.
    """
    size = session.image_size
    if given is None:
        given = frame.mask_in_photo(session.default_mask, height, width)
        if not given.any():
            raise TwoFaceError("the model's default hole is less than a pixel there; give a larger `box`, or a mask")
        log.warning(NO_MASK)
        return given
    framed, beside = hole_in_frame(frame, given, size)
    if beside > MENTIONED:
        share = 100 * beside
        log.warning("%.0f %% of the hole lies beside the face's frame and is filled from its surroundings", share)
    session.check_mask(framed)
    return given


def find_target(
    session: RepairSession,
    photo: Photo,
    mask: np.ndarray | None = None,
    box: HandBox | None = None,
    frame: Frame | None = None,
) -> Target:
    """Find the face and the hole of a photo; arguments and errors are those of :func:`inpaint`.

    With a frame nothing is looked for.
    """
    seen = photo.painted()
    photo, mask = given_hole(photo, mask)
    given = mask > 0 if mask is not None else None
    frame = place_photo(session, Sought(seen, box=box, hole=given, frame=frame))
    hole = find_hole(session, frame, given, *seen.shape[:2])
    return Target(photo, seen, as_levels(hole) if mask is None else mask, frame)
