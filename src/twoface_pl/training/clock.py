"""A training by the clock: one clock for all its processes, an end, and checkpoints in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as L
import torch
from pytorch_lightning.callbacks import Callback

from twoface_pl.training.module import InpaintingModule
from twoface_pl.training.processes import largest_of_processes


class CommonClock(Callback):
    """Sets the module's clock before and after each batch, and after a validation: rates, the end and checkpoints go by
    it, in all processes alike."""

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        self._set(trainer, module)

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        self._set(trainer, module)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._set(trainer, module)

    @staticmethod
    def _set(trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, InpaintingModule)
        module.clock = module.seconds
        if trainer.world_size > 1:  # reading it back makes a GPU wait, as it does at each batch of several processes
            seconds = torch.tensor(module.clock, dtype=torch.float64, device=trainer.strategy.root_device)
            module.clock = float(largest_of_processes(seconds))


class SaveByTime(Callback):
    """Writes the last checkpoint also between validations.

    Args:
        path: of the checkpoint.
        minutes: between two.
        validate_every: batches between validations, which write it themselves.
    """

    def __init__(self, path: Path, minutes: float, validate_every: int) -> None:
        self.path, self.minutes, self.validate_every = path, minutes, validate_every
        self._saved: float | None = None

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        assert isinstance(module, InpaintingModule)
        if trainer.should_stop:
            return  # a validation follows, and writes it: one from before would be taken for the end
        if self._saved is None or module.batches_done % self.validate_every == 0:
            self._saved = module.clock
        elif module.clock - self._saved >= 60 * self.minutes and module.at_step:
            trainer.save_checkpoint(self.path, weights_only=False)
            self._saved = module.clock
