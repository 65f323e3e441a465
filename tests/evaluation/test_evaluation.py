"""Metrics against known values; the evaluation and its report."""

import csv
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import HOLE, SIZE, Run, brightness_of, evaluate_options
from torch_fidelity import feature_extractor_inceptionv3 as inceptionv3
from torchvision.models import alexnet

from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.compared import ComparedGenerator
from twoface_pl.evaluation.controls import OPENCV_METHODS, opencv_fill, pasted_reference
from twoface_pl.evaluation.distribution import distances
from twoface_pl.evaluation.evaluate import evaluate
from twoface_pl.evaluation.metrics import psnr_in_hole, ssim_in_hole
from twoface_pl.evaluation.picture import picture_grid
from twoface_pl.evaluation.report import table, write_report
from twoface_pl.evaluation.watch import new_checkpoints
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


def test_ssim_is_the_same_inside_a_training_in_bfloat16() -> None:
    nearly = np.clip(PHOTOS.astype(int) + 3, 0, 255).astype(np.uint8)
    alone = ssim_in_hole(nearly, PHOTOS, MASKS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ssim_in_hole(nearly, PHOTOS, MASKS) == pytest.approx(alone, abs=1e-6)


def test_opencv_fills_from_the_surroundings_and_never_sees_the_hole() -> None:
    ramp = np.tile(np.linspace(0, 200, 64).astype(np.uint8)[None, None, :, None], (1, 64, 1, 3))
    spoiled = ramp.copy()
    spoiled[0][MASKS[0]] = 255
    for method in OPENCV_METHODS:
        filled = opencv_fill(spoiled, MASKS[:1], method)
        assert psnr_in_hole(filled, ramp, MASKS[:1])[0] > 25
        assert np.array_equal(filled[~MASKS[:1]], ramp[~MASKS[:1]])


def test_a_pasted_reference_has_the_photos_colours() -> None:
    ramp = np.tile(np.linspace(40, 200, 64).astype(np.uint8)[None, None, :, None], (1, 64, 1, 3))
    darker = (ramp * 0.5 + 10).astype(np.uint8)
    pasted = pasted_reference(ramp, MASKS[:1], darker)
    assert psnr_in_hole(pasted, ramp, MASKS[:1])[0] > 40
    assert np.array_equal(pasted[~MASKS[:1]], ramp[~MASKS[:1]])


def test_figures_with_controls_beside_them(
    checkpoint: Path, prepared: Path, identity_file: Path, tmp_path: Path
) -> None:
    identity = load_identity({"name": "synthetic", "weights": str(identity_file)})
    evaluation = evaluate(load_generator(checkpoint), evaluate_options(prepared), identity)
    json_path, page_path = write_report(evaluation, tmp_path)
    figures = json.loads(json_path.read_text())
    assert set(figures["conditions"]) == {
        "right reference", "wrong reference", "nearest wrong reference", "no reference", "pasted reference",
        figures["opencv"],
    }  # fmt: skip
    for values in figures["conditions"].values():
        assert set(values) == {
            "psnr_db",
            "ssim",
            "ciede2000",
            "ciede2000_p95",
            "st_lpips",
            "identity_to_truth",
            "identity_to_reference",
        }
        assert all(figure["low"] <= figure["value"] <= figure["high"] for figure in values.values())
    heading = figures["heading"]
    assert heading["frame"] == "none"
    assert heading["mask"] == {"name": "center", "size": HOLE}
    assert heading["hole_ratio"] == pytest.approx(HOLE**2 / SIZE**2, abs=1e-4)
    means = {name: values["psnr_db"]["value"] for name, values in figures["conditions"].items()}
    assert figures["db_above_opencv"] == pytest.approx(means["right reference"] - means[figures["opencv"]], abs=1e-3)
    shown = table(figures)
    assert f"mask center, size {HOLE}" in shown
    assert "right reference" in shown
    assert "skipped: identity by a judge, verification: needs recogniser=sface" in shown
    assert list(figures["buckets"]) == ["0-10%"]
    assert decode_image(tmp_path / "evaluation.png").shape[1] > 8 * 160
    assert '<img src="evaluation.png"' in page_path.read_text()
    rows = list(csv.DictReader((tmp_path / "evaluation.csv").open()))
    of_right = [float(row["psnr_db"]) for row in rows if row["condition"] == "right reference"]
    assert np.mean(of_right) == pytest.approx(means["right reference"], abs=1e-3)
    again = evaluate(load_generator(checkpoint), evaluate_options(prepared, batch_size=2), identity)
    for name, values in again.figures["conditions"].items():
        for figure, estimate in values.items():
            assert estimate == pytest.approx(figures["conditions"][name][figure], abs=2e-3)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 40])
def test_the_photos_to_look_at_are_named_once_each(checkpoint: Path, prepared: Path, most: int) -> None:
    evaluation = evaluate(load_generator(checkpoint), evaluate_options(prepared, photos=most), None)
    shown, counted = evaluation.figures["cases"], evaluation.figures["heading"]["photos"]
    names = {1: ["best"], 2: ["best", "worst"]}.get(counted, ["best", "median", "worst"])
    assert list(dict.fromkeys(shown.values())) == names
    of_right = {row["photo"]: row["psnr_db"] for row in evaluation.photos if row["condition"] == "right reference"}
    found = [of_right[photo] for photo in shown]
    assert found == sorted(found, reverse=True)
    assert (found[0], found[-1]) == (max(of_right.values()), min(of_right.values()))
    if counted == 1:
        assert "1 photo of 1 person, split test" in table(evaluation.figures)


def test_another_generator_on_the_same_photos(checkpoint: Path, prepared: Path) -> None:
    trained = load_generator(checkpoint)
    figures = evaluate(
        trained, evaluate_options(prepared), None, against=ComparedGenerator(load_generator(checkpoint))
    ).figures
    assert figures["heading"]["compared"]["run"] == trained.run
    same = figures["right_above"]["compared generator"]["psnr_db"]
    assert same == {"value": 0.0, "low": 0.0, "high": 0.0, "wins": 0.0}
    assert "nearest wrong reference" in figures["skipped"]
    other = load_generator(checkpoint)
    with torch.no_grad():
        brightness_of(other.generator).add_(3.0)  # white
    better = evaluate(trained, evaluate_options(prepared), None, against=ComparedGenerator(other)).figures[
        "right_above"
    ]["compared generator"]
    assert better["psnr_db"]["low"] > 0
    assert better["ssim"]["low"] > 0
    assert better["st_lpips"]["low"] > 0  # where less is better


def test_several_references(checkpoint: Path, prepared: Path) -> None:
    trained = load_generator(checkpoint)
    given: list[int] = []
    trained.generator.register_forward_pre_hook(lambda _, inputs: given.append(inputs[2].shape[1]))
    evaluation = evaluate(trained, evaluate_options(prepared, photos=2, references=2), None)
    assert set(given) == {2, 0}  # right and wrong ones; and none
    assert ", 2 references, mask" in table(evaluation.figures)
    trained.generator.only_references = 1
    with pytest.raises(TwoFaceError, match="takes 1 reference, not 2"):
        evaluate(trained, evaluate_options(prepared, references=2), None)
    with pytest.raises(TwoFaceError, match="references=0 is not a whole number from 1"):
        evaluate_options(prepared, references=0)
    with pytest.raises(TwoFaceError, match="photos=-1 is not a whole number from 0"):
        evaluate_options(prepared, photos=-1)


def _untrained_alexnet(path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(alexnet(weights=None).state_dict(), path)
    return path


def _untrained_inception(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(0)
    with monkeypatch.context() as patched:  # its constructor would load weights, from a file or the network
        patched.setattr(inceptionv3, "load_state_dict_from_url", lambda *_, **__: {})
        patched.setattr(inceptionv3.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = inceptionv3.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    torch.save(network.state_dict(), path)
    return path


@pytest.mark.slow
def test_lpips_fid_and_kid_where_their_weights_are_given(
    checkpoint: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alexnet_file = _untrained_alexnet(tmp_path / "alexnet.pth")
    inception_file = _untrained_inception(tmp_path / "inception.pth", monkeypatch)
    options = evaluate_options(prepared, photos=4, lpips=alexnet_file, inception=inception_file)
    evaluation = evaluate(load_generator(checkpoint), options, None)
    figures = evaluation.figures
    assert not {"LPIPS", "FID, KID"} & set(figures["skipped"])
    assert figures["conditions"]["right reference"]["lpips"]["value"] > 0
    assert set(figures["distribution"]) >= {"right reference", "wrong reference", "no reference", "pasted reference"}
    assert figures["distribution"]["right reference"]["fid"] > 0
    assert "1000 KID" in table(figures)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("lpips", "lpips=.* is not there; it is torchvision's"),
        ("inception", "inception=.* is not there; it is torch-fidelity's"),
        ("vgg", "vgg=.* is not there"),
    ],
)
def test_a_file_that_is_asked_for_and_cannot_be_used_is_refused_before_anything_is_measured(
    option: str, says: str, checkpoint: Path, prepared: Path, tmp_path: Path
) -> None:
    options = evaluate_options(prepared, photos=4, **{option: tmp_path / "none.pth"})
    with pytest.raises(TwoFaceError, match=says):
        evaluate(load_generator(checkpoint), options, None)


def test_fid_and_kid_are_least_for_the_photos_themselves() -> None:
    rng = np.random.default_rng(0)
    photos, like, unlike = (rng.normal(shift, 1, (40, 64)).astype(np.float32) for shift in (0, 0, 0.5))
    near, far = distances(like, photos), distances(unlike, photos)
    assert distances(photos, photos)["fid"] == pytest.approx(0, abs=0.1)
    assert near["fid"] < far["fid"]
    assert near["kid"] < far["kid"]
    assert distances(like, photos) == near
    with pytest.raises(TwoFaceError, match="need 4 photos"):
        distances(like[:3], photos[:3])


def test_another_mask_and_fewer_photos(checkpoint: Path, prepared: Path) -> None:
    options = evaluate_options(prepared, mask={"name": "random_box", "smallest": 10, "largest": 20}, photos=4)
    figures = evaluate(load_generator(checkpoint), options, None).figures
    assert figures["heading"]["photos"] == 4
    assert figures["heading"]["mask"]["name"] == "random_box"
    assert "mask random_box, smallest 10, largest 20" in table(figures)
    figures["heading"]["mask"] = {"name": "mixture", "parts": {"one": {"weight": 1, "mask": {"name": "center"}}}}
    assert "mask mixture, parts (one (weight 1, mask (center)))" in table(figures)
    assert "identity_to_truth" not in figures["conditions"]["right reference"]


def test_what_is_wrong_with_files_is_said_first_and_alone(twoface: Run, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    given = ("evaluate", f"checkpoint={checkpoint}", "identity=none")
    gone = twoface(*given, "root=nope", cwd=tmp_path)
    assert (gone.returncode, gone.stderr.count("\n")) == (1, 1), gone.stderr  # its frame is not blamed
    assert "no folder nope" in gone.stderr
    taken = twoface(*given, "root=nope", "output=file", cwd=tmp_path)
    assert taken.stderr == "twoface evaluate: output=file is a file; give a folder\n"


def test_a_split_that_is_not_there(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match="no folder"):
        evaluate(load_generator(checkpoint), evaluate_options(tmp_path), None)


def test_the_picture_holds_each_photo_where_it_belongs() -> None:
    picture = picture_grid({"one": PHOTOS, "other": 255 - PHOTOS}, side=64, rows=2)
    assert np.array_equal(picture[22:86, :64], PHOTOS[0])
    assert np.array_equal(picture[90:154, 68:132], 255 - PHOTOS[1])
    assert picture.shape[0] == 22 + 2 * 68


def test_watching_sees_each_new_checkpoint_once(checkpoint: Path, tmp_path: Path) -> None:
    watched = tmp_path / "last.ckpt"
    found = new_checkpoints(watched, patience=2, poll=0.05)
    watched.write_bytes(checkpoint.read_bytes()[:1000])  # being written
    threading.Timer(0.3, lambda: shutil.copy(checkpoint, watched)).start()
    first = next(found)
    shutil.copy(checkpoint, tmp_path / "new.ckpt")
    (tmp_path / "new.ckpt").replace(watched)
    assert next(found).batches == first.batches
    assert list(found) == []
    watched.write_bytes(b"broken")
    with pytest.raises(TwoFaceError, match=r"last\.ckpt"):
        next(new_checkpoints(watched, patience=0.2, poll=0.05))
