"""A signal that asks a training to stop: the step at hand is finished and saved."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from types import FrameType
from typing import Any, Self

import pytorch_lightning as L
import torch
from pytorch_lightning.callbacks import Callback

from twoface_pl.errors import Stopped
from twoface_pl.training.module import InpaintingModule
from twoface_pl.training.processes import largest_of_processes

# The last is what SLURM sends before a job's time is over, where it is asked to: --signal=USR1@120.
SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []))

SCONTROL_SECONDS = 30


class Signals:
    """Notes SIGINT, SIGTERM and SIGUSR1 while a training runs; the second one ends it at once, by :class:`Stopped`.

    Only where it is entered in the main thread; a signal that is ignored (of a job in the background) stays so.
    """

    def __init__(self) -> None:
        self.number = 0  # of the signal that came; 0: none
        self._before: dict[int, Any] = {}
        self._process = os.getpid()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.getsignal(number) for number in SIGNALS}
            self._before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def listen(self) -> None:
        """Set the handlers, again where somebody has set others since."""
        for number in self._before:
            signal.signal(number, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        if os.getpid() != self._process:
            return  # a loading process, forked with this handler: the training ends it
        if self.number:
            raise Stopped(number)
        self.number = number
        if os.environ.get("LOCAL_RANK", "0") == "0":
            # Not print: a handler may run in the midst of another one.
            with contextlib.suppress(OSError):
                os.write(2, b"\nstopping after this step; once more: at once\n")


def requeue() -> str | None:
    """Ask SLURM to run this job again; what it said, or None where this is none of its jobs."""
    environment = os.environ
    job = environment.get("SLURM_JOB_ID")
    if "SLURM_ARRAY_JOB_ID" in environment:
        job = f"{environment['SLURM_ARRAY_JOB_ID']}_{environment.get('SLURM_ARRAY_TASK_ID', '')}"
    if job is None:
        return None
    for number in (signal.SIGTERM, *SIGNALS):  # with which SLURM ends this run of the job before scontrol has answered
        signal.signal(number, signal.SIG_IGN)
    try:
        done = subprocess.run(
            ["scontrol", "requeue", job], capture_output=True, text=True, check=False, timeout=SCONTROL_SECONDS
        )
    except OSError as error:
        return f"scontrol cannot be run ({error.strerror}); submit job {job} again"
    except subprocess.TimeoutExpired:
        return f"scontrol has not answered; look whether job {job} is queued again"
    if done.returncode:
        return f"job {job} could not be requeued ({done.stderr.strip()[:200]}); submit it again"
    return f"job {job} is requeued"


class StopOnSignal(Callback):
    """Ends a training that a signal asked to stop, after a step or a batch of validation, with a checkpoint.

    A validation that was due or under way is not finished; the training that goes on begins with it.

    Args:
        signals: what was noted.
        last: the checkpoint to write.
        validate_every: batches between validations.
        most: batches after which the training ends.

    Raises:
        Stopped: as soon as the checkpoint is written.
    """

    def __init__(self, signals: Signals, last: Path, validate_every: int, most: int) -> None:
        self.most = most
        self.signals = signals
        self.last = last
        self.validate_every = validate_every
        self.begun = 0  # batches that were done before

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, InpaintingModule)
        self.signals.listen()  # Lightning has put a handler of its own in place of SIGTERM's
        self.begun = module.batches_done
        if module.validation_due:
            module.validation_due = False
            validation = trainer.fit_loop.epoch_loop.val_loop
            validation.restarting = False  # from its first batch on
            trainer.validating = True
            validation.run()
            trainer.training = True
            if module.batches_done >= self.most or module.time_used >= 1:
                trainer.should_stop = True

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        assert isinstance(module, InpaintingModule)
        if module.batches_done == self.begun and (number := self._asked(trainer)):
            raise Stopped(number)  # the first batch may take long, and there is nothing to save yet

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        assert isinstance(module, InpaintingModule)
        self._look(trainer, module, trainer.should_stop or module.batches_done % self.validate_every == 0)

    def on_validation_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        assert isinstance(module, InpaintingModule)
        self._look(trainer, module, True)

    def _asked(self, trainer: L.Trainer) -> int:
        """The signal that came to any of the processes."""
        if trainer.world_size == 1:
            return self.signals.number
        # Reading it back makes a GPU wait; with several processes Lightning does so at each batch anyway.
        return int(largest_of_processes(torch.tensor(self.signals.number, device=trainer.strategy.root_device)))

    def _look(self, trainer: L.Trainer, module: InpaintingModule, validation_due: bool) -> None:
        number = self._asked(trainer)
        if number and module.at_step:
            module.validation_due = validation_due
            trainer.save_checkpoint(self.last, weights_only=False)  # all of it or nothing
            raise Stopped(number)
