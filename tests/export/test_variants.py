"""Variants of an exported generator: what is in them, that they run as it does, and what they cost."""

import csv
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import HOLE, SIZE, Run

from twoface_pl.errors import TwoFaceError
from twoface_pl.export import price as module
from twoface_pl.export.half import store_half, widen
from twoface_pl.export.price import Price, Pricer, calibration, write_variants
from twoface_pl.export.read import load_exported
from twoface_pl.export.variants import check_variants, write_variant
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.model_file import FILES, GENERATOR, REPAIR, read_model
from twoface_pl.networks.checkpoint import TrainedGenerator, load_generator
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.inpaint import inpaint
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model


@pytest.fixture(scope="module")
def trained(checkpoint: Path) -> TrainedGenerator:
    return load_generator(checkpoint)


@pytest.fixture(scope="module")
def version(model: Path, prepared: Path, trained: TrainedGenerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported version with both variants; of a network that has hardly learnt, any loss is chance."""
    folder = tmp_path_factory.mktemp("variants") / "1"
    shutil.copytree(model.parent, folder)
    samples = calibration(prepared, trained)
    assert len(samples) > 20
    write_variants(folder, ["int8", "fp16"], samples, Pricer(prepared, trained, 4, None), force=True)
    return folder


def _rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / module.TABLE).open()))


def test_the_table_says_what_each_costs(version: Path) -> None:
    rows = {row["variant"]: {name: value for name, value in row.items() if name != "variant"} for row in _rows(version)}
    assert list(rows) == ["as exported", "fp16", "int8"]
    origin, fp16, int8 = ({name: float(value or "nan") for name, value in row.items()} for row in rows.values())
    for row in (origin, fp16, int8):
        assert np.isfinite([row[name] for name in ("ms_batch_1", "ms_batch_8", "psnr_db", "st_lpips")]).all()
        assert np.isnan(row["sface_to_truth"])  # no recogniser was given
    assert origin["mean_difference"] == origin["largest_difference"] == 0
    assert 0 < fp16["mean_difference"] < int8["mean_difference"] < 8
    assert fp16["largest_difference"] < int8["largest_difference"] < 60
    for name in ("fp16", "int8"):
        size = (version / name / FILES[GENERATOR]).stat().st_size
        assert size / 1e6 == pytest.approx(float(rows[name]["megabytes"]), abs=0.01)
        assert size < (version / FILES[GENERATOR]).stat().st_size


@pytest.mark.parametrize("name", ["fp16", "int8"])
def test_variants_fill_as_the_generator_does(name: str, version: Path) -> None:
    ours, theirs = (FillSession(find_model(folder), "cpu") for folder in (version / name, version))
    photo, reference = (synthetic_photo(1, number, SIZE).astype(np.float32)[None] / 255 for number in (0, 1))
    mask = ours.default_mask[None]
    assert mask.sum() == HOLE**2
    off = 255 * np.abs(ours.fill(photo, mask, reference) - theirs.fill(photo, mask, reference))
    assert 0 < off[mask].mean() < 8
    assert off[~mask].max() == 0
    pictures = synthetic_photo(1, 0, 150), synthetic_photo(1, 1, 170)
    repaired = [inpaint(RepairSession(find_model(at, REPAIR), "cpu"), *pictures) for at in (version / name, version)]
    changed = (repaired[1] != pictures[0]).any(axis=2)
    assert np.abs(repaired[0].astype(int) - repaired[1])[changed].mean() < 8
    hole = (repaired[0] != pictures[0]).any(axis=2) | changed
    assert hole.mean() < 0.1


def test_what_is_in_int8_and_what_stays_in_float(version: Path) -> None:
    model = onnx.load(version / "int8" / FILES[GENERATOR])
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    made = {output: node for node in model.graph.node for output in node.output}
    whole = [
        made[node.input[1]].op_type == "DequantizeLinear" if node.input[1] in made else False
        for node in model.graph.node
        if node.op_type == "Conv" and "generator." in node.input[1]
    ]
    assert len(whole) > 4
    assert whole[:-2] == [True] * (len(whole) - 2)
    assert whole[-2:] == [False, False]  # they write the pixels
    weights = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    assert max(np.abs(onnx.numpy_helper.to_array(each).astype(int)).max() for each in weights if each.dims) <= 64
    assert onnx.TensorProto.FLOAT in kinds.values()
    assert read_model(version / "int8" / FILES[GENERATOR]).metadata["stored"] == "int8"


def test_a_training_starts_from_fp16_and_not_from_int8(version: Path, trained: TrainedGenerator) -> None:
    found = load_exported(version / "fp16" / FILES[GENERATOR]).generator.state_dict()
    for name, weight in trained.generator.state_dict().items():
        assert np.allclose(found[name], weight, rtol=1e-3, atol=1e-4), name
    with pytest.raises(TwoFaceError, match="stored in int8, which no training can start from"):
        load_exported(version / "int8" / FILES[GENERATOR])


def test_one_that_loses_too_much_is_not_written(
    model: Path, prepared: Path, trained: TrainedGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "1"
    shutil.copytree(model.parent, folder)
    before = sorted(folder.rglob("*"))
    monkeypatch.setattr(module, "MOST_LOST", {"psnr_db": -1.0})  # even what is the same loses more
    with pytest.raises(TwoFaceError, match=r"fp16 loses too much: psnr_db .* \(at most -1.0\).*force=true writes it"):
        write_variants(folder, ["fp16"], [], Pricer(prepared, trained, 2, None), force=False)
    assert sorted(folder.rglob("*")) == before


def test_what_is_lost_is_what_is_worse() -> None:
    origin = Price("as exported", 2, 1, 1, 0, 0, 20.0, 0.1, 0.9)
    worse = Price("int8", 1, 1, 1, 1, 1, 19.5, 0.15, 0.85)
    assert worse.lost(origin) == pytest.approx({"psnr_db": 0.5, "st_lpips": 0.05, "sface_to_truth": 0.05})
    assert Price("int8", 1, 1, 1, 1, 1, 19.5, None, None).lost(origin) == {"psnr_db": 0.5}


def test_half_precision_is_undone(model: Path) -> None:
    graph = onnx.load(model)
    nodes = [node.op_type for node in graph.graph.node]
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    for tensor in graph.graph.initializer:  # of values that it can hold
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values[tensor.name] = values[tensor.name].astype(np.float16).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values[tensor.name], tensor.name))
    store_half(graph)
    assert any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in graph.graph.initializer)
    widen(graph)
    assert [node.op_type for node in graph.graph.node] == nodes
    onnx.checker.check_model(graph)
    assert all(
        np.array_equal(onnx.numpy_helper.to_array(tensor), values[tensor.name], equal_nan=True)
        for tensor in graph.graph.initializer
    )


def test_wrong_wishes_are_sentences(model: Path, twoface: Run, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match="variants=int4: there are fp16 and int8"):
        check_variants(["fp16", "int4"], half=False)
    with pytest.raises(TwoFaceError, match="half=true stores the model itself in half precision"):
        check_variants(["fp16"], half=True)
    with pytest.raises(TwoFaceError, match="int8 needs training triples"):
        write_variant("int8", model, [], tmp_path)
    done = twoface("export", f"checkpoint={checkpoint}", "variants=[int8]", "output=models", cwd=tmp_path)
    assert done.returncode == 1
    assert "data/prepared" in done.stderr  # before the long export
    assert not list(tmp_path.iterdir())
