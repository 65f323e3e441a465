"""The face of a damaged photo: found although the hole hides it, whatever the hole shows."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest
from conftest import SHARED, TIGHT
from drawn_faces import CLEAR, drawn, face_hole, is_fine

from twoface_pl.data.damage import PAINTS, paint
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.placement import rough_box
from twoface_pl.faces.detector import FaceDetector
from twoface_pl.faces.face import Face, largest
from twoface_pl.faces.finder import FaceFinder, Sought
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.listing import list_photos
from twoface_pl.faces.synthetic import synthetic_photo

REAL = SHARED / "faces"
real = pytest.mark.skipif(not REAL.is_dir(), reason="no real faces in ../shared")


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.mark.parametrize("parts", [("nose",), ("eyes",), ("mouth",), ("lower_half",), ("eyes", "nose"), ()])
def test_a_face_is_found_although_the_hole_hides_it(parts: tuple[str, ...], finder: FaceFinder) -> None:
    fine = 0
    for number, person in enumerate(CLEAR[:5]):
        photo = drawn(person)
        (face,) = FaceDetector().detect(photo)
        hole = face_hole(face, photo.shape[:2], *parts)
        damaged = paint(photo, hole, PAINTS[number % len(PAINTS)], np.random.default_rng(0))
        fine += is_fine(finder.find(Sought(damaged, hole=hole)), face)
    assert fine >= 4


def test_what_the_hole_shows_never_counts(finder: FaceFinder) -> None:
    photo = drawn(CLEAR[0], CLEAR[1])
    first, second = sorted(FaceDetector().detect(photo), key=lambda face: face.box[0])
    hole = face_hole(first, photo.shape[:2], "eyes", "nose")
    found = [finder.find(Sought(paint(photo, hole, kind, np.random.default_rng(0)), hole=hole)) for kind in PAINTS]
    pasted = photo.copy()  # another face, grinning in the hole
    x, y = (round(value) for value in TIGHT.place(first).middle)
    pasted[y - 30 : y + 30, x - 30 : x + 30] = cv2.resize(synthetic_photo(CLEAR[2], 0, 128), (60, 60))
    pasted[~hole] = photo[~hole]
    found.append(finder.find(Sought(pasted, hole=hole)))
    for face in found:
        assert np.array_equal(face.landmarks, found[0].landmarks)
        assert is_fine(face, first)
        assert not is_fine(face, second)


def test_the_damaged_one_of_several(finder: FaceFinder) -> None:
    photo = drawn(*CLEAR[:3])
    for face in FaceDetector().detect(photo):
        hole = face_hole(face, photo.shape[:2], "eyes", "nose")
        assert is_fine(finder.find(Sought(paint(photo, hole, "black", np.random.default_rng(0)), hole=hole)), face)


def test_a_hole_across_two_faces_is_a_question(finder: FaceFinder) -> None:
    asked = 0
    for first, second in zip(CLEAR[::2], CLEAR[1::2], strict=True):
        photo = drawn(first, second, gap=30)
        hole = np.zeros(photo.shape[:2], bool)
        hole[95:130, 90:360] = True  # from one's eyes to the other's
        photo[hole] = 255
        try:
            finder.find(Sought(photo, hole=hole))
        except TwoFaceError as error:
            asked += "on two faces of the photo: " in str(error)
    assert asked >= 3  # of 4
    found = finder.find(Sought(photo, hole=hole, box=(30, 30, 180, 180)))  # a box says which is meant
    assert found.landmarks[:, 0].max() < 240


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_face_whose_eyes_are_hidden(quarters: int, finder: FaceFinder) -> None:
    fine = 0
    for person in CLEAR[:4]:
        photo = np.ascontiguousarray(np.rot90(drawn(person), -quarters))
        face = largest(FaceDetector().detect(photo))
        assert face is not None
        upright = np.rot90(photo, quarters)
        (known,) = FaceDetector().detect(np.ascontiguousarray(upright))
        hole = np.ascontiguousarray(np.rot90(face_hole(known, upright.shape[:2], "eyes"), -quarters))
        damaged = paint(photo, hole, "white", np.random.default_rng(0))
        fine += is_fine(finder.find(Sought(damaged, hole=hole)), face)
    assert fine >= 3


@pytest.mark.parametrize("parts", [("nose",), ("eyes", "nose"), ()])
def test_a_rough_box_is_refined(parts: tuple[str, ...], finder: FaceFinder) -> None:
    fine, rng = 0, np.random.default_rng(1)
    for person in CLEAR[:4]:
        photo = drawn(person)
        (face,) = FaceDetector().detect(photo)
        hole = face_hole(face, photo.shape[:2], *parts)
        box = tuple(round(value) for value in rough_box(face.landmarks, rng))
        damaged = paint(photo, hole, "white", rng)
        fine += is_fine(finder.find(Sought(damaged, hole=hole, box=box)), face)
    assert fine >= 3


def test_a_mask_on_no_face_is_a_sentence(finder: FaceFinder) -> None:
    wall = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8), (0, 0), 3)
    hole = np.zeros(wall.shape[:2], bool)
    hole[100:180, 150:230] = True
    with pytest.raises(TwoFaceError, match=r"`box`"):
        finder.find(Sought(wall, hole=hole))
    wall[40:220, 210:390] = synthetic_photo(CLEAR[0], 0, 180)
    hole = np.zeros(wall.shape[:2], bool)
    hole[250:280, 20:60] = True
    with pytest.raises(TwoFaceError, match=r"lies on none of the faces found: .*`box`"):
        finder.find(Sought(wall, hole=hole))


@pytest.mark.parametrize("share", [0.9, 1.0])
def test_a_hole_over_everything_asks_for_a_box(share: float, finder: FaceFinder) -> None:
    photo = drawn(CLEAR[0])
    hole = np.zeros(photo.shape[:2], bool)
    hole[: round(share * len(hole))] = True
    with pytest.raises(TwoFaceError, match="`box`"):
        finder.find(Sought(photo, hole=hole))


def test_fifty_scratches_and_a_small_face(finder: FaceFinder) -> None:
    photo = drawn(CLEAR[0])
    (face,) = FaceDetector().detect(photo)
    rng, scratches = np.random.default_rng(0), np.zeros(photo.shape[:2], np.uint8)
    for _ in range(50):
        start, end = rng.integers(0, photo.shape[1::-1], (2, 2))
        cv2.line(scratches, start.tolist(), end.tolist(), 255, 2)
    hole = scratches > 0
    assert is_fine(finder.find(Sought(paint(photo, hole, "white", rng), hole=hole)), face)
    small = cv2.resize(photo, None, fx=0.22, fy=0.22, interpolation=cv2.INTER_AREA)
    hole = face_hole(Face.by_landmarks(face.landmarks * 0.22, 1.0), small.shape[:2], "mouth")
    assert is_fine(
        finder.find(Sought(paint(small, hole, "black", rng), hole=hole)), Face.by_landmarks(face.landmarks * 0.22, 1.0)
    )


def test_a_face_that_the_edge_cuts(finder: FaceFinder) -> None:
    photo = drawn(CLEAR[0], gap=0)
    whole = drawn(CLEAR[0])
    (face,) = FaceDetector().detect(whole)
    true = face.moved(-60 - 30, -60)
    photo = np.ascontiguousarray(whole[60:240, 90:240])  # its side is gone
    hole = face_hole(true, photo.shape[:2], "mouth")
    assert is_fine(finder.find(Sought(paint(photo, hole, "black", np.random.default_rng(0)), hole=hole)), true)


def test_a_large_photo_is_placed_as_a_small_one(finder: FaceFinder) -> None:
    photo = drawn(CLEAR[1])
    (face,) = FaceDetector().detect(photo)
    hole = face_hole(face, photo.shape[:2], "eyes")
    large = cv2.resize(photo, None, fx=9, fy=9, interpolation=cv2.INTER_CUBIC)
    holes = cv2.resize(hole.astype(np.uint8), large.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    found = finder.find(Sought(paint(large, holes, "white", np.random.default_rng(0)), hole=holes))
    assert is_fine(found, Face.by_landmarks(face.landmarks * 9, 1.0))


@real
@pytest.mark.parametrize(
    ("source", "parts", "most"),
    [
        ("lfw", ("eyes", "nose"), 1),
        ("pins", ("eyes", "nose"), 2),
        ("celeb", ("nose",), 1),
        ("london", ("lower_half",), 1),
    ],
)
def test_real_photos_are_placed_as_undamaged_ones(
    source: str, parts: tuple[str, ...], most: int, finder: FaceFinder
) -> None:
    """Of 12 photos, all but a few."""
    people = sorted((REAL / source).iterdir())
    people = [person for person in people if zlib.crc32(person.name.encode()) % 3 == 0][:12]
    wrong = 0
    for number, person in enumerate(people):
        photo = decode_image(list_photos(person).paths[0])
        face = max(finder.detector.detect(photo), key=lambda face: face.confidence)
        hole = face_hole(face, photo.shape[:2], *parts)
        damaged = paint(photo, hole, PAINTS[number % 2], np.random.default_rng(0))
        try:
            wrong += not is_fine(finder.find(Sought(damaged, hole=hole)), face)
        except TwoFaceError:
            wrong += 1
    assert wrong <= most
