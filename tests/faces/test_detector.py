"""The face detector against facenet-pytorch's own MTCNN, and which face of several is meant."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import SHARED, is_pinned
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils.detect_face import detect_face

from twoface_pl.export.cascade import PYRAMID_STEP, SMALLEST_FACE, THRESHOLDS
from twoface_pl.export.detector import export_detector
from twoface_pl.faces.detector import FILE, FaceDetector
from twoface_pl.faces.face import Face, face_in_box, largest, share_in_box, subject
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.listing import list_photos
from twoface_pl.faces.onnx_file import check_straight
from twoface_pl.faces.synthetic import synthetic_photo


@pytest.fixture(scope="module")
def theirs() -> MTCNN:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MTCNN()


def _corners(face: Face) -> tuple[float, ...]:
    x, y, width, height = face.box
    return x, y, x + width, y + height


def _compare(photo: np.ndarray, theirs: MTCNN) -> int:
    """Box by box and point by point; returns how many faces there are."""
    faces = FaceDetector().detect(photo, turned=False)
    boxes, points = (np.array([part(face) for face in faces]) for part in (_corners, lambda face: face.landmarks))
    scores = np.array([face.confidence for face in faces])
    with torch.no_grad():
        (their_boxes,), (their_points,) = detect_face(
            photo, SMALLEST_FACE, theirs.pnet, theirs.rnet, theirs.onet, THRESHOLDS, PYRAMID_STEP, "cpu"
        )
    assert len(boxes) == len(their_boxes)
    if len(boxes):
        assert np.abs(boxes - their_boxes[:, :4]).max() < 0.01
        assert np.abs(scores - their_boxes[:, 4]).max() < 1e-4
        assert np.abs(points - their_points).max() < 0.01
    return len(boxes)


@pytest.mark.parametrize("size", [128, 203])
def test_drawn_faces_are_found_as_facenet_pytorch_finds_them(size: int, theirs: MTCNN) -> None:
    assert sum(_compare(synthetic_photo(person, 0, size), theirs) for person in range(12)) >= 10


def test_a_picture_of_several_faces_of_an_odd_size(theirs: MTCNN) -> None:
    canvas = np.full((211, 420, 3), 120, np.uint8)
    canvas[40:168, 20:148] = synthetic_photo(1, 0, 128)
    canvas[20:180, 230:390] = synthetic_photo(5, 0, 160)
    assert _compare(canvas, theirs) == 2


@pytest.mark.skipif(not (SHARED / "faces").is_dir(), reason="no real faces in ../shared")
def test_real_faces_are_found_as_facenet_pytorch_finds_them(theirs: MTCNN) -> None:
    found = 0
    for source in ("lfw", "celeb"):
        for person in sorted((SHARED / "faces" / source).iterdir())[::50][:15]:
            found += _compare(decode_image(list_photos(person).paths[0]), theirs)
    assert found >= 19


@pytest.mark.skipif(not is_pinned("torch", "onnxscript"), reason="another exporter than constraints.txt has")
def test_the_shipped_file_is_what_the_export_makes(tmp_path: Path) -> None:
    export_detector(tmp_path / "detector.onnx")
    fresh, shipped = (onnx.load(path) for path in (tmp_path / "detector.onnx", FILE))
    assert FILE.stat().st_size < 2.5e6
    assert [node.op_type for node in fresh.graph.node] == [node.op_type for node in shipped.graph.node]
    weights = ({tensor.name: tensor for tensor in model.graph.initializer} for model in (fresh, shipped))
    assert next(weights) == next(weights)
    check_straight(FILE.read_bytes(), "detector")


@pytest.mark.parametrize("shape", [(16, 16), (16, 300), (3000, 20), (40, 40)])
def test_pictures_without_a_face(shape: tuple[int, int]) -> None:
    assert FaceDetector().detect(np.full((*shape, 3), 127, np.uint8)) == []


def test_a_large_photo_is_searched_small_and_answered_in_its_own_pixels() -> None:
    photo = np.full((1500, 2200, 3), 90, np.uint8)
    photo[300:1100, 900:1700] = synthetic_photo(1, 0, 800)
    (face,) = FaceDetector().detect(photo)
    eyes = face.landmarks[:2].mean(axis=0)
    assert abs(eyes[0] - 1300) < 60
    assert abs(eyes[1] - (300 + 800 * 58 / 128)) < 60
    assert 300 < face.box[3] < 700


def _face(x: float, y: float, side: float) -> Face:
    return Face.by_hand((x, y, side, side))


def test_the_subject_is_large_and_central_or_nobody() -> None:
    middle, edge, twin = _face(80, 80, 50), _face(0, 0, 50), _face(20, 80, 50)
    assert subject([edge, middle], 200, 200) is middle
    assert subject([], 200, 200) is None
    assert subject([twin, _face(130, 80, 50)], 200, 200) is None
    assert largest([edge, middle]) is None
    assert largest([edge, _face(90, 90, 20)]) is edge
    assert largest([]) is None
    assert subject([_face(95, 95, 10), _face(20, 20, 140)], 200, 200).box[2] == 140  # type: ignore[union-attr]


def test_the_face_under_the_mask_and_the_face_in_the_box() -> None:
    left, right = _face(10, 50, 60), _face(120, 50, 60)
    mask = np.zeros((200, 200), bool)
    mask[60:80, 60:160] = True
    assert share_in_box(mask, left.box) < share_in_box(mask, right.box)
    assert face_in_box([left, right], (15, 45, 60, 60)) is left
    assert face_in_box([left, right], (15, 45, 60, 60), 10) is left
    assert face_in_box([left, right], (15, 45, 60, 60), 180) is None
    assert face_in_box([left, right], (60, 140, 50, 50)) is None
    assert face_in_box([], (60, 140, 50, 50)) is None
