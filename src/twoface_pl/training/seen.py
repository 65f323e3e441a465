"""What else a training shows: how fast it is and what it waits for, and batches that something was wrong with."""

from __future__ import annotations

import io
import logging
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import pytorch_lightning as L
import torch
from pytorch_lightning.callbacks import Callback

from twoface_pl.data.triples import Triple
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.picture import picture_grid, show_hole
from twoface_pl.faces.files import write_bytes
from twoface_pl.faces.image import write_image
from twoface_pl.training.finite import NotFiniteError
from twoface_pl.training.module import InpaintingModule

log = logging.getLogger(__name__)

MOST_KEPT = 20  # batches kept for looking at


class SpeedLog(Callback):
    """Logs images a second, the share of time that is spent waiting for data, and memory.

    Between two logged batches, validations and checkpoints left out. On a GPU the steps are queued, so only their sum
    is right: a log waits for them anyway.
    """

    def __init__(self) -> None:
        self.images = 0
        self.seconds = self.waited = 0.0
        self._since: float | None = None  # the end of the batch before, where nothing else was done since
        self._begun = 0.0

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: Triple, *_: Any) -> None:
        self._begun = time.perf_counter()
        if self._since is not None:
            self.waited += self._begun - self._since
            self.seconds += self._begun - self._since
        self.images += len(batch["photo"]) * trainer.world_size

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        assert isinstance(module, InpaintingModule)
        if trainer.world_size > 1 and trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()  # what the processes tell each other next would wait for it, as if for data
        self._since = time.perf_counter()
        self.seconds += self._since - self._begun
        if module.batches_done % module.log_every == 0 and trainer.logger is not None:
            figures = {"speed/images_a_second": self.images / self.seconds, "speed/waiting": self.waited / self.seconds}
            trainer.logger.log_metrics({**figures, **_memory(trainer)}, step=module.batches_done)
            self.images, self.seconds, self.waited = 0, 0.0, 0.0

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._since = None

    def on_save_checkpoint(self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._since = None


def _memory(trainer: L.Trainer) -> dict[str, float]:
    """The most that this process, and its GPU, have held so far, in GB."""
    found = {}
    if sys.platform != "win32":
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        found["memory/process_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    if trainer.strategy.root_device.type == "cuda":
        found["memory/gpu_gb"] = torch.cuda.max_memory_allocated() / 1e9
    return found


class KeptBatches(Callback):
    """Keeps batches whose loss or gradient was not finite: a picture to look at, and the tensors.

    Args:
        folder: ``<batch>.png`` and ``<batch>.pt`` go into it, with the rank before them where there are several.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._recent: deque[tuple[int, Triple]] = deque(maxlen=2)  # a GPU's is seen when the next one begins
        self._kept = 0

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: Triple, *_: Any) -> None:
        assert isinstance(module, InpaintingModule)
        self._recent.append((module.batches_done + 1, batch))

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        assert isinstance(module, InpaintingModule)
        number, batch = self._recent[-1]
        if number in module.finite.skipped and self._kept < MOST_KEPT:
            self._keep(trainer, number, batch)

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        found = dict(self._recent)
        if isinstance(exception, NotFiniteError) and exception.batch in found:
            exception.kept = self._keep(trainer, exception.batch, found[exception.batch])

    def _keep(self, trainer: L.Trainer, number: int, batch: Triple) -> Path | None:
        """Where it is kept; None where that failed, which is no reason to end a training, or to end it otherwise."""
        self._kept += 1
        try:
            return self._written(trainer, number, batch)
        except TwoFaceError as error:
            log.warning("batch %d is not kept: %s", number, error)
            return None

    def _written(self, trainer: L.Trainer, number: int, batch: Triple) -> Path:
        of_rank = f"rank{trainer.global_rank}_" if trainer.world_size > 1 else ""
        path = self.folder / f"{of_rank}{number:07d}.png"
        plain = {key: value.cpu() for key, value in batch.items() if isinstance(value, torch.Tensor)}
        photos, references = plain["photo"].numpy(), plain["references"]
        columns = {"masked": show_hole(photos, plain["mask"].numpy()), "truth": photos, "real": plain["real"].numpy()}
        columns |= {f"reference {at + 1}": references[:, at].numpy() for at in range(references.shape[1])}
        write_image(path, picture_grid(columns, rows=len(photos)))
        content = io.BytesIO()
        torch.save(plain, content)  # into a file it would say a full disk in an error of its own
        write_bytes(path.with_suffix(".pt"), content.getvalue())
        return path
