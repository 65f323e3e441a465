"""``repair.onnx`` by itself: what any program in any language may feed it, and what comes out."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from drawn_faces import CLEAR, drawn
from model_parts import by_hand, metadata_of
from onnx import helper

from twoface_pl.errors import TwoFaceError
from twoface_pl.export.write import write_repair
from twoface_pl.faces.detector import FaceDetector
from twoface_pl.faces.face import Face
from twoface_pl.faces.hole import bounding_box
from twoface_pl.faces.runtime import open_session
from twoface_pl.model_file import FILES, REPAIR, SHIPPED, read_model
from twoface_pl.serving.repair import surroundings
from twoface_pl.serving.versions import find_model

FRAME = read_model(SHIPPED).facts.frame
Feeds = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return open_session(find_model(SHIPPED, REPAIR).read_bytes(), "repair", 1)


def _landmarks(photo: np.ndarray) -> np.ndarray:
    (face,) = FaceDetector().detect(photo)
    return face.landmarks.astype(np.float32)


PHOTO, REFERENCE = drawn(CLEAR[0]), cv2.resize(drawn(CLEAR[1]), None, fx=0.8, fy=0.8)


def _feeds(photo: np.ndarray = PHOTO, *references: np.ndarray) -> Feeds:
    """A square hole on the face's nose."""
    landmarks = _landmarks(photo)
    mask = np.zeros(photo.shape[:2], np.uint8)
    x, y = np.round(landmarks[2]).astype(int)
    mask[y - 20 : y + 20, x - 20 : x + 20] = 255
    references = references or (REFERENCE,)
    return {"photo": photo, "mask": mask, "landmarks": landmarks, **_others(references)}


def _others(references: tuple[np.ndarray, ...]) -> Feeds:
    sides = np.array([reference.shape[:2] for reference in references])
    padded = np.full((len(references), *sides.max(axis=0), 3), 77, np.uint8)
    for reference, own in zip(references, padded, strict=True):
        own[: reference.shape[0], : reference.shape[1]] = reference
    landmarks = np.stack([_landmarks(reference) for reference in references])
    return {"references": padded, "reference_sizes": sides, "reference_landmarks": landmarks}


def _repaired(session: onnxruntime.InferenceSession, feeds: Feeds) -> np.ndarray:
    (filled,) = session.run(None, feeds)
    hole = feeds["mask"] > 0
    assert filled.dtype == np.uint8
    assert np.array_equal(filled[~hole], feeds["photo"][~hole])
    return np.asarray(filled)


def test_what_the_hole_holds_does_not_matter(session: onnxruntime.InferenceSession) -> None:
    feeds = _feeds()
    filled = _repaired(session, feeds)
    hole = feeds["mask"] > 0
    assert (filled[hole] != PHOTO[hole]).any()
    noise = PHOTO.copy()
    noise[hole] = np.random.default_rng(0).integers(0, 256, (hole.sum(), 3))
    assert np.array_equal(_repaired(session, {**feeds, "photo": noise}), filled)


def test_references_of_any_sizes_in_any_order(session: onnxruntime.InferenceSession) -> None:
    larger = cv2.resize(drawn(CLEAR[2]), None, fx=1.4, fy=1.4)
    hole = _feeds()["mask"] > 0
    both = _repaired(session, _feeds(PHOTO, REFERENCE, larger))
    other_way = _repaired(session, _feeds(PHOTO, larger, REFERENCE))
    assert np.abs(both[hole].astype(int) - other_way[hole]).max() <= 1
    alone, twice = (_repaired(session, _feeds(PHOTO, *(REFERENCE,) * times)) for times in (1, 2))
    assert np.abs(alone[hole].astype(int) - twice[hole]).max() <= 2
    assert np.abs(alone[hole].astype(int) - both[hole]).max() > 2
    # what lies beyond a smaller reference's own rows and columns says nothing
    feeds = _feeds(PHOTO, REFERENCE, larger)
    feeds["references"][0, REFERENCE.shape[0] :] = 255
    feeds["references"][0, :, REFERENCE.shape[1] :] = 0
    assert np.array_equal(_repaired(session, feeds), both)


def test_a_photo_cut_to_what_is_needed_gives_the_same_fill(session: onnxruntime.InferenceSession) -> None:
    photo = cv2.copyMakeBorder(PHOTO, 200, 170, 220, 190, cv2.BORDER_REFLECT)
    feeds = _feeds(PHOTO)
    feeds |= {"photo": photo, "landmarks": feeds["landmarks"] + np.float32([220, 200])}
    feeds["mask"] = cv2.copyMakeBorder(feeds["mask"], 200, 170, 220, 190, cv2.BORDER_CONSTANT, value=0)
    whole = _repaired(session, feeds)
    rows, columns = surroundings(
        FRAME.place(Face.by_landmarks(feeds["landmarks"], 1)), photo.shape, bounding_box(feeds["mask"])
    )
    assert rows.stop - rows.start < len(photo) - 100
    cut = {**feeds, "photo": photo[rows, columns], "mask": feeds["mask"][rows, columns]}
    cut["landmarks"] = feeds["landmarks"] - np.float32([columns.start, rows.start])
    off = _repaired(session, cut).astype(int) - whole[rows, columns]
    assert np.abs(off).max() <= 1


def test_a_soft_mask_blends_and_an_empty_one_changes_nothing(session: onnxruntime.InferenceSession) -> None:
    feeds = _feeds()
    filled = _repaired(session, feeds).astype(float)
    half = _repaired(session, {**feeds, "mask": feeds["mask"] // 2})
    assert np.abs(half - (PHOTO + 127 / 255 * (filled - PHOTO))).max() <= 1
    assert np.array_equal(_repaired(session, {**feeds, "mask": np.zeros_like(feeds["mask"])}), PHOTO)


def test_beside_the_frame_its_surroundings_go_on(session: onnxruntime.InferenceSession) -> None:
    photo = cv2.copyMakeBorder(PHOTO, 0, 0, 0, 400, cv2.BORDER_CONSTANT, value=(40, 90, 160))
    feeds = _feeds()
    mask = cv2.copyMakeBorder(feeds["mask"], 0, 0, 0, 400, cv2.BORDER_CONSTANT, value=0)
    mask[60:62, 40:-60] = 255  # a scratch across face and wall
    filled = _repaired(session, {**feeds, "photo": photo, "mask": mask})
    assert np.abs(filled[60:62, -300:-60].astype(int) - (40, 90, 160)).max() <= 2


@pytest.mark.parametrize(("scale", "by"), [(0.15, 1.0), (0.15, 5.0), (1.0, 0.12), (3.0, 1.0)])
def test_faces_and_references_of_any_size(session: onnxruntime.InferenceSession, scale: float, by: float) -> None:
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    feeds = _feeds()
    photo = cv2.resize(PHOTO, None, fx=scale, fy=scale, interpolation=method)
    mask = cv2.resize(feeds["mask"], photo.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    reference = cv2.resize(REFERENCE, None, fx=by, fy=by, interpolation=cv2.INTER_AREA if by < 1 else cv2.INTER_CUBIC)
    given = {
        "photo": photo, "mask": mask, "landmarks": feeds["landmarks"] * np.float32(scale),
        "references": reference[None], "reference_sizes": np.array([reference.shape[:2]]),
        "reference_landmarks": feeds["reference_landmarks"] * np.float32(by),
    }  # fmt: skip
    filled, hole = _repaired(session, given), mask > 0
    wanted = cv2.resize(_repaired(session, feeds), photo.shape[1::-1], interpolation=method)
    if by >= 1:  # a reference of a few pixels shows next to nothing
        assert np.abs(filled[hole].astype(float) - wanted[hole]).mean() < 12
    assert np.abs(filled[hole].astype(float).mean(axis=0) - photo[hole].mean(axis=0)).max() < 40


def test_a_frame_over_the_photos_edge(session: onnxruntime.InferenceSession) -> None:
    feeds = _feeds()
    x, y = np.round(feeds["landmarks"][2]).astype(int)
    rows, columns = slice(y - 45, y + 60), slice(x - 50, x + 45)
    cut = {**feeds, "photo": PHOTO[rows, columns], "mask": feeds["mask"][rows, columns]}
    cut["landmarks"] = feeds["landmarks"] - np.float32([columns.start, rows.start])
    hole = cut["mask"] > 0
    off = _repaired(session, cut)[hole].astype(float) - _repaired(session, feeds)[rows, columns][hole]
    assert np.abs(off).mean() < 15


def test_a_repair_that_is_not_its_generators_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import twoface_pl.export.write as module

    def echo(colour: float) -> onnx.ModelProto:
        painted = helper.make_node("Mul", ["mask", "colour"], ["painted"])
        added = helper.make_node("Add", ["painted", "masked_image"], ["filled_image"])
        metadata = {**metadata_of(onnx.load(SHIPPED)), "references": "1"}
        return by_hand([painted, added], metadata, {"colour": np.float32([[[[colour] * 3]]])}, 128)

    path = tmp_path / FILES[REPAIR]
    onnx.save(echo(0.5), tmp_path / "model.onnx")
    write_repair(tmp_path / "model.onnx", path)
    real = module.repair_graph
    monkeypatch.setattr(module, "repair_graph", lambda model, facts: real(echo(0.6), facts))
    with pytest.raises(TwoFaceError, match=r"up to 2[56] levels from what the generator fills"):
        write_repair(tmp_path / "model.onnx", path)
