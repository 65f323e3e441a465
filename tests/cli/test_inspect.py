"""What an exported file says of itself, to people and to programs."""

import json
import shutil
from pathlib import Path

import onnx
import pytest
from conftest import Run
from model_parts import sealed

from twoface_pl.faces.detector import FILE as DETECTOR_FILE
from twoface_pl.model_file import REPAIR, SHIPPED
from twoface_pl.model_signature import DETECTOR_INPUTS, REPAIR_INPUTS
from twoface_pl.serving.versions import find_model


def test_all_that_a_consumer_needs_is_said(twoface: Run, tmp_path: Path) -> None:
    said = twoface("inspect", "--json", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    generator, repair = json.loads(said.stdout)
    assert (generator["kind"], repair["kind"]) == ("generator", "repair")
    assert {name: entry["type"] for name, entry in repair["inputs"].items()} == {
        name: value.type for name, value in REPAIR_INPUTS.items()
    }
    assert all(entry["means"] for entry in (*repair["inputs"].values(), *generator["outputs"].values()))
    assert repair["frame"] == generator["frame"] == {"name": "tight", "eye_distance": 33, "eye_line": 54}
    assert repair["whole"] is generator["whole"] is True
    assert "research use only" in repair["licence"]
    shown = twoface("inspect", find_model(SHIPPED, REPAIR)).stdout
    for text in ("repair (twoface-repair/1)", "whole", "255 = hole", "in the photo's pixels", "above OpenCV's"):
        assert text in shown
    assert "model.onnx" not in shown


def test_what_is_not_there_is_said_of_this_command(twoface: Run, tmp_path: Path) -> None:
    refused = twoface("inspect", "nope", cwd=tmp_path)
    assert refused.returncode == 1
    assert "no model at nope" in refused.stderr
    assert "give inspect a folder that holds model.onnx" in refused.stderr


def test_a_folder_and_the_detector(twoface: Run, tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / "models" / version).mkdir(parents=True)
        shutil.copy(SHIPPED, tmp_path / "models" / version)
    shutil.copy(DETECTOR_FILE, tmp_path / "models" / "2" / "detector.onnx")
    generator, detector = json.loads(twoface("inspect", "models", "--json", cwd=tmp_path).stdout)
    assert generator["file"] == "models/2/model.onnx"
    assert (detector["kind"], set(detector["inputs"])) == ("detector", set(DETECTOR_INPUTS))
    (tmp_path / "alone").mkdir()
    shutil.copy(find_model(SHIPPED, REPAIR), tmp_path / "alone" / "repair.onnx")
    (alone,) = json.loads(twoface("inspect", "alone", "--json", cwd=tmp_path).stdout)
    assert alone["kind"] == "repair"


@pytest.mark.parametrize("what", ["changed", "text", "other", "gone"])
def test_what_is_not_whole_or_not_ours(what: str, twoface: Run, tmp_path: Path) -> None:
    path = tmp_path / "it.onnx"
    if what == "text":
        path.write_text("hello")
    elif what == "other":
        onnx.save(sealed(onnx.load(DETECTOR_FILE), format="somebody else's"), path)
    elif what == "changed":
        content = bytearray(DETECTOR_FILE.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    said = twoface("inspect", path)
    assert said.returncode == 1
    text = {"changed": "CHANGED", "text": "not an ONNX file", "other": "not an exported file", "gone": "no model at"}
    assert text[what] in said.stdout + said.stderr
    assert "Traceback" not in said.stderr
