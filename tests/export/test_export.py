"""The exported file is self-contained, says what it is, and is checked against torch."""

import dataclasses
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import HOLE, SIZE, brightness_of
from model_parts import sealed

import twoface_pl
from twoface_pl.cli.export import run as run_export
from twoface_pl.errors import TwoFaceError
from twoface_pl.export.export import (
    PARITY_BATCHES,
    PARITY_REFERENCES,
    _metadata,
    check_parity,
    export,
    next_version,
)
from twoface_pl.export.graph import ExportGraph, OneSizeGraph, export_graph
from twoface_pl.faces.frame import FrameKind
from twoface_pl.model_file import FORMATS, GENERATOR, read_facts
from twoface_pl.networks.build import build_generator
from twoface_pl.networks.checkpoint import TrainedGenerator, load_generator
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.versions import find_model


def test_one_file_with_metadata_and_a_dynamic_batch(model: Path) -> None:
    assert model.parent.name == "1"
    graph = onnx.load(model)
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    assert metadata["format"] == FORMATS[GENERATOR]
    assert metadata["image_size"] == str(SIZE)
    assert json.loads(metadata["frame"]) == {"name": "none"}
    assert metadata["mask_polarity"] == "1 = hole"
    assert json.loads(metadata["default_mask"]) == {"name": "center", "size": HOLE}
    assert json.loads(metadata["architecture"])["name"] == "ours"
    assert metadata["run"] == "tests"
    assert metadata["version"]
    assert not any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.graph.initializer)
    shapes = {
        entry.name: [dim.dim_param or dim.dim_value for dim in entry.type.tensor_type.shape.dim]
        for entry in (*graph.graph.input, *graph.graph.output)
    }
    *of_any_size, at_image_size = shapes
    assert of_any_size == ["masked_image", "mask", "reference_images", "filled_image"]
    assert at_image_size == "filled_at_image_size"
    assert {str(shape[0]) for shape in shapes.values()} == {"batch"}
    assert [side for side in shapes["mask"][1:] if isinstance(side, int)] == [1]
    assert shapes[at_image_size][1:] == [SIZE, SIZE, 3]


def test_a_file_says_nothing_of_the_machine_that_made_it(model: Path) -> None:
    content = model.read_bytes()
    assert b"stack_trace" not in content
    for path in (Path(twoface_pl.__file__).parent, Path(torch.__file__).parent, Path.home()):
        assert str(path).encode() not in content, path


def test_onnxruntime_fills_as_torch_does(model: Path, checkpoint: Path) -> None:
    trained = load_generator(checkpoint)
    session = FillSession(model, "cpu")
    graph = export_graph(trained.generator, SIZE)
    rng = np.random.default_rng(0)
    for batch, references, size in itertools.product(PARITY_BATCHES, PARITY_REFERENCES, (SIZE, SIZE + 8, 5 * SIZE)):
        if size > 2 * SIZE and batch * references > 2:
            continue  # takes long
        image = rng.random((batch, size, size, 3), np.float32)
        reference = rng.random((batch, references, size, size, 3), np.float32)
        masks = np.zeros((batch, size, size), bool)
        masks[:, 5:30, 9:50] = True  # not the default one
        found = session.fill(image, masks, reference)
        hole = torch.from_numpy(masks).float()[..., None]
        with torch.inference_mode():
            expected, _ = graph(torch.from_numpy(image), hole, torch.from_numpy(reference))
        assert np.abs(found - expected.numpy()).max() < 1e-3
        assert np.array_equal(found[~masks], image[~masks])


def _broken(trained: TrainedGenerator) -> ExportGraph:
    """The same generator with one weight broken."""
    generator = build_generator(trained.options)
    generator.load_state_dict(trained.generator.state_dict())
    with torch.no_grad():
        brightness_of(generator)[0] += 1.0
    return export_graph(generator.eval().requires_grad_(False), trained.image_size)


def test_one_broken_weight_fails_the_check(model: Path, checkpoint: Path) -> None:
    trained = load_generator(checkpoint)
    assert max(check_parity(model, export_graph(trained.generator, trained.image_size), trained).values()) < 1e-3
    with pytest.raises(TwoFaceError, match=r"differs from torch by .* at batch 1"):
        check_parity(model, _broken(trained), trained)


def test_a_failed_check_leaves_no_file(
    checkpoint: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import twoface_pl.export.export as module

    # The file is there already; to trace it once more would take half a minute.
    monkeypatch.setattr(module, "_write_graph", lambda graph, trained, path, *_: shutil.copyfile(model, path))
    real = module.check_parity
    monkeypatch.setattr(module, "check_parity", lambda path, graph, trained: real(path, _broken(trained), trained))
    with pytest.raises(TwoFaceError, match="nothing was written"):
        export(load_generator(checkpoint), tmp_path / "models")
    assert not list(tmp_path.iterdir())


def test_versions_count_up_and_the_newest_is_served(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "two_face_model"
    assert next_version(folder) == folder / "1"
    for version in ("1", "2", "10", "notes", "²", "\u0661\u0661"):
        (folder / version).mkdir(parents=True)
        shutil.copy(model, folder / version)
    assert next_version(folder).name == "11"
    assert find_model(folder).parent.name == "10"
    with pytest.raises(TwoFaceError, match="no model at"):
        find_model(tmp_path / "nowhere")


@pytest.mark.parametrize("output", ["it.onnx", "file"])
def test_the_output_is_a_folder(output: str, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(TwoFaceError, match="give a folder, it gets the next numbered version"):
        export(load_generator(checkpoint), tmp_path / output)
    assert (tmp_path / "file").read_text() == "kept"


def test_seed_exports_and_refuses_other_holes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"name": "seed", "vgg_weights": "random"}
    generator = build_generator(options).eval().requires_grad_(False)
    trained = TrainedGenerator(generator, options, 128, FrameKind("none"), {"name": "center", "size": 32}, "tests", 0)
    result = export(trained, tmp_path / "seed")
    assert max(result.parity.values()) <= 1e-3
    session = FillSession(result.path, "cpu")
    session.check_mask(session.default_mask)
    pictures = np.zeros((1, 128, 128, 3), np.float32)
    with pytest.raises(TwoFaceError, match="2 references; this model takes 1"):
        session.fill(pictures, session.default_mask[None], np.zeros((1, 2, 128, 128, 3), np.float32))
    with pytest.raises(TwoFaceError, match="generator 'seed' fills only its default mask"):
        session.check_mask(np.roll(session.default_mask, 1, axis=0))


def test_wrong_onnx_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(TwoFaceError, match=r"text\.onnx: not an ONNX file"):
        FillSession(tmp_path / "text.onnx", "cpu")
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    info = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", info[:1], info[1:])
    other = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(TwoFaceError, match=r"other\.onnx: not a Two-Face generator"):
        FillSession(tmp_path / "other.onnx", "cpu")


def test_a_model_trained_with_mask_files_exports_where_they_are_not(checkpoint: Path) -> None:
    """Its metadata is all that would need them."""
    trained = dataclasses.replace(load_generator(checkpoint), mask={"name": "files", "folder": "gone"})
    facts = read_facts(_metadata(trained, export_graph(trained.generator, trained.image_size), False, ()), "it")
    assert facts.mask == trained.mask
    assert facts.default_mask == {"name": "center", "size": trained.image_size // 4}


def test_a_file_exported_anew_keeps_its_figures(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import twoface_pl.export.export as module

    monkeypatch.setattr(module, "trace", lambda *_: onnx.load(model))  # to trace it once more would take a minute
    figures = [{"split": "test", "db_above_opencv": 1.5}]
    first = tmp_path / "first.onnx"
    onnx.save(sealed(onnx.load(model), figures=json.dumps(figures)), first)
    monkeypatch.setattr(module, "write_repair", lambda generator, path: None)
    run_export(
        {
            "checkpoint": str(first),
            "output": str(tmp_path / "again"),
            "half": False,
            "figures": [],
            "licence": "",
            "variants": [],
        },
        tmp_path,
    )
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "again" / "1" / "model.onnx").metadata_props}
    assert json.loads(metadata["figures"]) == figures


def test_a_generator_of_the_largest_size_fills_at_that_alone(checkpoint: Path) -> None:
    generator = load_generator(checkpoint).generator
    assert export_graph(generator, SIZE).outputs == ("filled_image", "filled_at_image_size")
    assert isinstance(export_graph(generator, 2048), OneSizeGraph)
