"""Photos of any size through the model: frame, fill, paste back."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import overload

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.face import HandBox
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import bounding_box
from twoface_pl.faces.image import OPAQUE, Photo, soften
from twoface_pl.serving.placing import Picture
from twoface_pl.serving.session import FillSession

log = logging.getLogger(__name__)

MOSTLY_HOLE = 0.9
References = np.ndarray | Sequence[np.ndarray] | None
LARGE_FACE = 1.5  # times the model's size: from there on the fill is visibly softer than the photo


def _place(session: FillSession, photo: Picture) -> Frame:
    """The photo's frame, with a hint where the model is too small for the face."""
    frame = photo.place(session)
    if frame.side > LARGE_FACE * session.image_size:
        log.warning(
            "the face is %.1f times larger than the model's frame of %d px: the fill will be softer than the photo",
            frame.side / session.image_size, session.image_size,
        )  # fmt: skip
    return frame


def _crop_references(session: FillSession, references: Sequence[np.ndarray], box: HandBox | None) -> np.ndarray:
    """The faces of all references, uint8 (1, R, size, size, 3)."""
    if box is not None and len(references) > 1:
        raise TwoFaceError("--reference-box is for one reference; several must show one clear face each")
    crops = []
    for number, pixels in enumerate(references, start=1):
        name = "reference" if len(references) == 1 else f"reference {number}"
        frame = Picture(pixels, name, "--reference-box", box).place(session)
        crops.append(frame.crop(pixels, session.image_size))
    return np.stack(crops)[None]


def _alone(framed: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A framed photo as its own reference, uint8 (1, 1, size, size, 3), with its surroundings spread into the hole."""
    return cv2.inpaint(framed, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)[None, None]


def _check_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask as uint8, 255 in the hole."""
    if mask.shape != (height, width):
        raise TwoFaceError(
            f"the mask is {mask.shape[1]}x{mask.shape[0]}, the photo {width}x{height}; they must be of one size"
        )
    share = (mask > 0).mean()
    if share > MOSTLY_HOLE:
        log.warning("the mask is %.0f %% hole; white (1) is the hole: is it inverted?", 100 * share)
    return mask.astype(np.uint8) * np.uint8(OPAQUE) if mask.dtype == bool else mask


@overload
def inpaint(
    session: FillSession,
    photo: np.ndarray,
    references: References,
    mask: np.ndarray | None = None,
    box: HandBox | None = None,
    reference_box: HandBox | None = None,
) -> np.ndarray: ...


@overload
def inpaint(
    session: FillSession,
    photo: Photo,
    references: References,
    mask: np.ndarray | None = None,
    box: HandBox | None = None,
    reference_box: HandBox | None = None,
) -> Photo: ...


def inpaint(
    session: FillSession,
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
            outside the frame, or one this model cannot fill; more references than it takes.
    """
    if not isinstance(photo, Photo):
        return inpaint(session, Photo(photo), references, mask, box, reference_box).pixels
    painted = photo.painted()
    if photo.alpha is not None and mask is None and (clear := OPAQUE - soften(photo.alpha)).any():
        log.warning("the transparent part of the photo is taken as the hole; give a mask if it is not")
        return _inpaint(session, replace(photo, alpha=None), painted, references, clear, box, reference_box)
    if photo.alpha is not None and mask is not None and (photo.alpha[mask > 0] == 0).any():
        log.warning("the photo is transparent in the hole and stays so; without a mask what is transparent is filled")
    return _inpaint(session, photo, painted, references, mask, box, reference_box)


def _inpaint(
    session: FillSession,
    photo: Photo,
    seen: np.ndarray,
    references: References,
    mask: np.ndarray | None,
    box: HandBox | None,
    reference_box: HandBox | None,
) -> Photo:
    """As :func:`inpaint`, of a photo whose transparency stays; ``seen`` is how it is looked at."""
    height, width = seen.shape[:2]
    size = session.image_size
    if mask is not None:
        mask = _check_mask(mask, height, width)
    others = [references] if isinstance(references, np.ndarray) else references
    session.check_references(len(others) if others is not None else 1)
    touched = mask > 0 if mask is not None else None
    frame = _place(session, Picture(seen, "photo", "--box", box, touched))
    if mask is None or touched is None:
        hole = session.default_mask
        mask = frame.mask_in_photo(hole, height, width).astype(np.uint8) * np.uint8(OPAQUE)
        if not mask.any():
            raise TwoFaceError("the model's default hole is less than a pixel there; give a larger --box, or a mask")
    else:
        hole = frame.crop_mask(touched, size)
    session.check_mask(hole)
    framed = frame.crop(seen, size)
    faces = _crop_references(session, others, reference_box) if others is not None else _alone(framed, hole)
    (filled,) = session.fill_uint8(framed[None], hole[None], faces)
    return photo.with_fill(frame.to_photo(filled, bounding_box(mask)), mask)
