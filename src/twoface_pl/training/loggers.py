"""Where a training's figures and pictures go."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from twoface_pl.errors import TwoFaceError

LOGGERS = ("tensorboard", "csv", "mlflow", "wandb", "none")
PROJECT = "two-face"
PICTURES = "validation"


def build_logger(name: str, folder: Path) -> Logger | None:
    """A logger for a run, in its folder where the logger's own environment says nothing else.

    Args:
        name: one of :data:`LOGGERS`. ``mlflow`` goes to ``MLFLOW_TRACKING_URI``; ``wandb`` is offline unless
            ``WANDB_MODE=online``.
        folder: of the run.

    Raises:
        TwoFaceError: its package is not installed.
    """
    try:
        if name == "mlflow":
            return _mlflow(folder)
        if name == "wandb":
            is_online = os.environ.get("WANDB_MODE") == "online"
            return WandbLogger(name=folder.name, project=PROJECT, save_dir=folder, offline=not is_online)
    except ModuleNotFoundError:
        raise TwoFaceError(f"logger={name} needs its package: pip install 'twoface-pl[{name}]'") from None
    if name == "tensorboard":
        return TensorBoardLogger(folder, name="", version="tensorboard", default_hp_metric=False)
    if name == "csv":
        return CSVLogger(folder, name="csv")  # a version each: of a given one it would delete the figures
    return None


def _mlflow(folder: Path) -> Logger:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would tell its makers of each run
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if address:
        return MLFlowLogger(PROJECT, run_name=folder.name, tracking_uri=address)
    folder.mkdir(parents=True, exist_ok=True)
    own = folder.resolve()
    pictures = (own / "mlflow").as_uri()
    return MLFlowLogger(
        PROJECT, run_name=folder.name, tracking_uri=f"sqlite:///{own}/mlflow.db", artifact_location=pictures
    )


def log_picture(logger: Logger | None, picture: np.ndarray, batches: int) -> None:
    """A picture, uint8 (H, W, 3), where the logger takes pictures."""
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(PICTURES, picture, batches, dataformats="HWC")
    elif isinstance(logger, WandbLogger):
        logger.log_image(PICTURES, [picture], step=batches)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_image(logger.run_id, picture, artifact_file=f"{PICTURES}/{batches:07d}.png")
