"""The exported files in other runtimes: the programs of docs/runtimes.md as they stand, and Triton's configuration."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from conftest import ROOT, SIZE, Run
from drawn_faces import CLEAR, drawn

from twoface_pl.export.triton import TYPES, triton_config
from twoface_pl.faces.detector import FILE as DETECTOR_FILE
from twoface_pl.faces.finder import FaceFinder, Sought
from twoface_pl.faces.hole import as_levels
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.model_file import DETECTOR, FILES, GENERATOR, REPAIR, SHIPPED, read_model
from twoface_pl.model_signature import Values, signature
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.target import find_hole
from twoface_pl.serving.versions import find_model

DOCS = ROOT / "docs" / "runtimes.md"
NODE = ROOT / "tests" / "node"
WITH_NODE = shutil.which("node") is not None and (NODE / "node_modules" / "onnxruntime-node").is_dir()
WITH_OPENVINO = importlib.util.find_spec("openvino") is not None


def _program(language: str) -> str:
    """The docs' program in a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def repaired(twoface: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a photo, a reference, and what the command line makes of them, with the mask it took."""
    folder = tmp_path_factory.mktemp("runtimes")
    version = folder / "models" / "two_face_model" / "1"
    version.mkdir(parents=True)
    for kind in (GENERATOR, REPAIR):
        shutil.copy(find_model(SHIPPED, kind), version)
    shutil.copy(DETECTOR_FILE, version / FILES[DETECTOR])
    photo = drawn(CLEAR[0])
    reference = (0.7 * cv2.resize(photo, None, fx=1.3, fy=1.3)).astype(np.uint8)  # in another light: else it is a copy
    write_image(folder / "photo.png", photo)
    write_image(folder / "reference.png", reference)
    session = RepairSession(version / FILES[REPAIR], "cpu")
    frame = session.frame.place(FaceFinder().find(Sought(photo)))
    hole = find_hole(session, frame, None, *photo.shape[:2])
    write_image(folder / "mask.png", np.repeat(as_levels(hole)[..., None], 3, axis=2))
    done = twoface(
        "inpaint", "--image", "photo.png", "--reference", "reference.png", "--output", "filled.png",
        "--model", "models/two_face_model", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def _check(folder: Path, command: list[str]) -> None:
    environment = {**os.environ, "OPENVINO_TELEMETRY": "0"}
    done = subprocess.run(
        [*command, "photo.png", "mask.png", "reference.png", "theirs.png"],
        cwd=folder, capture_output=True, text=True, timeout=200, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    photo, ours, theirs, mask = (
        decode_image(folder / f"{name}.png").astype(int) for name in ("photo", "filled", "theirs", "mask")
    )
    assert (ours != photo).any(axis=2).sum() > 0.8 * (mask > 0).any(axis=2).sum()
    assert np.array_equal(theirs[mask == 0], photo[mask == 0])
    assert np.abs(theirs - ours).max() <= 1


@pytest.mark.skipif(not WITH_OPENVINO, reason="no openvino here: make runtimes")
def test_openvino_repairs_as_the_command_line_does(repaired: Path) -> None:
    (repaired / "repair.py").write_text(_program("python"))
    _check(repaired, [sys.executable, "repair.py"])


@pytest.mark.skipif(not WITH_NODE, reason="no node with onnxruntime-node here: make runtimes")
def test_node_repairs_as_the_command_line_does(repaired: Path) -> None:
    (repaired / "repair.mjs").write_text(_program("js"))
    if not (repaired / "node_modules").exists():
        (repaired / "node_modules").symlink_to(NODE / "node_modules")
    _check(repaired, ["node", "repair.mjs"])


@pytest.mark.parametrize("language", ["python", "js"])
def test_the_programs_are_short(language: str) -> None:
    lines = [line for line in _program(language).splitlines() if line.strip()]
    assert len(lines) < 32


def _of_graph(entries: object, batched: bool) -> Values:
    found = {}
    for entry in entries:  # type: ignore[attr-defined]
        kind = onnx.helper.tensor_dtype_to_np_dtype(entry.type.tensor_type.elem_type).name
        sides = [side.dim_value or -1 for side in entry.type.tensor_type.shape.dim]
        found[entry.name] = (TYPES[kind], sides[1:] if batched else sides)
    return found  # type: ignore[return-value]


def _of_config(text: str, what: str) -> dict[str, tuple[str, list[int]]]:
    (part,) = re.findall(rf"^{what} \[\n(.*?)\n\]", text, re.DOTALL | re.MULTILINE)
    entries = re.findall(r'\{ name: "(\w+)" data_type: (\w+) dims: \[ ?([-\d, ]*) ?\] \}', part)
    return {name: (kind, [int(side) for side in dims.split(",") if side.strip()]) for name, kind, dims in entries}


@pytest.mark.parametrize("kind", [GENERATOR, REPAIR])
def test_tritons_configuration_is_the_graphs(kind: str) -> None:
    path = find_model(SHIPPED, kind)
    graph = onnx.load(path).graph
    config = triton_config(f"two_face_{kind}", kind, signature(kind, read_model(path, kind).facts))
    for what, entries in (("input", graph.input), ("output", graph.output)):
        assert _of_config(config, what) == _of_graph(entries, kind == GENERATOR)
    assert ("dynamic_batching" in config) == (kind == GENERATOR)
    if kind == REPAIR:
        assert config == _program("protobuf")


def test_an_export_has_its_configuration_and_all_files(model: Path) -> None:
    assert {path.name for path in model.parent.iterdir()} == set(FILES.values())
    assert (model.parent / FILES[DETECTOR]).read_bytes() == DETECTOR_FILE.read_bytes()
    config = (model.parent.parent / "config.pbtxt").read_text()
    assert config == triton_config("two_face_model", GENERATOR, signature(GENERATOR, read_model(model).facts))
    assert read_model(model).facts.image_size == SIZE
