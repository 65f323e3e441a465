"""Where the face is in a photo that somebody wants to have repaired."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.face import (
    Box,
    Face,
    HandBox,
    check_box,
    describe_boxes,
    face_in_box,
    face_under_mask,
    largest,
    split_box,
)
from twoface_pl.faces.frame import Frame
from twoface_pl.serving.session import FillSession

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Picture:
    """One of the two pictures, and how the user calls it and its box."""

    pixels: np.ndarray  # uint8 sRGB (H, W, 3)
    name: str
    option: str
    box: HandBox | None
    mask: np.ndarray | None = None  # bool (H, W), True in the hole

    def place(self, session: FillSession) -> Frame:
        """The model's frame of this picture's face.

        Raises:
            TwoFaceError: no face, or several and none of them meant; a box that holds none.
        """
        height, width = self.pixels.shape[:2]
        if session.frame.aligned:
            face = self._find_face(session)
            if abs(face.angle) > 45:
                log.warning("the face in the %s is turned by %.0f degrees clockwise", self.name, face.angle % 360)
            return session.frame.place(face)
        if self.box is None:
            return Frame.centred(height, width)
        box, angle = split_box(self.box)
        return Frame.around_box(box, height, width, angle or 0.0)

    def _find_face(self, session: FillSession) -> Face:
        if self.box is not None:
            return self._in_box(session, *split_box(self.box))
        faces = session.detector.detect(self.pixels)
        if not faces:
            hidden = " (is it hidden by the hole?)" if self.mask is not None else ""
            raise TwoFaceError(
                f"no face found in the {self.name}{hidden}; say where it is: {self.option} x,y,width,height, "
                "from the brow to the chin, and as a fifth number the degrees that it is turned by, clockwise"
            )
        if self.mask is not None and self.mask.any():
            return self._under_mask(faces, self.mask, session)
        face = largest(faces)
        if face is None:
            raise TwoFaceError(
                f"{len(faces)} faces in the {self.name}, and none is clearly meant: {describe_boxes(faces)}; "
                f"give one of these as {self.option}" + (", or a mask over it" if self.option == "--box" else "")
            )
        return face

    def _in_box(self, session: FillSession, box: Box, angle: float | None) -> Face:
        """The face in a box by hand: as it is found in the photo, or about the box, else as the box says."""
        check_box(box, *self.pixels.shape[:2])
        face = face_in_box(session.detector.detect(self.pixels), box, angle)
        face = face or face_in_box(self._about(session, box), box, angle)
        if face is None and angle is None:
            log.warning(
                "no face is recognised in %s of the %s; it is taken as upright (a fifth number is the angle it is "
                "turned by, in degrees clockwise)", self.option, self.name,
            )  # fmt: skip
        return face or Face.by_hand(box, angle or 0.0)

    def _about(self, session: FillSession, box: Box) -> list[Face]:
        """What is found where only a box and as much on each side of it is looked at."""
        x, y, width, height = box
        left, top = max(0, int(x - width)), max(0, int(y - height))
        near = self.pixels[top : max(top, int(y + 2 * height)), left : max(left, int(x + 2 * width))]
        found = session.detector.detect(np.ascontiguousarray(near)) if min(near.shape[:2]) else []
        corner = np.array([left, top])
        return [
            replace(
                face,
                box=(face.box[0] + left, face.box[1] + top, face.box[2], face.box[3]),
                landmarks=face.landmarks + corner,
            )
            for face in found
        ]

    def _under_mask(self, faces: list[Face], mask: np.ndarray, session: FillSession) -> Face:
        face = face_under_mask(faces, mask)
        if face is not None:
            return face
        for face in faces:  # the hole lies beside each of them; in a frame it may be, as hair is
            if session.frame.place(face).holds(mask):
                return face
        raise TwoFaceError(
            f"the mask lies on none of the faces found: {describe_boxes(faces)}; "
            f"move it, or say where its face is: {self.option} x,y,width,height"
        )
