"""Frames that follow a face: canonical places, turned squares, and the way back into the photo."""

import math

import cv2
import numpy as np
import pytest

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.detector import FaceDetector
from twoface_pl.faces.face import MEAN_LANDMARKS, Face
from twoface_pl.faces.frame import Frame, FrameKind
from twoface_pl.faces.hole import bounding_box
from twoface_pl.faces.image import Photo
from twoface_pl.faces.paste import check_reach
from twoface_pl.faces.synthetic import synthetic_photo

TIGHT, LOOSE = FrameKind("tight", 33, 54), FrameKind("loose", 22, 58)
TURNED = [Frame(20.3, 31.8, 90.0, 0.3), Frame(100, 10, 60, 1.2), Frame(-15.5, 40, 140, -0.4), Frame(30, 30, 333, 0.05)]


def _noise(height: int = 210, width: int = 180) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def _smooth(height: int, width: int) -> np.ndarray:
    """A photo without detail finer than some pixels, which survives resampling."""
    coarse = np.random.default_rng(4).integers(40, 216, (8, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def test_the_eyes_lie_where_each_kind_has_them() -> None:
    for kind, distance, line in ((LOOSE, 22, 58), (TIGHT, 33, 54)):
        points = 128 * kind.landmarks()
        assert points[1] - points[0] == pytest.approx([distance, 0])
        assert points[:2, 1] == pytest.approx([line, line])
        assert points[:, 0].mean() == pytest.approx(64)


@pytest.mark.parametrize("kind", [TIGHT, LOOSE], ids=lambda kind: kind.name)
@pytest.mark.parametrize("angle", [0.0, 0.5, -2.0, math.pi])
def test_a_face_at_any_size_and_turn_comes_to_its_place(kind: FrameKind, angle: float) -> None:
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    landmarks = 57 * MEAN_LANDMARKS @ turn.T + (140, 90)
    frame = kind.place(Face((0, 0, 1, 1), landmarks, 1.0))
    assert frame.to_unit(landmarks) == pytest.approx(kind.landmarks(), abs=1e-9)
    assert frame.side == pytest.approx(57 * 128 / kind.eye_distance)
    assert math.remainder(frame.angle - angle, 2 * math.pi) == pytest.approx(0, abs=1e-9)


def test_the_picture_follows_its_landmarks() -> None:
    """A dot at each landmark of a turned face comes out where the frame has the landmarks."""
    angle, photo = 0.6, np.zeros((300, 320, 3), np.uint8)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    landmarks = 60 * MEAN_LANDMARKS @ turn.T + (150, 120)
    for x, y in landmarks:
        cv2.circle(photo, (int(x), int(y)), 4, (255, 255, 255), -1)
    framed = TIGHT.place(Face((0, 0, 1, 1), landmarks, 1.0)).crop(photo, 128)
    for x, y in 128 * TIGHT.landmarks():
        assert framed[round(y) - 2 : round(y) + 2, round(x) - 2 : round(x) + 2].mean() > 150
    assert framed[110:, 60:70].max() == 0


def test_a_detected_face_lies_upright_in_the_frame() -> None:
    photo = cv2.warpAffine(
        synthetic_photo(1, 0, 200),
        cv2.getRotationMatrix2D((100, 100), 20, 1),
        (200, 200),
        borderMode=cv2.BORDER_REFLECT,
    )
    (face,) = FaceDetector().detect(photo)
    aligned = TIGHT.place(face).crop(photo, 128)
    (again,) = FaceDetector().detect(aligned)
    assert abs(again.landmarks[0, 1] - again.landmarks[1, 1]) < 3
    assert again.landmarks[:2].mean(axis=0) == pytest.approx([64, 54], abs=4)


@pytest.mark.parametrize("frame", [Frame(0, 0, 90), Frame(17, 23, 128), Frame(-5, -8, 64)])
def test_a_frame_of_its_own_size_changes_no_pixel(frame: Frame) -> None:
    photo = _noise()
    inside = frame.crop(photo, int(frame.side))
    x, y, side = int(frame.x), int(frame.y), int(frame.side)
    seen = photo[max(y, 0) : y + side, max(x, 0) : x + side]
    assert np.array_equal(inside[side - seen.shape[0] :, side - seen.shape[1] :], seen)


@pytest.mark.parametrize("frame", TURNED)
@pytest.mark.parametrize("size", [64, 128])
def test_what_the_hole_held_reaches_no_other_pixel_of_a_turned_frame(frame: Frame, size: int) -> None:
    photo, mask = _noise(), np.zeros((210, 180), bool)
    middle = frame.middle.astype(int)
    mask[middle[1] - 6 : middle[1] + 8, middle[0] - 9 : middle[0] + 5] = True
    spoiled = photo.copy()
    spoiled[mask] = (255, 0, 255)
    hole = frame.crop_mask(mask, size)
    assert 0 < hole.mean() < 0.5
    assert np.array_equal(frame.crop(photo, size)[~hole], frame.crop(spoiled, size)[~hole])


@pytest.mark.parametrize("frame", TURNED)
@pytest.mark.parametrize("size", [64, 128])
def test_a_frames_hole_in_the_photo_needs_no_pixel_from_outside_it(frame: Frame, size: int) -> None:
    """Every photo pixel of the hole's image lies, with its corners, on pixels of the hole."""
    hole = np.zeros((size, size), bool)
    hole[size // 4 : size // 2, size // 3 : size // 2] = True
    mask = frame.mask_in_photo(hole, 210, 180)
    assert mask.any()
    rows, columns = np.nonzero(mask)
    for corner in ((0.01, 0.01), (0.99, 0.01), (0.01, 0.99), (0.99, 0.99), (0.5, 0.5)):
        place = np.floor(size * frame.to_unit(np.column_stack([columns, rows]) + corner)).astype(int)
        assert hole[place[:, 1], place[:, 0]].all()
    # and it is no smaller than that asks for: its area is the hole's, less a rim of about a pixel
    area = hole.sum() * (frame.side / size) ** 2
    rim = 2.2 * 2 * (size // 4 + size // 6) * frame.side / size * max(1.0, frame.side / size)
    assert area - rim <= mask.sum() <= area


@pytest.mark.parametrize("frame", [Frame(20.3, 31.8, 90.0, 0.3), Frame(30, 20, 150, -0.2), Frame(-20, 10, 170, 0.1)])
def test_a_perfect_fill_comes_back_without_a_seam(frame: Frame) -> None:
    """What the frame shows of a smooth photo, pasted back, is that photo again: at the rim as in the middle."""
    photo = _smooth(210, 180)
    mask = np.zeros((210, 180), bool)
    middle = frame.middle.astype(int)
    mask[middle[1] - 14 : middle[1] + 18, middle[0] - 19 : middle[0] + 11] = True
    content = frame.to_photo(frame.crop(photo, 128), bounding_box(mask))
    back = Photo(photo).with_fill(content, mask.astype(np.uint8) * 255).pixels
    assert np.array_equal(back[~mask], photo[~mask])
    off = np.abs(back.astype(int) - photo).max(axis=2)
    rim = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3))).astype(bool)
    assert off[rim].mean() < 2
    assert off[mask].max() <= 8


def test_the_edge_is_reflected_not_black() -> None:
    photo = np.full((60, 60, 3), 180, np.uint8)
    assert TIGHT.place(Face.by_hand((-10, 30, 60, 60))).crop(photo, 128).min() == 180


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "none", "eye_line": 3}, "has neither"),
        ({"name": "mine"}, "choose frame=tight"),
        ({"name": "mine", "eye_distance": 500, "eye_line": 3}, "pixels of 128"),
        ({"name": "tight", "size": 3}, "size"),
        ("square", "^frame=square is no set of options$"),
    ],
)
def test_frames_that_make_no_sense(options: dict, says: str) -> None:
    with pytest.raises(TwoFaceError, match=says):
        FrameKind.build(options)


def test_landmarks_in_one_point_make_no_frame() -> None:
    with pytest.raises(TwoFaceError, match="make no frame"):
        TIGHT.place(Face((0, 0, 1, 1), np.full((5, 2), 7.0), 1.0))


def test_a_mask_beyond_the_face_is_refused() -> None:
    mask = np.zeros((210, 180), bool)
    mask[:10, :10] = True
    with pytest.raises(TwoFaceError, match=r"reaches out of the face's frame.*give a `box`"):
        check_reach(Frame(20.3, 31.8, 90.0, 0.3), mask)
