"""``train(...)``: a plain function from a module and data to checkpoints and figures."""

from __future__ import annotations

import logging
import math
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as L
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from twoface_pl.data.datamodule import TripleDataModule
from twoface_pl.errors import Stopped, TwoFaceError, require
from twoface_pl.networks.options import require_number, require_whole
from twoface_pl.training.callbacks import (
    Limit,
    OneStart,
    PictureGrid,
    Progress,
    StopWhenReached,
    ValidationLog,
)
from twoface_pl.training.checkpoints import BEST, LAST, CheckpointFiles, owned
from twoface_pl.training.clock import CommonClock, SaveByTime
from twoface_pl.training.figures import FIGURES
from twoface_pl.training.finite import NotFiniteError
from twoface_pl.training.loggers import LOGGERS, build_logger
from twoface_pl.training.module import InpaintingModule
from twoface_pl.training.resume import go_on
from twoface_pl.training.seen import KeptBatches, SpeedLog
from twoface_pl.training.stop import Signals, StopOnSignal

log = logging.getLogger(__name__)

PEER_GONE = ("gloo", "NCCL", "Connection closed by peer", "Connection reset")  # in errors of torch.distributed
NOT_FINITE = "not_finite"  # folder of batches
MONITORED = "validation/psnr_in_hole"


@dataclass(frozen=True)
class TrainOptions:
    """How long, where and on what to train."""

    folder: Path  # checkpoints, pictures and logs
    max_batches: int
    validate_every: int  # batches; a checkpoint is written at each validation
    logger: str  # one of LOGGERS
    trainer: dict[str, Any]  # keyword arguments of Lightning's Trainer
    save_minutes: float | None = None  # between checkpoints beside those of validations; None: there are none
    stop_when: dict[str, float] = field(default_factory=dict)
    resume: Path | None = None
    progress: bool = True
    saved: Callable[[], None] | None = None  # called after each checkpoint, by the first process

    def __post_init__(self) -> None:
        for name in ("max_batches", "validate_every"):
            require_whole(name, getattr(self, name), 1)
        if self.save_minutes is not None:
            require_number("save_minutes", self.save_minutes, 0)
        require(self.logger in LOGGERS, f"logger.name={self.logger} is not one of {', '.join(LOGGERS)}")
        for figure, value in self.stop_when.items():
            require(figure in FIGURES, f"stop_when: no figure '{figure}'; there are: {', '.join(FIGURES)}")
            require_number(f"stop_when.{figure}", value, -math.inf)

    @property
    def validation_interval(self) -> int:
        """Batches between validations; the last batch has one in any case."""
        return min(self.validate_every, self.max_batches)


@dataclass(frozen=True)
class TrainResult:
    """Where the checkpoints are and what the last validation said."""

    last: Path
    best: Path
    batches: int
    figures: dict[str, float]
    broken_photos: int  # samples that could not be read; others took their places


def _callbacks(options: TrainOptions, signals: Signals, by_the_clock: bool) -> list[Callback]:
    kept: dict[str, Any] = {
        "dirpath": options.folder,
        "auto_insert_metric_name": False,  # a "/" in a metric's name would make folders
        "enable_version_counter": False,
    }
    best = ModelCheckpoint(filename=Path(BEST).stem, monitor=MONITORED, mode="max", **kept)
    # One of its own: save_last would write last.ckpt only where the best one changed.
    last = ModelCheckpoint(filename=Path(LAST).stem, **kept)
    callbacks: list[Callback] = [
        best,
        last,
        OneStart(),
        *([CommonClock()] if by_the_clock else []),
        Limit(options.max_batches),
        SpeedLog(),
        ValidationLog(),
        KeptBatches(options.folder / NOT_FINITE),
        PictureGrid(options.folder / "pictures"),
        StopOnSignal(signals, options.folder / LAST, options.validation_interval, options.max_batches),
    ]
    if options.progress:
        callbacks.append(Progress(options.max_batches))
    if options.save_minutes is not None:
        callbacks.append(SaveByTime(options.folder / LAST, options.save_minutes, options.validation_interval))
    if options.stop_when:
        callbacks.append(StopWhenReached(options.stop_when))
    return callbacks


def _check_accumulation(module: InpaintingModule, options: TrainOptions) -> None:
    """Refuse steps that a validation or the end would cut in two."""
    accumulate = module.optimizer_options.accumulate
    for name in ("validate_every", "max_batches"):
        value = getattr(options, name)
        require(value % accumulate == 0, f"{name}={value} is no multiple of optimizer.accumulate={accumulate}")
    for name, loss in module.hparams["losses"].items():
        start = loss.get("start", 0)
        told = f"losses.{name}.start={start} is no multiple of optimizer.accumulate={accumulate}"
        require(isinstance(start, float) or start % accumulate == 0, told)
    # Half precision's scale may change with the discriminators' step, in the midst of the generator's gradients.
    is_mixed = accumulate > 1 and module.discriminators is not None and options.trainer.get("precision") == "16-mixed"
    told = "optimizer.accumulate goes with precision=bf16 or fp32; with fp16 only where there are no discriminators"
    require(not is_mixed, told)


def _build_trainer(options: TrainOptions, signals: Signals, max_minutes: float | None) -> L.Trainer:
    by_the_clock = max_minutes is not None or options.save_minutes is not None
    files = CheckpointFiles(options.resume, options.saved)
    try:
        trainer = L.Trainer(
            max_epochs=-1,
            val_check_interval=options.validation_interval,
            check_val_every_n_epoch=None,
            log_every_n_steps=1,  # unused: the module logs by its own count
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            enable_model_summary=False,
            enable_progress_bar=options.progress,
            logger=build_logger(options.logger, options.folder) or False,
            callbacks=_callbacks(options, signals, by_the_clock),
            default_root_dir=options.folder,
            **{**options.trainer, "plugins": [files, *options.trainer.get("plugins", ())]},
        )
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise TwoFaceError(f"trainer: {error}") from None
    takes_other = str(options.trainer.get("precision")).startswith("16") and trainer.precision.startswith("bf16")
    told = "precision=fp16 needs a GPU; this machine's processor takes bf16 (`twoface doctor` measures whether it pays)"
    require(not takes_other, told)  # as Lightning does, with a warning
    cores = max(2, os.cpu_count() or 1)  # two processes work on one core as well: that is for trying it out
    require(
        trainer.strategy.root_device.type != "cpu" or trainer.num_devices <= cores,
        f"trainer.devices={trainer.num_devices} is more processes than this machine has cores ({cores})",
    )
    return trainer


def _saved(module: InpaintingModule, options: TrainOptions) -> str:
    """What of this training is in its last checkpoint."""
    if module.batches_saved is None:
        return "no batch was saved" + (f" beside those of {options.resume}" if options.resume else "")
    counted = f"all {module.batches_saved}" if module.batches_saved >= options.max_batches else module.batches_saved
    return f"{counted} batches are saved in {options.folder / LAST}"


def _fit(
    trainer: L.Trainer, module: InpaintingModule, data: TripleDataModule, options: TrainOptions, signals: Signals
) -> None:
    try:
        trainer.fit(module, data, ckpt_path=options.resume, weights_only=True)
        if signals.number:  # it came when the last batch was through
            raise Stopped(signals.number)
    except Stopped as stopped:
        if trainer.global_rank:
            sys.exit(0)  # else Lightning's launcher kills rank 0 before that one has said anything
        raise Stopped(stopped.number, _saved(module, options)) from None
    except TwoFaceError as error:  # from a loading process it comes with that process's traceback around it
        text = str(error).strip().splitlines()[-1].rpartition("TwoFaceError: ")[2]
        if isinstance(error, NotFiniteError) and error.kept is not None:
            text += f"; the batch can be looked at in {error.kept}"
        raise TwoFaceError(f"{text}; {_saved(module, options)}" if module.batches_saved else text) from None
    except RuntimeError as error:
        if signals.number and "DataLoader worker" in str(error):  # the signal went to the loading processes too
            raise Stopped(signals.number, _saved(module, options)) from None
        if trainer.world_size > 1 and any(word in str(error) for word in PEER_GONE):
            lost = f"another process of this training has ended, see what it said; {_saved(module, options)}"
            raise TwoFaceError(f"{lost}; start all of them again, with resume=auto") from None
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise TwoFaceError("not enough memory; lower data.batch_size, or choose a smaller generator") from None
        raise


def train(module: InpaintingModule, data: TripleDataModule, options: TrainOptions) -> TrainResult:
    """Train until ``max_batches``, the module's ``max_minutes`` or ``stop_when``, validating and saving on the way.

    Stopping, for either reason, ends with a validation and a checkpoint. SIGINT, SIGTERM and SIGUSR1 end it with a
    checkpoint alone; in the main thread only, and the handlers that were there come back.

    Raises:
        TwoFaceError: a checkpoint of another architecture, a trainer that this machine cannot run, a loss or weights
            that are not finite, or of every batch.
        Stopped: a signal came; it says what is saved. Processes of a rank above 0 exit with status 0 instead.
    """
    _check_accumulation(module, options)
    module.max_batches = options.max_batches
    if options.resume is not None:
        go_on(module, data, options.resume, options.max_batches)
    # Said of every loader on a machine with few cores; and of a folder that holds the run's config.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
    warnings.filterwarnings("ignore", "Found .* in eval mode at the start of training")  # the frozen VGG16
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")  # channels_last under DDP
    # The sampler goes on at the batch that is due, which Lightning cannot know.
    warnings.filterwarnings("ignore", "You're resuming from a checkpoint that ended before the epoch ended")
    with Signals() as signals:
        trainer = _build_trainer(options, signals, module.max_minutes)
        log.info(
            "training on %s, %d process(es), %s, into %s",
            trainer.strategy.root_device, trainer.world_size, trainer.precision, options.folder,
        )  # fmt: skip
        with owned(options.folder) if trainer.is_global_zero else nullcontext():
            _fit(trainer, module, data, options, signals)
    figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if module.batches_skipped == module.batches_done:
        raise TwoFaceError(
            f"no batch was whole: of all {module.batches_done} a loss or gradient was left out, being not finite; look "
            f"at them in {options.folder / NOT_FINITE}"
        )
    if module.batches_skipped:
        log.warning("%d batches were left out, being not finite; see not_finite/", module.batches_skipped)
    broken = int(module.broken_photos)
    if broken:
        log.warning("%d samples were of photos that cannot be read, named above; others took their places", broken)
    return TrainResult(options.folder / LAST, options.folder / BEST, module.batches_done, figures, broken)
