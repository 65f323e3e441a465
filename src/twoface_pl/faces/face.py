"""A face in a photo, and which of several is meant."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twoface_pl.errors import TwoFaceError

Box = tuple[float, float, float, float]  # x, y, width, height in the photo's pixels
# A box as people give it, perhaps with an angle in degrees, clockwise, as a fifth number.
HandBox = tuple[float, ...]

# MTCNN's landmarks of a mean frontal face, in eye distances from between the eyes; measured on LFW.
MEAN_LANDMARKS = np.array([(-0.5, 0), (0.5, 0), (0, 0.59), (-0.445, 1.09), (0.445, 1.09)])
# Where the eyes lie in MTCNN's boxes, in the mean: their distance by the box's size, their line by its height.
EYES_BY_BOX = 0.39
EYE_LINE_BY_BOX = 0.39

AMBIGUOUS = 0.7  # a runner-up that weighs so much of the first leaves open which face is meant
SAME_BOX = 0.4  # intersection over union of a box by hand and the face it means
SAME_ANGLE = 45.0  # degrees between an angle by hand and the face it means


@dataclass(frozen=True)
class Face:
    """A face, in the photo's pixels."""

    box: Box  # from the brow to the chin
    landmarks: np.ndarray  # (5, 2): eyes, nose, mouth corners; the picture's left side first
    confidence: float  # 0 to 1

    @property
    def angle(self) -> float:
        """By how much it is turned clockwise, in degrees from -180 to 180: by its eyes and its mouth."""
        across = self.landmarks[1] - self.landmarks[0] + self.landmarks[4] - self.landmarks[3]
        return float(np.degrees(np.arctan2(across[1], across[0])))

    @classmethod
    def by_hand(cls, box: Box, angle: float = 0.0) -> Face:
        """A frontal face that fills a box, where no detector sees it; turned clockwise by ``angle`` degrees."""
        x, y, width, height = box
        turn = np.radians(angle)
        cosine, sine = np.cos(turn), np.sin(turn)
        length = height if abs(cosine) >= abs(sine) else width  # from brow to chin
        distance = EYES_BY_BOX * float(np.sqrt(width * height))
        upright = np.array([0, (EYE_LINE_BY_BOX - 0.5) * length]) + distance * MEAN_LANDMARKS
        placed = upright @ np.array([[cosine, sine], [-sine, cosine]])
        return cls(box, np.array([x + width / 2, y + height / 2]) + placed, 1.0)

    def moved(self, right: float, down: float) -> Face:
        """The same face of a part of a photo, in the photo that the part was cut from."""
        x, y, width, height = self.box
        box = (x + right, y + down, width, height)
        return replace(self, box=box, landmarks=self.landmarks + np.array([right, down]))

    def scaled(self, step: np.ndarray) -> Face:
        """The same face in a picture that is larger by ``step``, across and down."""
        x, y, width, height = (float(value) for value in np.array(self.box) * np.tile(step, 2))
        return replace(self, box=(x, y, width, height), landmarks=self.landmarks * step.astype(self.landmarks.dtype))

    @classmethod
    def by_landmarks(cls, landmarks: np.ndarray, confidence: float) -> Face:
        """A face whose landmarks alone are known, in the box that the detector would give it, in the mean."""
        eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
        # a face's length, unlike the distance of its eyes, stays the same where it turns to a side
        side = float(np.hypot(*(mouth - eyes)) / MEAN_LANDMARKS[3, 1] / EYES_BY_BOX)
        middle = eyes + (mouth - eyes) * (0.5 - EYE_LINE_BY_BOX) / EYES_BY_BOX / MEAN_LANDMARKS[3, 1]
        return cls((float(middle[0] - side / 2), float(middle[1] - side / 2), side, side), landmarks, confidence)


def angle_between(first: float, second: float) -> float:
    """What the first angle has before the second, in degrees from -180 to 180."""
    return (first - second + 180) % 360 - 180


def split_box(box: HandBox) -> tuple[Box, float | None]:
    """A box by hand and its angle; None where none is given."""
    x, y, width, height, *angle = box
    return (x, y, width, height), angle[0] if angle else None


def describe_boxes(faces: list[Face]) -> str:
    """``x,y,width,height; ...`` as ``--box`` takes them."""
    return "; ".join(",".join(str(round(value)) for value in face.box) for face in faces)


def _nearness(face: Face, height: int, width: int) -> float:
    """1 in the middle of the photo, 0.14 in its corners."""
    x, y, box_width, box_height = face.box
    away = np.hypot(x + box_width / 2 - width / 2, y + box_height / 2 - height / 2) / np.hypot(width / 2, height / 2)
    return float(np.exp(-2 * away))


def _clearly_first(faces: list[Face], weights: list[float]) -> Face | None:
    order = np.argsort(weights)[::-1]
    if len(order) > 1 and weights[order[1]] >= AMBIGUOUS * weights[order[0]]:
        return None
    return faces[order[0]] if faces else None


def subject(faces: list[Face], height: int, width: int) -> Face | None:
    """The face a photo of a collection is about: large and near the middle; None where another is nearly as much so."""
    return _clearly_first(faces, [max(face.box[2:]) * _nearness(face, height, width) for face in faces])


def largest(faces: list[Face]) -> Face | None:
    """The face that is clearly the largest, wherever it is; None where another is nearly as large.

    For a photo that somebody wants to have repaired: there a wrong guess costs more than a question.
    """
    return _clearly_first(faces, [max(face.box[2:]) for face in faces])


def overlap(first: Box, second: Box) -> float:
    """Intersection over union.

    >>> round(overlap((0, 0, 10, 10), (5, 0, 10, 10)), 3)
    0.333
    """
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(np.add(first[:2], first[2:]), np.add(second[:2], second[2:]))
    shared = float(np.maximum(0, high - low).prod())
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def face_in_box(faces: list[Face], box: Box, angle: float | None = None) -> Face | None:
    """The found face that a box by hand means, and its angle if there is one; None where none lies there."""
    fitting = [face for face in faces if angle is None or abs(angle_between(face.angle, angle)) <= SAME_ANGLE]
    best = max(fitting, key=lambda face: overlap(face.box, box), default=None)
    return best if best is not None and overlap(best.box, box) >= SAME_BOX else None


def share_in_box(mask: np.ndarray, box: Box) -> float:
    """How much of a hole (bool (H, W)) lies in a box.

    >>> share_in_box(np.eye(4, dtype=bool), (0, 0, 2, 2))
    0.5
    """
    x, y, width, height = (round(value) for value in box)
    inside = mask[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
    return float(np.count_nonzero(inside) / np.count_nonzero(mask))


def check_box(box: Box, height: int, width: int) -> None:
    """Refuse a box that cannot hold a face of a photo.

    Raises:
        TwoFaceError: it is empty, does not touch the photo or is far larger.
    """
    x, y, box_width, box_height = box
    shown = ",".join(f"{value:g}" for value in box)
    if box_width < 1 or box_height < 1:
        raise TwoFaceError(f"box {shown} is empty; give x,y,width,height")
    if x >= width or y >= height or x + box_width <= 0 or y + box_height <= 0:
        raise TwoFaceError(f"box {shown} lies outside the photo of {width}x{height}")
    if max(box_width, box_height) > 2 * max(height, width):
        raise TwoFaceError(f"box {shown} is far larger than the photo")
