"""Photos that lie on their side or stand on their head, and boxes with an angle."""

from pathlib import Path

import numpy as np
import pytest
from conftest import FACED, SHARED, TIGHT, prepare_options, split_rule

from twoface_pl.cli.inpaint_options import parse_box
from twoface_pl.data.landmarks import read_landmarks
from twoface_pl.data.source import FolderSource
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.words import summary
from twoface_pl.faces.detector import FaceDetector
from twoface_pl.faces.face import Face, face_in_box, largest
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.listing import list_photos
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.model_file import REPAIR
from twoface_pl.serving.inpaint import inpaint
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model

REAL = SHARED / "faces"
CLEAR = 12  # a drawn face that the detector is sure of


def _turned(pixels: np.ndarray, quarters: int) -> np.ndarray:
    """Clockwise by so many right angles."""
    return np.ascontiguousarray(np.rot90(pixels, -quarters))


@pytest.fixture(scope="module")
def session(tight_model: Path) -> RepairSession:
    return RepairSession(find_model(tight_model, REPAIR), "cpu")


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_face_has_its_landmarks_where_they_are(quarters: int) -> None:
    photo = np.full((200, 260, 3), 110, np.uint8)
    photo[20:180, 60:220] = synthetic_photo(CLEAR, 0, 160)
    (face,) = FaceDetector().detect(photo)
    found = largest(FaceDetector().detect(_turned(photo, quarters)))
    assert found is not None
    assert abs((found.angle - face.angle - 90 * quarters + 180) % 360 - 180) < 3
    upright, turned = TIGHT.place(face).crop(photo, 64), TIGHT.place(found).crop(_turned(photo, quarters), 64)
    assert np.abs(upright.astype(int) - turned).mean() < 6
    x, y, width, height = found.box
    assert 0 <= x < x + width <= photo.shape[1 - quarters % 2] + 2
    assert 0 <= y < y + height <= photo.shape[quarters % 2] + 2


@pytest.mark.skipif(not REAL.is_dir(), reason="no real faces in ../shared")
def test_real_photos_are_framed_as_upright_ones() -> None:
    """Of 12 photos, each turned three ways, one face in the frame looks like another way's."""
    detector, right = FaceDetector(), 0
    people = [path for source in ("lfw", "celeb", "pins") for path in sorted((REAL / source).iterdir())[5::11][:4]]
    for person in people:
        photo = decode_image(list_photos(person).paths[0])
        upright = max(detector.detect(photo), key=lambda face: face.confidence)
        for quarters in (1, 2, 3):
            faces = detector.detect(_turned(photo, quarters))
            off = (faces[0].angle - upright.angle - 90 * quarters + 180) % 360 - 180 if faces else 180
            right += abs(off) < 15
    assert right >= 34


def test_a_turned_photo_is_filled_as_the_upright_one(session: RepairSession, caplog: pytest.LogCaptureFixture) -> None:
    photo, reference = synthetic_photo(CLEAR, 0, 200), synthetic_photo(CLEAR, 1, 200)
    (face,) = session.finder.detector.detect(photo)
    hole = TIGHT.place(face).mask_in_photo(session.default_mask, 200, 200)
    filled = inpaint(session, photo, reference, hole)
    for quarters in (1, 2, 3):
        caplog.clear()
        result = inpaint(session, _turned(photo, quarters), _turned(reference, 2), _turned(hole, quarters))
        assert "the face in the reference is turned by" in caplog.text
        assert "the face in the photo is turned by" in caplog.text
        back = _turned(result, 4 - quarters)
        assert np.array_equal(back[~hole], photo[~hole])
        assert np.abs(back[hole].astype(int) - filled[hole]).mean() < 6


def test_a_box_by_hand_may_say_the_angle() -> None:
    upright = Face.by_hand((40, 30, 60, 80))
    eyes, mouth = upright.landmarks[:2].mean(axis=0), upright.landmarks[3:].mean(axis=0)
    middle = np.array([70, 70])
    for angle in (90, 180, 270, 30):
        box = (30, 40, 80, 60) if angle in (90, 270) else (40, 30, 60, 80)
        turned = Face.by_hand(box, angle)
        assert abs((turned.angle - angle + 180) % 360 - 180) < 1e-6
        turn = np.radians(angle)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        for part, points in ((eyes, turned.landmarks[:2]), (mouth, turned.landmarks[3:])):
            assert np.abs(points.mean(axis=0) - (middle + rotation @ (part - middle))).max() < 1e-6
    assert face_in_box([upright], (40, 30, 60, 80), 180) is None
    assert face_in_box([upright], (40, 30, 60, 80), -20) is upright
    assert parse_box("1,2,30,40,-90") == (1, 2, 30, 40, -90)


def test_a_frame_around_a_box_may_be_turned() -> None:
    photo = synthetic_photo(CLEAR, 0, 100)
    plain = Frame.around_box((20, 30, 50, 40), 100, 100).crop(photo, 50)
    for quarters in (1, 2, 3):
        frame = Frame.around_box((20, 30, 50, 40), 100, 100, -90.0 * quarters)
        assert np.abs(frame.crop(photo, 50).astype(int) - _turned(plain, quarters)).max() <= 1


def test_a_small_face_that_only_a_box_points_at_is_looked_at_closely(
    session: RepairSession, caplog: pytest.LogCaptureFixture
) -> None:
    photo = np.full((1600, 4000, 3), 110, np.uint8)
    face = synthetic_photo(CLEAR, 0, 130)
    photo[700:830, 1500:1630] = _turned(face, 2)
    (near,) = session.finder.detector.detect(np.ascontiguousarray(photo[600:930, 1400:1730]))
    box = tuple(round(value) for value in (near.box[0] + 1400, near.box[1] + 600, *near.box[2:]))
    assert face_in_box(session.finder.detector.detect(photo), box) is None  # shrunk to be searched, it is too small
    result = inpaint(session, photo, synthetic_photo(CLEAR, 1, 200), box=box)
    assert "the face in the photo is turned by 1" in caplog.text
    assert "no face is recognised in `box`" not in caplog.text
    rows, columns = np.nonzero((result != photo).any(axis=2))
    assert 700 < rows.min() < rows.max() < 830
    assert 1500 < columns.min() < columns.max() < 1630
    caplog.clear()
    inpaint(session, photo, synthetic_photo(CLEAR, 1, 200), box=(100, 100, 90, 100))
    assert "no face is recognised in `box` of the photo; it is taken as upright" in caplog.text


def test_prepare_turns_photos_upright_and_says_so(tmp_path: Path) -> None:
    for person in (CLEAR, 13, 18, 22):
        for number in range(4):
            photo = _turned(synthetic_photo(person, number, 160), number)
            write_image(tmp_path / "photos" / str(person) / f"{number}.png", photo)
    options = prepare_options(tmp_path / "photos", tmp_path / "set", split_rule("few_photos", 0, 0), **FACED)
    result = prepare(options)
    turned = {key: value["turned"] for key, value in result.found.items() if value.get("turned")}
    assert len(turned) == 12
    assert all(angle == 90 * int(key[-5]) for key, angle in turned.items())
    assert f"{len(turned)} photos lay on their side or stood on their head" in summary(result, options)
    landmarks = np.stack(list(read_landmarks(FolderSource(tmp_path / "set"), "train").values()))
    assert (landmarks[:, :2, 1].mean(axis=1) < landmarks[:, 3:, 1].mean(axis=1)).all()  # eyes above the mouth
