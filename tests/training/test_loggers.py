"""Figures and pictures of a training, as each logger's own reader finds them."""

import time
from pathlib import Path

import pytest
from conftest import ROOT, tiny_data, tiny_module, tiny_options

from twoface_pl.errors import TwoFaceError
from twoface_pl.training import loggers
from twoface_pl.training.train import train

FIGURES = {
    "validation/psnr_in_hole", "generator/total", "generator/gradient_norm", "generator/rate",
    "discriminator/gradient_norm", "discriminator/rate", "data/broken_photos",
    "speed/images_a_second", "speed/waiting", "memory/process_gb",
}  # fmt: skip


def test_tensorboard_has_figures_and_pictures(prepared: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path, logger="tensorboard"))
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert set(read.Tags()["scalars"]) >= FIGURES
    assert [event.step for event in read.Images("validation")] == [2, 4]
    assert [event.step for event in read.Scalars("generator/gradient_norm")] == [1, 2, 3, 4]


def test_mlflow_has_figures_and_pictures(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed: make runtimes")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path / "run", logger="mlflow"))
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/run/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name(loggers.PROJECT).experiment_id])
    assert run.info.run_name == "run"
    assert set(run.data.metrics) >= FIGURES
    assert "generator/name" in run.data.params
    assert len(list((tmp_path / "run" / "mlflow").rglob("*.png"))) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_wandb_has_figures_and_pictures(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="Weights & Biases is not installed: make runtimes")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_SILENT", "true")
    train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path / "run", logger="wandb"))
    wandb.finish()
    (file,) = (tmp_path / "run").rglob("*.wandb")
    end, missing = time.monotonic() + 60, FIGURES
    while missing and time.monotonic() < end:  # its service writes on while it ends
        missing = {name for name in missing if name.encode() not in file.read_bytes()}
        time.sleep(0.1)
    assert not missing
    assert len(list((tmp_path / "run").rglob("media/images/*.png"))) == 2


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_logger_whose_package_is_missing_says_which(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(loggers, {"mlflow": "MLFlowLogger", "wandb": "WandbLogger"}[name], missing)
    with pytest.raises(TwoFaceError, match=rf"logger={name} needs its package: pip install 'twoface-pl\[{name}\]'"):
        loggers.build_logger(name, tmp_path)
    assert f"\n{name} = [" in (ROOT / "pyproject.toml").read_text()
