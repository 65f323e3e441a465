"""A raw photo at repair time: the face is found, framed, filled and put back, with a real exported model."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import MASK, SIZE, TIGHT, Run

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.detector import FaceDetector
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.model_file import REPAIR
from twoface_pl.serving.inpaint import inpaint
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model


@pytest.fixture(scope="module")
def session(tight_model: Path) -> RepairSession:
    return RepairSession(find_model(tight_model, REPAIR), "cpu")


def _with_faces(*faces: tuple[int, int, int, int], width: int = 420, height: int = 260) -> np.ndarray:
    """A photo with drawn faces: person, left, top, size."""
    photo = np.full((height, width, 3), 120, np.uint8)
    for person, left, top, size in faces:
        photo[top : top + size, left : left + size] = synthetic_photo(person, 0, size)
    return photo


REFERENCE = _with_faces((1, 60, 20, 180))


def test_a_model_says_its_frame(session: RepairSession) -> None:
    assert session.frame == TIGHT


def test_the_default_hole_lies_on_the_face(session: RepairSession) -> None:
    photo = _with_faces((1, 200, 60, 180))
    changed = (inpaint(session, photo, REFERENCE) != photo).any(axis=2)
    (face,) = FaceDetector().detect(photo)
    frame = TIGHT.place(face)
    rows, columns = np.nonzero(changed)
    shares = frame.to_unit(np.column_stack([columns, rows]) + 0.5)
    hole = MASK["size"] / SIZE
    assert shares.min() >= 0.5 - hole / 2
    assert shares.max() <= 0.5 + hole / 2
    assert len(rows) > 0.8 * (hole * frame.side) ** 2


def test_of_several_faces_the_one_under_the_mask(session: RepairSession, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = _with_faces((1, 10, 60, 160), (5, 230, 60, 160))
    with pytest.raises(
        TwoFaceError, match=r"2 faces in the photo, and none is clearly meant: .*give one of these as `box`"
    ):
        inpaint(session, photo, REFERENCE)
    with pytest.raises(TwoFaceError, match="the mask has no hole"):  # and no question of faces
        inpaint(session, photo, REFERENCE, np.zeros(photo.shape[:2], bool))
    frames = []
    repair = session.repair
    monkeypatch.setattr(session, "repair", lambda *given: frames.append(given[2]) or repair(*given))
    for left in (10, 230):
        mask = np.zeros(photo.shape[:2], bool)
        mask[130:150, left + 65 : left + 95] = True
        result = inpaint(session, photo, REFERENCE, mask)
        assert np.array_equal(result[~mask], photo[~mask])
        assert (result[mask] != photo[mask]).any()
    faces = sorted(session.finder.detector.detect(photo), key=lambda face: face.box[0])
    for frame, face in zip(frames, faces, strict=True):
        shift, growth, turn = frame.apart(TIGHT.place(face))
        assert shift < 0.03
        assert growth < 1.05
        assert turn < 3
    box = tuple(round(value) for value in faces[1].box)
    inpaint(session, photo, REFERENCE, box=box)  # a box picks the face that was found there
    assert frames[-1] == TIGHT.place(faces[1])


@pytest.mark.parametrize(
    ("photo", "reference", "says"),
    [
        (np.full((90, 90, 3), 99, np.uint8), REFERENCE, r"no face found in the photo; say where it is: `box` x,y"),
        (REFERENCE, np.full((90, 90, 3), 99, np.uint8), r"no face found in the reference; .*`reference_box`"),
        (
            REFERENCE,
            _with_faces((1, 0, 70, 130), (5, 145, 70, 130), (3, 290, 70, 130), height=270),
            r"faces in the reference, and none is clearly meant: .*give one of these as `reference_box`",
        ),
    ],
    ids=["none", "none in the reference", "three in the reference"],
)
def test_no_face_or_three_is_a_sentence(
    photo: np.ndarray, reference: np.ndarray, says: str, session: RepairSession
) -> None:
    with pytest.raises(TwoFaceError, match=says):
        inpaint(session, photo, reference)


def test_a_face_that_the_hole_hides_is_given_by_hand(session: RepairSession) -> None:
    photo = _with_faces((1, 120, 40, 180))
    (face,) = FaceDetector().detect(photo)
    mask = np.zeros(photo.shape[:2], bool)
    x, y, width, height = (round(value) for value in face.box)
    mask[y : y + height, x : x + width] = True
    photo[mask] = 0
    with pytest.raises(TwoFaceError, match=r"(is it hidden by the hole\?|its place is a guess: ).*`box`"):
        inpaint(session, photo, REFERENCE, mask)
    result = inpaint(session, photo, REFERENCE, mask, (x, y, width, height))
    assert np.array_equal(result[~mask], photo[~mask])
    assert result[mask].any(axis=1).mean() > 0.99


def test_a_hole_beside_every_face_is_refused_and_one_on_the_hair_is_not(session: RepairSession) -> None:
    photo = _with_faces((1, 120, 40, 180))
    (face,) = FaceDetector().detect(photo)
    mask = np.zeros(photo.shape[:2], bool)
    mask[:12, :12] = True
    with pytest.raises(TwoFaceError, match="lies on none of the faces found"):
        inpaint(session, photo, REFERENCE, mask)
    hair = np.zeros(photo.shape[:2], bool)
    top = round(face.box[1])
    hair[top - 14 : top - 4, round(face.box[0] + face.box[2] / 2) - 8 :][:, :16] = True
    assert (inpaint(session, photo, REFERENCE, hair)[hair] != photo[hair]).any()


def test_a_turned_face_is_filled_upright(session: RepairSession) -> None:
    photo = _with_faces((1, 120, 40, 180))
    turned = cv2.warpAffine(
        photo, cv2.getRotationMatrix2D((210, 130), 25, 1), (420, 260), borderMode=cv2.BORDER_REFLECT
    )
    changed = (inpaint(session, turned, REFERENCE) != turned).any(axis=2).astype(np.uint8)
    _, _, angle = cv2.minAreaRect(cv2.findNonZero(changed))
    assert min(abs(angle % 90 - 25), abs(angle % 90 - 65)) < 12


def test_a_large_face_brings_a_hint(
    session: RepairSession, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import twoface_pl.model_file as module

    photo = cv2.resize(_with_faces((1, 120, 40, 180)), None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    inpaint(session, photo, REFERENCE)
    assert "times as large as in the reference: the fill will be softer" in caplog.text
    caplog.clear()
    inpaint(session, photo, [REFERENCE, photo])  # the largest one counts
    inpaint(session, _with_faces((1, 170, 100, 84)), REFERENCE)
    assert "softer" not in caplog.text
    monkeypatch.setattr(module, "LARGEST_FILLED", 2 * SIZE)
    inpaint(session, photo, photo)
    assert "times larger than the 128 px that it is filled at: the fill will be softer" in caplog.text


def test_the_command_finds_the_faces(twoface: Run, tight_model: Path, tmp_path: Path) -> None:
    photo = _with_faces((1, 200, 60, 180))
    write_image(tmp_path / "photo.png", photo)
    write_image(tmp_path / "reference.jpg", REFERENCE)
    write_image(tmp_path / "nobody.png", np.full((90, 90, 3), 99, np.uint8))
    common = ["inpaint", "--model", tight_model, "--image", "photo.png", "--output", "out.png"]
    done = twoface(*common, "--reference", "reference.jpg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = decode_image(tmp_path / "out.png")
    assert result.shape == photo.shape
    assert 0.002 < (result != photo).any(axis=2).mean() < 0.2
    refused = twoface(*common, "--force", "--reference", "nobody.png", cwd=tmp_path)
    assert refused.returncode == 1
    assert "no face found in the reference; say where it is: --reference-box" in refused.stderr
    assert np.array_equal(decode_image(tmp_path / "out.png"), result)
