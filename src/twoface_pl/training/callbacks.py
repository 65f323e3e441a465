"""Callbacks: the limit in batches, the figures to reach, the progress bar, the picture grid."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as L
import torch
from pytorch_lightning.callbacks import Callback, ProgressBar
from tqdm import tqdm

from twoface_pl.data.triples import Triple
from twoface_pl.errors import require
from twoface_pl.evaluation.picture import picture_grid, show_hole
from twoface_pl.faces.image import write_image
from twoface_pl.training.loggers import log_picture
from twoface_pl.training.module import InpaintingModule
from twoface_pl.training.processes import agree

log = logging.getLogger(__name__)


class OneStart(Callback):
    """Refuses processes that begin at different batches or have different data: each would wait for the others."""

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, InpaintingModule)
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        seen = torch.tensor([module.batches_done, data.train_triples.targets.checksum()], device=module.device)
        require(
            agree(seen),
            "the processes of this training begin at different checkpoints or have different data; the run's folder "
            "and data.root must be the same for all of them, on storage that all machines share",
        )


class Limit(Callback):
    """Stops after so many batches, or when the module's time is up, both counted over resumes."""

    def __init__(self, max_batches: int) -> None:
        self.max_batches = max_batches

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        assert isinstance(module, InpaintingModule)
        if module.batches_done >= self.max_batches or (module.time_used >= 1 and module.at_step):
            trainer.should_stop = True

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, InpaintingModule)
        if module.time_used >= 1:  # a validation took what was left
            trainer.should_stop = True


class StopWhenReached(Callback):
    """Stops once every named validation figure has reached its value."""

    def __init__(self, figures: dict[str, float]) -> None:
        self.figures = figures

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        found = trainer.callback_metrics
        if not trainer.sanity_checking and all(
            name in found and float(found[name]) >= value for name, value in self.figures.items()
        ):
            assert isinstance(module, InpaintingModule)
            module.reached = dict(self.figures)
            trainer.should_stop = True


class ValidationLog(Callback):
    """Writes each validation's figures to the logger and says them, by batches done."""

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, InpaintingModule)
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        figures = {
            name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("validation/")
        }
        if trainer.logger is not None:
            trainer.logger.log_metrics(figures, step=module.batches_done)
        shown = ", ".join(f"{name.partition('/')[2]} {value:.3f}" for name, value in figures.items())
        log.info("after %d batches: %s", module.batches_done, shown)


class PictureGrid(Callback):
    """At each validation a picture of the first batch: into the run's folder and the logger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: Triple,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        assert isinstance(module, InpaintingModule)
        if batch_idx or trainer.sanity_checking or not trainer.is_global_zero:
            return
        photos, masks = batch["photo"].cpu().numpy(), batch["mask"].cpu().numpy()
        columns = {
            "masked": show_hole(photos, masks),
            "reference": batch["references"][:, 0].cpu().numpy(),
            "filled": module.fill(batch),
        }
        if "wrong_references" in batch:
            columns["filled, wrong reference"] = module.fill(batch, "wrong_references")
        picture = picture_grid(columns | {"truth": photos})
        write_image(self.folder / f"{module.batches_done:07d}.png", picture)
        log_picture(trainer.logger, picture, module.batches_done)


class Progress(ProgressBar):
    """One bar for the whole training, with the time left: in batches, or in seconds where its end goes by the clock."""

    def __init__(self, max_batches: int) -> None:
        super().__init__()
        self.max_batches = max_batches
        self.bar: tqdm[Any] | None = None

    def disable(self) -> None:
        self.max_batches = 0

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, InpaintingModule)
        if not trainer.is_global_zero or not self.max_batches:
            return
        total, unit = self.max_batches, "batch"
        if module.max_minutes is not None:
            total, unit = round(60 * module.max_minutes), "s"
        self.bar = tqdm(total=total, initial=self._done(module), unit=unit, mininterval=1, desc="training")

    @staticmethod
    def _done(module: InpaintingModule) -> int:
        return module.batches_done if module.max_minutes is None else round(module.clock)

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        assert isinstance(module, InpaintingModule)
        if self.bar is not None:
            self.bar.update(min(self._done(module), self.bar.total) - self.bar.n)

    def on_train_end(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_exception(self, *_: Any) -> None:
        self.on_train_end()
