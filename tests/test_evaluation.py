"""Metrics against known values; the evaluation and its report."""

import csv
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import HOLE, SIZE, TIGHT, brightness_of
from torch_fidelity import feature_extractor_inceptionv3 as inceptionv3
from torchvision.models import alexnet

from twoface_pl.data.index import read_index
from twoface_pl.data.source import FolderSource
from twoface_pl.data.triples import TripleOptions, Triples
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation import verification
from twoface_pl.evaluation.conditions import make_plan
from twoface_pl.evaluation.controls import OPENCV_METHODS, opencv_fill, pasted_reference
from twoface_pl.evaluation.distribution import distances
from twoface_pl.evaluation.evaluate import evaluate
from twoface_pl.evaluation.evaluator import EvaluateOptions
from twoface_pl.evaluation.metrics import psnr_in_hole, ssim_in_hole
from twoface_pl.evaluation.picture import picture_grid
from twoface_pl.evaluation.report import table, write_report
from twoface_pl.evaluation.watch import new_checkpoints
from twoface_pl.faces.image import decode_image
from twoface_pl.masks import CenterSquare
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


def _options(root: Path, **changes) -> EvaluateOptions:
    options = {"split": "test", "mask": None, "batch_size": 3, "photos": 0, "seed": 0, "device": "cpu"}
    return EvaluateOptions(root, **{**options, **changes})


def test_figures_with_controls_beside_them(
    checkpoint: Path, prepared: Path, identity_file: Path, tmp_path: Path
) -> None:
    identity = load_identity({"name": "synthetic", "weights": str(identity_file)})
    evaluation = evaluate(load_generator(checkpoint), _options(prepared), identity)
    json_path, page_path = write_report(evaluation, tmp_path)
    figures = json.loads(json_path.read_text())
    assert set(figures["conditions"]) == {
        "right reference", "wrong reference", "nearest wrong reference", "no reference", "pasted reference",
        figures["opencv"],
    }  # fmt: skip
    for values in figures["conditions"].values():
        assert set(values) == {"psnr_db", "ssim", "st_lpips", "identity_to_truth", "identity_to_reference"}
        assert all(figure["low"] <= figure["value"] <= figure["high"] for figure in values.values())
    heading = figures["heading"]
    assert heading["frame"] == "none"
    assert heading["mask"] == {"name": "center", "size": HOLE}
    assert heading["hole_ratio"] == pytest.approx(HOLE**2 / SIZE**2, abs=1e-4)
    means = {name: values["psnr_db"]["value"] for name, values in figures["conditions"].items()}
    assert figures["db_above_opencv"] == pytest.approx(means["right reference"] - means[figures["opencv"]], abs=1e-3)
    shown = table(figures)
    assert "right reference" in shown
    assert "skipped: identity by a judge, verification: needs recogniser=sface" in shown
    assert list(figures["buckets"]) == ["0-10%"]
    assert decode_image(tmp_path / "evaluation.png").shape[1] > 8 * 160
    assert '<img src="evaluation.png"' in page_path.read_text()
    rows = list(csv.DictReader((tmp_path / "evaluation.csv").open()))
    of_right = [float(row["psnr_db"]) for row in rows if row["condition"] == "right reference"]
    assert np.mean(of_right) == pytest.approx(means["right reference"], abs=1e-3)
    again = evaluate(load_generator(checkpoint), _options(prepared, batch_size=2), identity)
    for name, values in again.figures["conditions"].items():
        for figure, estimate in values.items():
            assert estimate == pytest.approx(figures["conditions"][name][figure], abs=2e-3)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 40])
def test_the_photos_to_look_at_are_named_once_each(checkpoint: Path, prepared: Path, most: int) -> None:
    evaluation = evaluate(load_generator(checkpoint), _options(prepared, photos=most), None)
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
    figures = evaluate(trained, _options(prepared), None, against=load_generator(checkpoint)).figures
    assert figures["heading"]["compared"]["run"] == trained.run
    same = figures["right_above"]["compared generator"]["psnr_db"]
    assert same == {"value": 0.0, "low": 0.0, "high": 0.0, "wins": 0.0}
    assert "nearest wrong reference" in figures["skipped"]
    other = load_generator(checkpoint)
    with torch.no_grad():
        brightness_of(other.generator).add_(3.0)  # white
    better = evaluate(trained, _options(prepared), None, against=other).figures["right_above"]["compared generator"]
    assert better["psnr_db"]["low"] > 0
    assert better["ssim"]["low"] > 0
    assert better["st_lpips"]["low"] > 0  # where less is better


def test_several_references(checkpoint: Path, prepared: Path) -> None:
    trained = load_generator(checkpoint)
    given: list[int] = []
    trained.generator.register_forward_pre_hook(lambda _, inputs: given.append(inputs[2].shape[1]))
    evaluation = evaluate(trained, _options(prepared, photos=2, references=2), None)
    assert set(given) == {2, 0}  # right and wrong ones; and none
    assert ", 2 references, mask" in table(evaluation.figures)
    trained.generator.only_references = 1
    with pytest.raises(TwoFaceError, match="takes 1 reference, not 2"):
        evaluate(trained, _options(prepared, references=2), None)
    with pytest.raises(TwoFaceError, match="references=0 is not above 0"):
        _options(prepared, references=0)
    with pytest.raises(TwoFaceError, match="photos=-1 is below 0"):
        _options(prepared, photos=-1)


def test_a_judge_that_cannot_judge_is_skipped_by_name(checkpoint: Path, prepared: Path, model: Path) -> None:
    for weights, says in ((None, "no weights"), (str(model), "another model: its input is masked_image")):
        options = _options(prepared, photos=3, recogniser={"name": "sface", "weights": weights})
        skipped = evaluate(load_generator(checkpoint), options, None).figures["skipped"]
        assert says in skipped["identity by a judge, verification"]
    with pytest.raises(TwoFaceError, match="recogniser=arcface cannot judge"):
        _options(prepared, recogniser={"name": "arcface"})


def _aligned(prepared: Path, root: Path) -> Path:
    """The data set, said to be in a frame: it tells where the faces are."""
    shutil.copytree(prepared, root)
    about = json.loads((root / "dataset.json").read_text())
    (root / "dataset.json").write_text(json.dumps({**about, "frame": TIGHT.options()}))
    return root


def _judge_file(path: Path) -> Path:
    """A recogniser of SFace's form, whose embedding is the face in four by four cells."""
    nodes = [
        onnx.helper.make_node("AveragePool", ["face"], ["cells"], kernel_shape=[28, 28], strides=[28, 28]),
        onnx.helper.make_node("Flatten", ["cells"], ["embedding"]),
    ]
    face = onnx.helper.make_tensor_value_info("face", onnx.TensorProto.FLOAT, ["n", 3, 112, 112])
    embedding = onnx.helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["n", 48])
    graph = onnx.helper.make_graph(nodes, "judge", [face], [embedding])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_a_judge_verifies_each_condition(
    checkpoint: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "FEWEST_PEOPLE", 2)
    weights = _judge_file(tmp_path / "judge.onnx")
    options = _options(_aligned(prepared, tmp_path / "set"), recogniser={"name": "sface", "weights": str(weights)})
    trained = load_generator(checkpoint)
    with torch.no_grad():
        brightness_of(trained.generator).add_(3.0)  # white: nobody any more
    figures = evaluate(trained, options, None).figures
    found = figures["verification"]["conditions"]
    assert found["untouched"]["of_untouched"]["value"] == 1
    assert figures["verification"]["photos"] == figures["heading"]["photos"]
    white, opencv = (figures["conditions"][name] for name in ("right reference", figures["opencv"]))
    assert white["judge_to_truth"]["value"] < opencv["judge_to_truth"]["value"] < 1
    assert "false accepts on" in table(figures)


def test_a_gallery_photo_is_not_of_the_references_moment(prepared: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(prepared, root)
    before = read_index(FolderSource(root), "test")
    person = sorted(before.references)[0]
    target, used, alike, other = sorted(before.references[person])
    for form in ([], [f"{person}/{used}:{alike}", f"{person}/{alike}:{used}"]):
        (root / "test" / "near-duplicates.txt").write_text("".join(f"{line}\n" for line in form))
        triples = Triples(
            FolderSource(root), "test", CenterSquare(HOLE), TripleOptions(SIZE, 0, training=False, references=1)
        )
        galleries = dict(zip(triples.targets, make_plan(triples, None, torch.device("cpu")).galleries, strict=True))
        assert galleries[f"{person}/{target}"] == (other if form else alike)


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


def test_lpips_fid_and_kid_where_their_weights_are_given(
    checkpoint: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alexnet_file = _untrained_alexnet(tmp_path / "alexnet.pth")
    inception_file = _untrained_inception(tmp_path / "inception.pth", monkeypatch)
    options = _options(prepared, photos=4, lpips=alexnet_file, inception=inception_file)
    evaluation = evaluate(load_generator(checkpoint), options, None)
    figures = evaluation.figures
    assert not {"LPIPS", "FID, KID"} & set(figures["skipped"])
    assert figures["conditions"]["right reference"]["lpips"]["value"] > 0
    assert set(figures["distribution"]) >= {"right reference", "wrong reference", "no reference", "pasted reference"}
    assert figures["distribution"]["right reference"]["fid"] > 0
    assert "1000 KID" in table(figures)
    # Weights of another network, and none: skipped by name.
    for wrong in (alexnet_file, tmp_path / "none.pth"):
        options = _options(prepared, photos=4, lpips=inception_file, inception=wrong)
        skipped = evaluate(load_generator(checkpoint), options, None).figures["skipped"]
        assert "does not hold AlexNet's weights" in skipped["LPIPS"]
        assert "torch-fidelity's" in skipped["FID, KID"]
        assert str(wrong) in skipped["FID, KID"]


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
