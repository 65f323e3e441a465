"""Frames at their own size, and the judge that looks at them there."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SIZE, evaluate_options, prepare_options, tiny_data

from twoface_pl.data_prep.prepare import prepare
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.evaluate import evaluate
from twoface_pl.evaluation.metrics import energy_above, rim_gradient
from twoface_pl.evaluation.report import table, write_report
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.synthetic import write_synthetic_photos
from twoface_pl.networks.checkpoint import load_generator

HOLE = np.zeros((128, 128), bool)
HOLE[40:80, 50:90] = True


def test_energy_is_of_what_lies_above_the_band() -> None:
    rng = np.random.default_rng(0)
    picture = np.clip(rng.normal(128, 20, (128, 128, 3)), 0, 255).astype(np.uint8)
    smooth = cv2.GaussianBlur(picture, (0, 0), 6)
    assert energy_above(picture, HOLE, 32) == pytest.approx(20**2, rel=0.1)
    assert energy_above(smooth, HOLE, 32) < 2
    spoiled = picture.copy()
    spoiled[~HOLE] = 0
    assert energy_above(spoiled, np.pad(np.ones((16, 16), bool), ((52, 60), (60, 52))), 32) == pytest.approx(
        energy_above(picture, np.pad(np.ones((16, 16), bool), ((52, 60), (60, 52))), 32), rel=0.05
    )


def test_the_rim_is_the_step_across_the_holes_edge() -> None:
    picture = np.full((128, 128, 3), 100, np.uint8)
    picture[HOLE] = 130
    assert rim_gradient(picture, HOLE) == pytest.approx(30, abs=0.1)
    picture[45:75, 55:85] = 0  # within
    assert rim_gradient(picture, HOLE) == pytest.approx(30, abs=0.1)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of photos of 200, and some of 150 and 90 pixels."""
    folder = tmp_path_factory.mktemp("large")
    write_synthetic_photos(folder / "photos", people=4, photos=3, size=200)
    for number, path in enumerate(sorted((folder / "photos").rglob("*.png"))):
        if number % 3:
            side = (150, 90)[number % 3 - 1]
            write_image(path, cv2.resize(decode_image(path), (side, side), interpolation=cv2.INTER_AREA))
    options = prepare_options(folder / "photos", folder / "set", image_size=192, enlarge=False)
    prepare(options)
    return folder / "set"


def test_frames_keep_their_own_size(large: Path) -> None:
    sides = {decode_image(path).shape[:2] for path in large.rglob("masked/*/*.jpg")}
    assert sides == {(192, 192), (144, 144), (128, 128)}  # at the most image_size, at the least what generators work at
    facts = json.loads((large / "dataset.json").read_text())
    assert (facts["image_size"], facts["enlarge"]) == (192, False)
    data = tiny_data(large)
    data.setup("fit")
    batches = iter(data.train_dataloader())
    with pytest.raises(TwoFaceError, match=r"not 64x64; set image_size or run `twoface prepare image_size=64` again"):
        next(batches)


def test_fills_are_judged_at_the_photos_own_size(large: Path, checkpoint: Path, tmp_path: Path) -> None:
    split = max(("train", "validation", "test"), key=lambda split: len(list((large / split).rglob("masked/*/*.jpg"))))
    evaluation = evaluate(load_generator(checkpoint), evaluate_options(large, split=split, photos=2), None)
    figures, page = write_report(evaluation, tmp_path)
    found = json.loads(figures.read_text())["full_size"]
    least, middle, most = found["sides"]
    assert 128 <= least <= middle <= most <= 192
    names = {"right reference", "two references", "wrong reference", "enlarged fill", "pasted reference"}
    assert {*found["conditions"]} == names | {"opencv telea", "opencv navier_stokes"}
    of = {
        name: {figure: value["value"] for figure, value in values.items()}
        for name, values in found["conditions"].items()
    }
    assert of["enlarged fill"][f"energy_above_{SIZE}"] < of["right reference"][f"energy_above_{SIZE}"]
    assert of["pasted reference"]["rim"] > 0
    assert set(of["right reference"]) >= {"psnr_db", "ssim", "st_lpips_256", "st_lpips_512", "rim"}
    assert found["of_enlarged"]["st_lpips_256"] > 0
    assert decode_image(tmp_path / "full_size.jpg").shape[1] > 2000
    assert "full_size.jpg" in page.read_text()
    assert f"at the photos' own size, {least} to {most} px, {middle} in the middle" in table(evaluation.figures)
