"""Which square of a photo the model sees."""

from __future__ import annotations

import logging

from twoface_pl.faces.face import split_box
from twoface_pl.faces.finder import Sought
from twoface_pl.faces.frame import Frame
from twoface_pl.serving.session import FillSession

log = logging.getLogger(__name__)

LARGE_FACE = 1.5  # times the model's size: from there on the fill is visibly softer than the photo
TURNED = 45.0  # degrees that a face may lean without being spoken of


def place(session: FillSession, sought: Sought) -> Frame:
    """The model's frame of a picture's face; of a model whose frame is ``none``, the box or the largest square.

    Raises:
        TwoFaceError: as :meth:`FaceFinder.find`.
    """
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


def place_photo(session: FillSession, sought: Sought) -> Frame:
    """As :func:`place`, of the photo to fill, with a hint where the model is too small for its face."""
    frame = place(session, sought)
    if frame.side > LARGE_FACE * session.image_size:
        log.warning(
            "the face is %.1f times larger than the model's frame of %d px: the fill will be softer than the photo",
            frame.side / session.image_size, session.image_size,
        )  # fmt: skip
    return frame
