"""The model that comes with the package: there, small, whole, and chosen where no other is named."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import SHARED, Run

from twoface_pl.evaluation.controls import OPENCV_METHODS, opencv_fill
from twoface_pl.evaluation.metrics import psnr_in_hole
from twoface_pl.export.read import load_exported
from twoface_pl.faces.detector import FILE as DETECTOR_FILE
from twoface_pl.faces.detector import FaceDetector
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.model_file import CHECKSUM, FILES, REPAIR, SHIPPED, read_model
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.versions import find_model

MOST_BYTES = 8e6


@pytest.mark.parametrize("path", [SHIPPED, find_model(SHIPPED, REPAIR), DETECTOR_FILE], ids=FILES)
def test_a_file_is_small_and_says_nothing_of_a_machine(path: Path) -> None:
    assert path.stat().st_size < MOST_BYTES
    content, graph = path.read_bytes(), onnx.load(path).graph
    assert not any(noted.metadata_props for noted in (graph, *graph.node, *graph.value_info))  # traces of a machine
    assert not any(trace in content for trace in (b"stack_trace", b"site-packages", b"/home/", b"twoface_pl/", b'.py"'))


def test_it_is_whole_and_says_what_it_is() -> None:
    trained = load_exported(SHIPPED)  # checks the weights' checksum
    session = FillSession(SHIPPED, "cpu")
    assert (trained.image_size, trained.frame.name) == (128, "tight")
    assert (session.default_mask.sum(), session.default_mask[48:80, 48:80].all()) == (32 * 32, True)
    repair = read_model(find_model(SHIPPED, REPAIR), REPAIR)
    own = {"format", CHECKSUM, "inputs", "outputs"}
    assert repair.metadata.keys() == session.metadata.keys()
    assert all(repair.metadata[name] == said for name, said in session.metadata.items() if name not in own)
    figures = json.loads(session.metadata["figures"])
    assert {figure["split"] for figure in figures} == {"test"}
    assert {figure["mask"]["name"] for figure in figures} >= {"center", "strokes"}
    assert all(figure["db_above_opencv"] > 0 for figure in figures)
    assert all(figure["above_wrong_reference"]["psnr_db"] > 0 for figure in figures)


def test_it_is_chosen_where_no_model_is_named(twoface: Run, tmp_path: Path) -> None:
    for number in (1, 2):
        write_image(tmp_path / f"{number}.png", synthetic_photo(5, number, 160))
    done = twoface("inpaint", "--image", "1.png", "--reference", "2.png", "--output", "filled.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    changed = (decode_image(tmp_path / "filled.png") != decode_image(tmp_path / "1.png")).any(axis=2)
    assert 0 < changed.mean() < 0.3
    assert f"shipped: {SHIPPED}, 128 px, frame tight" in twoface("doctor", cwd=tmp_path).stdout


@pytest.mark.skipif(not (SHARED / "faces").is_dir(), reason="no real faces beside the project")
def test_it_repairs_real_faces_and_looks_at_the_reference() -> None:
    session, detector = FillSession(SHIPPED, "cpu"), FaceDetector()
    frames = []
    people = sorted(path for path in (SHARED / "faces" / "lfw").iterdir() if len(list(path.glob("*.jpg"))) > 2)[::25][
        :20
    ]
    for person in people:
        photos = [decode_image(path) for path in sorted(person.glob("*.jpg"))[:2]]
        found = [detector.detect(photo) for photo in photos]
        if all(found):
            frames.append(
                [
                    session.frame.place(max(faces, key=lambda face: face.confidence)).crop(photo, session.image_size)
                    for photo, faces in zip(photos, found, strict=True)
                ]
            )
    truth, reference = (np.stack(pictures) for pictures in zip(*frames, strict=True))
    masks = np.zeros(truth.shape[:3], bool)
    masks[:, 32:96, 32:96] = True

    def filled(others: np.ndarray) -> np.ndarray:
        image, reference = (pictures / np.float32(255) for pictures in (truth, others))
        return np.round(255 * session.fill(image, masks, reference)).astype(np.uint8)

    right, wrong = (psnr_in_hole(filled(others), truth, masks) for others in (reference, np.roll(reference, 1, axis=0)))
    opencv = [psnr_in_hole(opencv_fill(truth, masks, method), truth, masks).mean() for method in OPENCV_METHODS]
    assert right.mean() > max(opencv) + 2
    assert right.mean() > wrong.mean() + 0.3
