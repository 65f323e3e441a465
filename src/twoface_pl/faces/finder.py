"""The face that is meant, in a photo that may be damaged: what the detector finds, and what is left about a hole."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.detector import FaceDetector
from twoface_pl.faces.face import (
    Box,
    Face,
    HandBox,
    check_box,
    describe_boxes,
    face_in_box,
    largest,
    overlap,
    share_in_box,
    split_box,
)
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import outermost, spread
from twoface_pl.faces.placer import Guess, Network, about_face, about_hole, open_network, search, settle
from twoface_pl.faces.window import EYE_DISTANCE, Windows, window_of

log = logging.getLogger(__name__)

LEAST_SEEN = 0.1  # of the face and what is about it, that a placement needs
UPRIGHT, TURNED = (0.0,), (90.0, 180.0, 270.0)
# Of faces that are there, whatever the hole hides of them, 99 of 100 have more than the one and less than the other; of
# places without a face, one of twenty or fewer.
SURELY_THERE, SURELY_OFF = 3.0, 0.12  # a logit; eye distances that a placement is expected to be off
HELD = 0.5  # of the hole, what a guess must hold beside the one that holds most
# Of the hole, what another face must hold, and how far their boxes may overlap, for the hole to lie on both: 27 of 30
# pairs side by side with the hole across both are seen so, none of 60 faces alone.
ON_ANOTHER, ANOTHER = 0.15, 0.1
NEAR_FACE = 0.7  # windows from a face's middle: how far a hole beside it reaches at the most
NEAR_BOX = 0.2  # intersection over union of a rough box by hand and the face it means
# By how much the detector's landmarks are off in the mean, in eye distances: seen, and hidden by the hole.
DETECTED_SEEN, DETECTED_HIDDEN = 0.05, 0.15
DETECTED_SURELY = 0.97  # confidence of a detected face that counts although the network is not sure of it
RIM = 0.15  # eye distances about the hole, where a landmark counts as hidden
SAME_SHIFT, SAME_GROWTH, SAME_TURN = 0.35, 1.35, 20.0  # eye distances, times, degrees: of one face, found twice


@dataclass(frozen=True)
class Sought:
    """A picture whose face is looked for, and how its user calls it, and the argument that its box is."""

    pixels: np.ndarray  # uint8 sRGB (H, W, 3)
    name: str = "photo"
    argument: str = "box"
    box: HandBox | None = None
    hole: np.ndarray | None = None  # bool (H, W), True = hole
    frame: Frame | None = None  # given by hand: then nothing is looked for


class UnsureError(TwoFaceError):
    """Too little of the face is left to place it; ``face`` is the best guess."""

    def __init__(self, message: str, face: Face) -> None:
        super().__init__(message)
        self.face = face


def _is_sure(guess: Guess | None) -> bool:
    return guess is not None and guess.off <= SURELY_OFF and guess.there >= SURELY_THERE and guess.seen >= LEAST_SEEN


def _best(guesses: list[Guess], hole: np.ndarray | None) -> Guess | None:
    """The surest guess, of those whose faces hold the hole."""
    if hole is not None and guesses:
        held = [share_in_box(hole, Face.by_landmarks(guess.landmarks, 0).box) for guess in guesses]
        guesses = [guess for guess, share in zip(guesses, held, strict=True) if share >= HELD * max(held) > 0]
    return max(guesses, key=lambda guess: guess.worth, default=None)


def _same(guess: Guess, face: Face) -> bool:
    """Whether the detector and the network found one face."""
    shift, growth, turn = window_of(guess.landmarks).apart(window_of(face.landmarks))
    return shift <= SAME_SHIFT * EYE_DISTANCE and growth <= SAME_GROWTH and turn <= SAME_TURN


def _hidden(landmarks: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Bool (5,): which landmarks the hole hides, or nearly so."""
    reach = RIM * EYE_DISTANCE * window_of(landmarks).side
    hidden = []
    for x, y in landmarks:
        rows = slice(max(0, int(y - reach)), max(0, int(y + reach) + 1))
        columns = slice(max(0, int(x - reach)), max(0, int(x + reach) + 1))
        hidden.append(bool(hole[rows, columns].any()))
    return np.array(hidden)


def _joined(guess: Guess, faces: list[Face], hole: np.ndarray | None) -> Face:
    """A guess, with the landmarks of a detected face that is the same, each by how far off it is expected to be."""
    same = [face for face in faces if _same(guess, face)]
    if not same:
        return Face.by_landmarks(guess.landmarks, float(1 / (1 + np.exp(-guess.there))))
    face = max(same, key=lambda face: face.confidence)
    hidden = _hidden(face.landmarks, hole) if hole is not None else np.zeros(5, bool)
    detected = np.where(hidden, DETECTED_HIDDEN, DETECTED_SEEN) ** -2.0
    share = (detected / (detected + guess.scales**-2.0))[:, None]
    return replace(face, landmarks=share * face.landmarks + (1 - share) * guess.landmarks)


def _nearest(faces: list[Face], hole: np.ndarray) -> Face | None:
    """The face that a hole lies nearest to, though on none, as on the hair; None where it is far from all."""
    points = outermost(hole)
    away = [float(np.abs(window_of(face.landmarks).to_unit(points) - 0.5).max()) for face in faces]
    number = int(np.argmin(away)) if away else 0
    return faces[number] if away and away[number] <= NEAR_FACE else None


def _touched(faces: list[Face], hole: np.ndarray) -> list[Face]:
    return [face for face in faces if share_in_box(hole, face.box) > 0]


def _check_alone(face: Face, surely: list[Face], hole: np.ndarray, sought: Sought) -> None:
    """Refuse a hole that lies on another face too: what belongs there, no reference of this person shows."""
    for other in surely:
        if overlap(other.box, face.box) < ANOTHER and share_in_box(hole, other.box) >= ON_ANOTHER:
            raise TwoFaceError(
                f"the mask lies on two faces of the {sought.name}: {describe_boxes([face, other])}; one is filled at a "
                "time, from its own person's reference: give a mask over one, then over the other, or "
                f"`{sought.argument}`"
            )


class FaceFinder:
    """Finds the face that is meant.

    Args:
        threads: for onnxruntime; 1 in programs that run several processes.
    """

    def __init__(self, threads: int = 1) -> None:
        self.detector = FaceDetector(threads)
        self._threads = threads

    def __reduce__(self) -> tuple[type[FaceFinder], tuple[int]]:
        return FaceFinder, (self._threads,)

    @cached_property
    def _network(self) -> Network:
        return open_network(self._threads)

    def find(self, sought: Sought) -> Face:
        """The face that is meant. What the hole shows never counts.

        Without a hole it is the largest one, else the one under the hole, though it hides part of it; with a box by
        hand, which may be rough, the one in the box.

        Raises:
            TwoFaceError: no face, several and none of them meant, or a hole on none of them.
            UnsureError: too little of the face is left.
        """
        hole = sought.hole if sought.hole is not None and sought.hole.any() else None
        if sought.box is not None:
            return self._in_box(sought, hole, *split_box(sought.box))
        if hole is not None:
            return self._under_hole(sought, hole)
        faces = self.detector.detect(sought.pixels)
        face = largest(faces)
        if face is None and faces:
            raise TwoFaceError(
                f"{len(faces)} faces in the {sought.name}, and none is clearly meant: {describe_boxes(faces)}; "
                f"give one of these as `{sought.argument}`"
                + (", or a mask over it" if sought.argument == "box" else "")
            )
        return face or self._nobody(sought)

    def _detected(self, views: Windows, turned: bool = True) -> list[Face]:
        """What is detected in a photo whose hole is filled smoothly."""
        return [face.scaled(views.step) for face in self.detector.detect(views.filled, turned)]

    def _nobody(self, sought: Sought, hidden: str = "") -> Face:
        raise TwoFaceError(
            f"no face found in the {sought.name}{hidden}; say where it is: `{sought.argument}` x,y,width,height, "
            "from the brow to the chin, and as a fifth number the degrees that it is turned by, clockwise"
        )

    def _guess(
        self, views: Windows, hole: np.ndarray, touched: list[Face], turns: tuple[float, ...]
    ) -> tuple[Guess | None, list[Face]]:
        """The best guess about a hole, from the faces that it touches and from itself; and where faces surely are."""
        first = [window_of(face.landmarks) for face in touched]
        windows = [*first, *(window for turn in turns for window in about_hole(hole, turn))]
        guesses = search(self._network, views, windows, len(first))
        sure = [Face.by_landmarks(guess.landmarks, 1) for guess in guesses if _is_sure(guess)]
        return _best(guesses, hole), sure + [face for face in touched if face.confidence >= DETECTED_SURELY]

    def _under_hole(self, sought: Sought, hole: np.ndarray) -> Face:
        views = Windows(sought.pixels, hole)
        faces = self._detected(views, turned=False)
        guess, surely = self._guess(views, hole, _touched(faces, hole), UPRIGHT)
        if not _is_sure(guess):
            faces = self._detected(views)
            again, surely = self._guess(views, hole, _touched(faces, hole), TURNED)
            guess = again if _is_sure(again) or guess is None else guess
        if guess is not None and _is_sure(guess):
            face = _joined(settle(self._network, views, guess), faces, hole)
            _check_alone(face, surely, hole, sought)
            return face
        if touched := [face for face in _touched(faces, hole) if face.confidence >= DETECTED_SURELY]:
            return max(touched, key=lambda face: share_in_box(hole, face.box))
        nearest = _nearest(faces, hole)
        if nearest is not None:
            return nearest
        if faces:
            raise TwoFaceError(
                f"the mask lies on none of the faces found: {describe_boxes(faces)}; "
                f"move it, or say where its face is: `{sought.argument}` x,y,width,height"
            )
        if guess is None or guess.there <= 0:
            return self._nobody(sought, " (is it hidden by the hole?)")
        face = Face.by_landmarks(guess.landmarks, 0)
        raise UnsureError(
            f"the hole hides so much of the face in the {sought.name} that its place is a guess: `{sought.argument}`="
            f"{describe_boxes([face])},{face.angle:.0f}; give that, or a better one: x,y,width,"
            "height from the brow to the chin, and the degrees that it is turned by, clockwise",
            face,
        )

    def _in_box(self, sought: Sought, hole: np.ndarray | None, box: Box, angle: float | None) -> Face:
        """The face in a box by hand: as it is found in the photo, or about the box, else as the box says."""
        check_box(box, *sought.pixels.shape[:2])
        views = Windows(sought.pixels, hole)
        face = face_in_box(self._detected(views), box, angle) or face_in_box(self._near(sought, box), box, angle)
        if face is not None and (hole is None or not share_in_box(hole, face.box)):
            return face
        for turn in (angle,) if angle is not None else (*UPRIGHT, *TURNED):
            rough = Face.by_hand(box, turn)
            first = [window_of(face.landmarks)] if face is not None else []
            guesses = search(self._network, views, [*first, *about_face(rough)], len(first))
            near = [one for one in guesses if overlap(Face.by_landmarks(one.landmarks, 0).box, box) >= NEAR_BOX]
            guess = _best(near, None)
            if guess is not None and _is_sure(guess):
                return _joined(settle(self._network, views, guess), [face] if face is not None else [], hole)
        if face is None and angle is None:
            log.warning(
                "no face is recognised in `%s` of the %s; it is taken as upright (a fifth number is the angle it is "
                "turned by, in degrees clockwise)", sought.argument, sought.name,
            )  # fmt: skip
        return face or Face.by_hand(box, angle or 0.0)

    def _near(self, sought: Sought, box: Box) -> list[Face]:
        """What is detected where only a box and as much on each side of it is looked at."""
        x, y, width, height = box
        left, top = max(0, int(x - width)), max(0, int(y - height))
        around = slice(top, max(top, int(y + 2 * height))), slice(left, max(left, int(x + 2 * width)))
        near = sought.pixels[around]
        if not min(near.shape[:2]):
            return []
        near = np.ascontiguousarray(near)
        if sought.hole is not None:
            near = spread(near, sought.hole[around])
        found = self.detector.detect(near)
        return [face.moved(left, top) for face in found]
