"""Which square of a photo the model sees."""

from __future__ import annotations

import logging
import math

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.face import split_box
from twoface_pl.faces.finder import Sought
from twoface_pl.faces.frame import Frame
from twoface_pl.serving.parsing import LARGEST
from twoface_pl.serving.repair import RepairSession

log = logging.getLogger(__name__)

LARGE_FACE = 1.5  # times what it is filled at: from there on the fill is visibly softer than the photo
MOST_SIDES = 4.0  # of a picture's longer side, that a frame by hand may have: a face may fill the picture
TURNED = 45.0  # degrees that a face may lean without being spoken of


def _check_frame(frame: Frame, sought: Sought) -> None:
    """Refuse a frame by hand that lies beside its picture, or is so large that next to nothing of it is the picture.

    Raises:
        TwoFaceError: says which.
    """
    height, width = sought.pixels.shape[:2]
    shown = f"the frame of {frame.side:.0f} px that is given for the {sought.name}, {width}x{height},"
    if frame.side > MOST_SIDES * max(height, width):
        raise TwoFaceError(f"{shown} is far larger; give the middle and side of a square about its face")
    x, y = frame.middle
    if not (-frame.side / 2 < x < width + frame.side / 2 and -frame.side / 2 < y < height + frame.side / 2):
        raise TwoFaceError(f"{shown} lies beside it; give the middle and side of a square about its face")


def place(session: RepairSession, sought: Sought) -> Frame:
    """The model's frame of a picture's face; of a model whose frame is ``none``, the box or the largest square.

    Raises:
        TwoFaceError: as :meth:`FaceFinder.find`.
    """
    if sought.frame is not None:
        _check_frame(sought.frame, sought)
        return sought.frame
    if not session.frame.aligned:
        if sought.box is None:
            return Frame.centred(*sought.pixels.shape[:2])
        height, width = sought.pixels.shape[:2]
        box, angle = split_box(sought.box)
        return Frame.around_box(box, height, width, angle or 0.0)
    face = session.finder.find(sought)
    if abs(face.angle) > TURNED:
        log.warning("the face in the %s is turned by %.0f degrees clockwise", sought.name, face.angle % 360)
    return session.frame.place(face)


def place_photo(session: RepairSession, sought: Sought) -> Frame:
    """As :func:`place`, of the photo to fill, with a hint where its face is larger than what is filled."""
    frame = place(session, sought)
    filled_at = session.facts.fitting_size(frame.side)
    if frame.side > LARGE_FACE * filled_at:
        log.warning(
            "the face is %.1f times larger than the %d px that it is filled at: the fill will be softer than the photo",
            frame.side / filled_at, filled_at,
        )  # fmt: skip
    return frame


def parse_frame(text: str) -> Frame:
    """``x,y,side,angle``: a frame's middle and side in pixels, and the degrees that it is turned by, clockwise.

    Raises:
        TwoFaceError: something else.

    >>> round(parse_frame("320,240,200,0").x)
    220
    """
    try:
        x, y, side, angle = (float(part) for part in text.split(","))
        if not all(map(math.isfinite, (x, y, side, angle))) or not (
            max(abs(x), abs(y), abs(angle)) <= LARGEST and 1 <= side <= LARGEST
        ):
            raise ValueError
    except ValueError:
        raise TwoFaceError(f"'{text[:80]}' is not x,y,side,angle: a frame's middle, side and turn") from None
    return Frame.about(x, y, side, angle)
