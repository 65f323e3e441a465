"""Metrics against known values; the evaluation and its report."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import HOLE, SIZE

from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.controls import OPENCV_METHODS, opencv_fill
from twoface_pl.evaluation.evaluate import EvaluateOptions, evaluate
from twoface_pl.evaluation.metrics import psnr_in_hole, ssim_in_hole
from twoface_pl.evaluation.picture import picture_grid
from twoface_pl.evaluation.report import table, write_report
from twoface_pl.faces.image import decode_image
from twoface_pl.networks.checkpoint import load_generator
from twoface_pl.networks.identity import load_identity

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (3, 64, 64, 3), np.uint8)
MASKS = np.zeros((3, 64, 64), bool)
MASKS[:, 20:40, 24:44] = True


def test_psnr_looks_into_the_hole_only_and_photo_by_photo() -> None:
    truth = np.full((2, 64, 64, 3), 100, np.uint8)
    filled = truth.copy()
    filled[0, 20:40, 24:44] = 110
    filled[1, 0, 0] = 0  # outside
    psnr = psnr_in_hole(filled, truth, MASKS[:2])
    assert psnr[0] == pytest.approx(10 * np.log10(255**2 / 100))
    assert psnr[1] == pytest.approx(99)


def test_ssim_is_one_for_the_truth_and_low_for_noise() -> None:
    assert ssim_in_hole(PHOTOS, PHOTOS, MASKS) == pytest.approx(1)
    assert (ssim_in_hole(PHOTOS[::-1].copy(), PHOTOS, MASKS)[[0, 2]] < 0.2).all()


def test_opencv_fills_from_the_surroundings_and_never_sees_the_hole() -> None:
    ramp = np.tile(np.linspace(0, 200, 64).astype(np.uint8)[None, None, :, None], (1, 64, 1, 3))
    spoiled = ramp.copy()
    spoiled[0][MASKS[0]] = 255
    for method in OPENCV_METHODS:
        filled = opencv_fill(spoiled, MASKS[:1], method)
        assert psnr_in_hole(filled, ramp, MASKS[:1])[0] > 25
        assert np.array_equal(filled[~MASKS[:1]], ramp[~MASKS[:1]])


def _options(root: Path, **changes) -> EvaluateOptions:
    options = {"split": "test", "mask": None, "batch_size": 3, "photos": 0, "seed": 0, "device": "cpu"}
    return EvaluateOptions(root, **{**options, **changes})


def test_figures_with_controls_beside_them(
    checkpoint: Path, prepared: Path, identity_file: Path, tmp_path: Path
) -> None:
    identity = load_identity({"name": "synthetic", "weights": str(identity_file)})
    evaluation = evaluate(load_generator(checkpoint), _options(prepared), identity)
    json_path, picture_path = write_report(evaluation, tmp_path)
    figures = json.loads(json_path.read_text())
    assert set(figures["conditions"]) == {
        "right reference", "wrong reference", "no reference", "opencv telea", "opencv navier_stokes",
    }  # fmt: skip
    for values in figures["conditions"].values():
        assert set(values) == {"psnr_db", "ssim", "identity_to_truth", "identity_to_reference"}
    heading = figures["heading"]
    assert heading["frame"] == "none"
    assert heading["mask"] == {"name": "center", "size": HOLE}
    assert heading["hole_ratio"] == pytest.approx(HOLE**2 / SIZE**2, abs=1e-4)
    best = max(figures["conditions"][f"opencv {method}"]["psnr_db"] for method in OPENCV_METHODS)
    assert figures["db_above_opencv"] == pytest.approx(
        figures["conditions"]["right reference"]["psnr_db"] - best, abs=1e-3
    )
    assert "right reference" in table(figures)
    assert decode_image(picture_path).shape[1] > 8 * 160
    again = evaluate(load_generator(checkpoint), _options(prepared, batch_size=2), identity)
    for name, values in again.figures["conditions"].items():
        assert values == pytest.approx(figures["conditions"][name], abs=2e-3)


def test_another_mask_and_fewer_photos(checkpoint: Path, prepared: Path) -> None:
    options = _options(prepared, mask={"name": "random_box", "smallest": 10, "largest": 20}, photos=4)
    figures = evaluate(load_generator(checkpoint), options, None).figures
    assert figures["heading"]["photos"] == 4
    assert figures["heading"]["mask"]["name"] == "random_box"
    assert "identity_to_truth" not in figures["conditions"]["right reference"]


def test_a_split_that_is_not_there(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match="no folder"):
        evaluate(load_generator(checkpoint), _options(tmp_path), None)


def test_the_picture_holds_each_photo_where_it_belongs() -> None:
    picture = picture_grid({"one": PHOTOS, "other": 255 - PHOTOS}, side=64, rows=2)
    assert np.array_equal(picture[22:86, :64], PHOTOS[0])
    assert np.array_equal(picture[90:154, 68:132], 255 - PHOTOS[1])
    assert picture.shape[0] == 22 + 2 * 68
