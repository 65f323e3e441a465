"""The judge of identity within an evaluation: what it needs, what it says, whom it compares with."""

import json
import shutil
from pathlib import Path

import onnx
import pytest
import torch
from conftest import HOLE, SIZE, TIGHT, brightness_of, evaluate_options

from twoface_pl.data.index import read_index
from twoface_pl.data.source import FolderSource
from twoface_pl.data.triples import TripleOptions, Triples
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation import verification
from twoface_pl.evaluation.conditions import make_plan
from twoface_pl.evaluation.evaluate import evaluate
from twoface_pl.evaluation.report import table
from twoface_pl.masks import CenterSquare
from twoface_pl.networks.checkpoint import load_generator


def test_a_judge_that_cannot_judge_is_skipped_by_name(checkpoint: Path, prepared: Path, model: Path) -> None:
    for weights, says in ((None, "no weights"), (str(model), "another model: its input is masked_image")):
        options = evaluate_options(prepared, photos=3, recogniser={"name": "sface", "weights": weights})
        skipped = evaluate(load_generator(checkpoint), options, None).figures["skipped"]
        assert says in skipped["identity by a judge, verification"]
    with pytest.raises(TwoFaceError, match="recogniser=arcface cannot judge"):
        evaluate_options(prepared, recogniser={"name": "arcface"})


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
    monkeypatch.setattr(verification, "FEWEST_PEOPLE", {0.01: 2, 0.001: 99})
    weights = _judge_file(tmp_path / "judge.onnx")
    options = evaluate_options(
        _aligned(prepared, tmp_path / "set"), recogniser={"name": "sface", "weights": str(weights)}
    )
    trained = load_generator(checkpoint)
    with torch.no_grad():
        brightness_of(trained.generator).add_(3.0)  # white: nobody any more
    figures = evaluate(trained, options, None).figures
    verified = figures["verification"]["sface, 1.0% false accepts"]
    found = verified["conditions"]
    assert found["untouched"]["of_untouched"]["value"] == 1
    assert verified["photos"] == figures["heading"]["photos"]
    white, opencv = (figures["conditions"][name] for name in ("right reference", figures["opencv"]))
    assert white["judge_to_truth"]["value"] < opencv["judge_to_truth"]["value"] < 1
    shown = table(figures)
    assert "verification by sface, 1.0% false accepts on untouched photos" in shown
    assert "skipped: verification by sface, 0.1% false accepts: " in shown
    assert "0.1% false accepts need at least 99" in shown


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
