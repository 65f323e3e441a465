"""The models that come with the package, by name."""

import argparse
import shutil
from pathlib import Path

import pytest

from twoface_pl import model_file
from twoface_pl.cli.inpaint_options import add_model
from twoface_pl.cli.trained import load_trained
from twoface_pl.model_file import packaged


def test_models_that_lie_beside_the_packages_own_have_their_folders_names(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("model.onnx", "large/model.onnx", "notes/model.txt"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        shutil.copy(model, tmp_path / place)
    monkeypatch.setattr(model_file, "SHIPPED", tmp_path / "model.onnx")
    assert packaged() == {"shipped": tmp_path / "model.onnx", "large": tmp_path / "large" / "model.onnx"}
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_model(parser)
    assert parser.parse_args([]).model == tmp_path / "model.onnx"
    assert parser.parse_args(["--model", "large"]).model == tmp_path / "large" / "model.onnx"
    assert "versions, or of the package: shipped or large (shipped)" in " ".join(parser.format_help().split())
    with pytest.raises(argparse.ArgumentError, match="no model larg; did you mean large, of the package"):
        parser.parse_args(["--model", "larg"])
    assert load_trained("large").image_size == 64
