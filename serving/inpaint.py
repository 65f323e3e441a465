"""Photos of any size through the model: frame, fill, paste back."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import overload

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.face import HandBox
from twoface_pl.faces.finder import Sought
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import as_levels, spread
from twoface_pl.faces.image import OPAQUE, Photo, soften
from twoface_pl.faces.paste import hole_in_frame
from twoface_pl.serving.placing import LARGE_FACE, place, place_photo
from twoface_pl.serving.repair import RepairSession

log = logging.getLogger(__name__)

MOSTLY_HOLE = 0.9
MENTIONED = 0.02  # of a hole, what lies beside the frame without a word
References = np.ndarray | Sequence[np.ndarray] | None


def place_references(session: RepairSession, references: Sequence[np.ndarray], box: HandBox | None) -> list[Frame]:
    """The frames of all references' faces.

    Raises:
        TwoFaceError: as :func:`place`; more of them than the model takes, or one box for several.
    """
    session.check_references(len(references))
    if box is not None and len(references) > 1:
        raise TwoFaceError("--reference-box is for one reference; several must show one clear face each")
    names = ["reference"] if len(references) == 1 else [f"reference {n}" for n in range(1, len(references) + 1)]
    return [
        place(session, Sought(pixels, name, "--reference-box", box))
        for name, pixels in zip(names, references, strict=True)
    ]


def _hint_at_small_references(session: RepairSession, frame: Frame, references: Sequence[Frame]) -> None:
    """Say so where the photo shows more than any reference can."""
    needed = session.facts.fitting_size(frame.side)
    largest = max(reference.side for reference in references)
    if needed > session.image_size and needed > LARGE_FACE * largest:
        log.warning(
            "the face in the photo is %.1f times as large as in the reference: the fill will be softer than the photo; "
            "give a reference with a larger face if there is one",
            frame.side / largest,
        )


def listed(references: References) -> Sequence[np.ndarray] | None:
    """References as a sequence; None where there are none."""
    return [references] if isinstance(references, np.ndarray) else references


def _check_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask as uint8, 255 in the hole."""
    if mask.shape != (height, width):
        raise TwoFaceError(
            f"the mask is {mask.shape[1]}x{mask.shape[0]}, the photo {width}x{height}; they must be of one size"
        )
    share = np.count_nonzero(mask) / mask.size
    if share > MOSTLY_HOLE:
        log.warning("the mask is %.0f %% hole; white (1) is the hole: is it inverted?", 100 * share)
    return as_levels(mask) if mask.dtype == bool else mask


def given_hole(photo: Photo, mask: np.ndarray | None) -> tuple[Photo, np.ndarray | None]:
    """The hole that is given with a photo, uint8 with 255 in it, and the photo whose transparency stays.

    Raises:
        TwoFaceError: a mask of another size.
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
            raise TwoFaceError("the model's default hole is less than a pixel there; give a larger --box, or a mask")
        return given
    framed, beside = hole_in_frame(frame, given, size)
    if beside > MENTIONED:
        share = 100 * beside
        log.warning("%.0f %% of the hole lies beside the face's frame and is filled from its surroundings", share)
    session.check_mask(framed)
    return given


@overload
def inpaint(
    session: RepairSession,
    photo: np.ndarray,
    references: References,
    mask: np.ndarray | None = None,
    box: HandBox | None = None,
    reference_box: HandBox | None = None,
) -> np.ndarray: ...


@overload
def inpaint(
    session: RepairSession,
    photo: Photo,
    references: References,
    mask: np.ndarray | None = None,
    box: HandBox | None = None,
    reference_box: HandBox | None = None,
) -> Photo: ...


def inpaint(
    session: RepairSession,
    photo: np.ndarray | Photo,
    references: References,
    mask: np.ndarray | None = None,
    box: HandBox | None = None,
    reference_box: HandBox | None = None,
) -> np.ndarray | Photo:
    """Fill the hole of a photo of any size.

    A black-and-white or toned photo stays so, whatever the references are.

    Args:
        session: the model.
        photo: uint8 sRGB (H, W, 3), of any size; or a :class:`Photo`, which keeps its colour profile.
        references: one or several photos of the person, uint8 sRGB (H, W, 3) each; their order does not matter.
            None where there is no other photo: the rest of this one stands for it, without what is in the hole.
        mask: of the photo's size: bool, True = hole, or uint8, 255 = hole, where what lies between blends. If left
            out, what is transparent in the photo; else the model's default mask in the frame.
        box, reference_box: x, y, width, height of the face, from the brow to the chin, and perhaps the angle that it
            is turned by, in degrees clockwise; else it is looked for, and of several in the photo it is the one under
            the mask. A model whose frame is ``none`` takes the box itself as the frame, else the largest centred
            square.

    Returns:
        As ``photo``, of its shape; pixels outside the mask are the photo's own, bit for bit. Its transparency stays,
        unless it was the hole.

    Raises:
        TwoFaceError: no face, or several and none of them meant; a mask of another size, an empty one, one
            mostly outside the frame, or one this model cannot fill; more references than it takes.
    """
    if not isinstance(photo, Photo):
        return inpaint(session, Photo(photo), references, mask, box, reference_box).pixels
    seen = photo.painted()
    photo, mask = given_hole(photo, mask)
    height, width = seen.shape[:2]
    others = listed(references)
    count = len(others) if others is not None else 1
    session.check_references(count)
    given = mask > 0 if mask is not None else None
    frame = place_photo(session, Sought(seen, box=box, hole=given))
    hole = find_hole(session, frame, given, height, width)
    if others is None:  # alone, it is its own reference, without what is in the hole
        others, frames = [spread(seen, hole)], [frame]
    else:
        frames = place_references(session, others, reference_box)
        _hint_at_small_references(session, frame, frames)
    content = session.repair(seen, hole, frame, others, frames)
    return photo.with_fill(content, as_levels(hole) if mask is None else mask)
