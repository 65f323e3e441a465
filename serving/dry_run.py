"""A picture of what would be filled: each photo with its face's frame, and the hole."""

from __future__ import annotations

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.face import HandBox
from twoface_pl.faces.finder import Sought, UnsureError
from twoface_pl.faces.frame import Frame, FrameKind
from twoface_pl.faces.image import Photo
from twoface_pl.serving.compare import shrunk, side_by_side, tinted
from twoface_pl.serving.inpaint import References, listed, place_references
from twoface_pl.serving.placing import place_photo
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.target import find_hole, given_hole

SURE, REFUSED = (0, 210, 60), (255, 60, 40)
MARGIN, OUTSIDE = 0.3, (225, 225, 225)  # of the photo's longer side, about it, where its frame reaches out


def _panel(
    pixels: np.ndarray, frame: Frame, hole: np.ndarray, kind: FrameKind, colour: tuple[int, int, int]
) -> np.ndarray:
    """A photo with its hole (bool (H, W)) tinted, a frame, its upper side drawn broadly, and where it has eyes, nose
    and mouth corners; wide enough for most of the frame."""
    corners = frame.from_unit(np.array([(0, 0), (1, 0), (1, 1), (0, 1)]))
    height, width = pixels.shape[:2]
    most = MARGIN * max(height, width)
    left, top = np.clip(np.ceil(-corners.min(axis=0)), 0, most).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0) - (width, height)), 0, most).astype(int)
    wide = cv2.copyMakeBorder(tinted(pixels, hole), top, bottom, left, right, cv2.BORDER_CONSTANT, value=OUTSIDE)
    corner = np.array([left, top])
    shown = shrunk(wide)
    scale = len(shown) / len(wide)
    stroke = max(1, round(max(shown.shape[:2]) / 250))
    drawn = np.round((corners + corner) * scale).astype(np.int32)
    cv2.polylines(shown, [drawn], True, colour, stroke, cv2.LINE_AA)
    cv2.line(shown, drawn[0].tolist(), drawn[1].tolist(), colour, 3 * stroke, cv2.LINE_AA)
    for point in frame.from_unit(kind.landmarks()) if kind.aligned else ():
        middle = np.round((point + corner) * scale).astype(int).tolist()
        cv2.circle(shown, middle, 2 * stroke, colour, -1, cv2.LINE_AA)
    return shown


def draw_placement(
    session: RepairSession,
    photo: Photo,
    references: References,
    mask: np.ndarray | None = None,
    box: HandBox | None = None,
    reference_box: HandBox | None = None,
) -> tuple[np.ndarray, TwoFaceError | None]:
    """What :func:`inpaint` would do, as a picture; nothing is filled.

    Returns:
        uint8 (h, w, 3): the photo and its references beside each other, each with the square that the model would
        see (its upper side drawn broadly), red where nothing would be filled; and what would then be raised.

    Raises:
        TwoFaceError: as :func:`inpaint`, where there is nothing to draw.
    """
    seen = photo.painted()
    photo, mask = given_hole(photo, mask)
    others = listed(references) or []
    frames = place_references(session, others, reference_box) if len(others) else []
    given = mask > 0 if mask is not None else None
    refused: TwoFaceError | None = None
    frame: Frame | None = None
    try:
        frame = place_photo(session, Sought(seen, box=box, hole=given))
        given = find_hole(session, frame, given, *seen.shape[:2])
    except UnsureError as error:
        frame, refused = session.frame.place(error.face), error
    except TwoFaceError as error:
        if given is None or frame is None:
            raise
        refused = error
    hole = given if given is not None else np.zeros(seen.shape[:2], bool)
    panels = [_panel(seen, frame, hole, session.frame, SURE if refused is None else REFUSED)]
    for pixels, of_reference in zip(others, frames, strict=True):
        panels.append(_panel(pixels, of_reference, np.zeros(pixels.shape[:2], bool), session.frame, SURE))
    return side_by_side(panels), refused
