"""The whole path by its commands: prepare, train, evaluate, export, inpaint; and the demo's honesty."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run

from twoface_pl.export.read import load_exported
from twoface_pl.faces.detector import FaceDetector
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.listing import list_photos
from twoface_pl.networks.checkpoint import load_generator


def _ok(done) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _against_pictures(twoface: Run, desk: Path) -> None:
    """Another system's pictures of the same photos: here the photos themselves, which no fill is better than."""
    common = ["evaluate", "checkpoint=runs/one/best.ckpt", "identity=none", "photos=3", "mask=strokes", "output=other"]
    shown = _ok(twoface(*common, "inputs=given", cwd=desk))
    assert "3 photos: given" in shown
    assert not (desk / "other").exists()
    given, whole = desk / "given", desk / "data" / "prepared" / "test" / "masked"
    kinds = {kind.name: sorted(str(path.relative_to(kind)) for path in kind.rglob("*.png")) for kind in given.iterdir()}
    assert set(kinds) == {"photo", "mask", "reference", "wrong_reference"}
    assert len(kinds["photo"]) == 3
    for name in kinds["photo"]:
        photo, mask = (decode_image(given / kind / name) for kind in ("photo", "mask"))
        truth = decode_image(whole / Path(name).with_suffix(".jpg"))
        assert np.array_equal(photo, np.where(mask == 255, 128, truth))
        write_image(desk / "theirs" / name, np.where(truth < 255, truth + 1, truth))
        write_image(desk / "cheats" / name, truth)
    shown = _ok(twoface(*common, "against=theirs", cwd=desk))
    conditions = json.loads((desk / "other" / "evaluation.json").read_text())["conditions"]
    assert conditions["compared generator"]["psnr_db"]["value"] > 45
    refused = twoface(*common, "against=cheats", "force=true", cwd=desk).stderr
    assert "% of the hole is the photo itself, to the last digit: these pictures were made for other holes" in refused
    for more, says in (
        ("references=2", "inputs=more writes one reference of each"),
        ("against=theirs", "leave out aga"),
    ):
        assert says in twoface(*common, "inputs=more", more, cwd=desk).stderr
    assert "given holds something already" in twoface(*common, "inputs=given", cwd=desk).stderr


def test_from_photos_to_a_filled_photo(
    twoface: Run, installed: Run, photos: Path, identity_file: Path, tmp_path: Path
) -> None:
    sizes = ["image_size=64", "min_face=10", "split.test=0.2", "split.validation=0.2"]
    shown = _ok(twoface("prepare", f"source.root={photos}", *sizes, cwd=tmp_path))
    assert "frame tight, train" in shown
    _ok(twoface("train", "experiment=smoke", "hydra.run.dir=runs/one", cwd=tmp_path))
    assert list((tmp_path / "runs" / "one" / "tensorboard").glob("events.*"))
    shown = _ok(twoface("evaluate", "checkpoint=runs/one/best.ckpt", "identity=synthetic", cwd=tmp_path))
    assert "right above wrong reference" in shown
    figures = json.loads((tmp_path / "runs" / "one" / "evaluation" / "evaluation.json").read_text())
    assert figures["heading"]["run"] == "one"
    assert figures["heading"]["frame"] == "tight"
    _against_pictures(twoface, tmp_path)
    shown = _ok(twoface("export", "checkpoint=runs/one/best.ckpt", "half=true", cwd=tmp_path))
    assert "models/two_face_model/1/model.onnx" in shown
    weights = load_exported(tmp_path / "models" / "two_face_model" / "1" / "model.onnx").generator.state_dict()
    for name, weight in load_generator(tmp_path / "runs" / "one" / "best.ckpt").generator.state_dict().items():
        assert torch.equal(weights[name], weight.half().float()), name
    first, second = list_photos(next(photos.iterdir())).paths[:2]
    own = ["--model", "models/two_face_model", "--reference", second, "--output", "filled.png"]
    _ok(installed("inpaint", "--image", first, *own, cwd=tmp_path))
    filled, truth = decode_image(tmp_path / "filled.png"), decode_image(first)
    changed = (filled != truth).any(axis=2)
    (face,) = FaceDetector().detect(truth)  # the hole lies in the middle of the face's frame
    rows, columns = np.nonzero(changed)
    places = FrameKind("tight", 33, 54).place(face).to_unit(np.column_stack([columns, rows]) + 0.5)
    assert len(places) > 40
    assert np.abs(places - 0.5).max() <= 16 / 64 / 2


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_demo_meets_its_figures(twoface: Run, tmp_path: Path) -> None:
    done = twoface("demo-training", "--folder", "demo (1)", cwd=tmp_path, timeout=2400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("wanted: met") == 2
    figures = json.loads((tmp_path / "demo (1)" / "evaluation" / "evaluation.json").read_text())
    assert figures["db_above_opencv"] >= 3
    assert figures["db_right_above_wrong_reference"] >= 1


@pytest.mark.slow
def test_a_demo_that_misses_its_figures_says_so(twoface: Run, identity_file: Path, tmp_path: Path) -> None:
    done = twoface(
        "demo-training", "--people", 100, "max_batches=3", "validate_every=3", "data.workers=0", cwd=tmp_path
    )
    assert done.returncode == 1, done.stderr
    assert "MISSED" in done.stdout
    assert "the fill beats OpenCV's by" in done.stdout
    picture = decode_image(tmp_path / "demo-training" / "demo.png")
    assert picture.shape[1] > 5 * 192
    assert np.unique(picture).size > 100
    assert str(tmp_path / "demo-training" / "demo.png") in done.stdout
    (tmp_path / "demo (1)").write_text("a file")
    assert "is a file" in twoface("demo-training", "--folder", "demo (1)", cwd=tmp_path).stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.txt").write_text("mine")
    refused = twoface("demo-training", "--folder", "mine", cwd=tmp_path)
    assert refused.returncode == 1
    assert (tmp_path / "mine" / "photo.txt").is_file()
