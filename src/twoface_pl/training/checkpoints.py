"""Checkpoint files: written whole, the one before the last kept, the newest found that can be read."""

from __future__ import annotations

import io
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning_fabric.plugins import TorchCheckpointIO

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import TEMPORARY, write_atomically
from twoface_pl.networks.checkpoint import read_checkpoint

log = logging.getLogger(__name__)

LAST, BEFORE, BEST = "last.ckpt", "before_last.ckpt", "best.ckpt"
NAMES = (LAST, BEFORE, BEST)  # of checkpoints, in the order in which a training goes on from them
LOCK = ".training"  # held while a training runs in a folder


class CheckpointFiles(TorchCheckpointIO):
    """Writes checkpoints so that no kill, full disk or power cut costs what was saved before.

    Args:
        whole: a checkpoint that was read; a last one that was neither read nor written here may be torn, and is not
            kept in place of the one before it.
        written: called after each.
    """

    def __init__(self, whole: Path | None = None, written: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._written = written
        self._whole = set() if whole is None else {whole.resolve()}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Lightning's hook.

        Raises:
            TwoFaceError: it cannot be written; the file that was there still is.
        """
        content, path = io.BytesIO(), Path(path)
        torch.save(checkpoint, content)

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            if path.name == LAST and path.resolve() in self._whole:
                _keep(path.resolve())

        write_atomically(path, write)
        self._whole.add(path.resolve())
        if self._written is not None:
            self._written()


def _keep(last: Path) -> None:
    """Give the last checkpoint a second name, at which it stays when a new one takes its first."""
    linked = last.with_name(f"{TEMPORARY}{BEFORE}")
    linked.unlink(missing_ok=True)
    try:
        try:
            os.link(last, linked)
        except OSError:  # not on every file system
            shutil.copyfile(last, linked)
        linked.replace(last.with_name(BEFORE))
    finally:
        linked.unlink(missing_ok=True)  # of two names of one file, replacing does nothing


@dataclass(frozen=True)
class Saved:
    """A checkpoint of a run's folder, and how far it is."""

    path: Path
    batches: int
    seconds: float  # that it took
    validation_due: bool
    reached: dict[str, float] | None  # the figures that ended the training, where some did

    def is_done(self, max_batches: int, max_minutes: float | None, stop_when: dict[str, float]) -> bool:
        """Whether a training up to there has nothing left to do."""
        time_is_up = max_minutes is not None and self.seconds >= 60 * max_minutes
        at_end = (self.batches >= max_batches or time_is_up) and not self.validation_due
        return at_end or (bool(stop_when) and self.reached == stop_when)


def newest(folder: Path) -> Saved | None:
    """The checkpoint of a run's folder to go on from; None where there is none. Torn ones are passed over, aloud.

    Raises:
        TwoFaceError: there are some, and none can be read.
    """
    found, torn = [], []
    for path in (folder / name for name in NAMES):
        if not path.is_file():
            continue
        try:
            content = read_checkpoint(path)
        except TwoFaceError as error:
            torn.append(str(error))
            log.warning("%s; looking for another", error)
            continue
        due, reached = bool(content.get("validation_due")), content.get("reached")
        found.append(Saved(path, content["batches_done"], content.get("seconds", 0.0), due, reached))
        if path.name == LAST:
            break
    if torn and not found:
        raise TwoFaceError(f"no checkpoint in {folder} can be read; start anew in another folder ({torn[0]})")
    return max(found, key=lambda saved: saved.batches, default=None)


def remove_unfinished(folder: Path) -> None:
    """Files that a training was killed in the midst of writing."""
    for path in (*folder.glob(f"{TEMPORARY}*.ckpt"), *folder.glob(f"pictures/{TEMPORARY}*")):
        path.unlink(missing_ok=True)


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """A run's folder, for one training at a time; what a killed one left unfinished is removed.

    Raises:
        TwoFaceError: another training runs in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        with lock:
            remove_unfinished(folder)
            yield
    except Timeout:
        raise TwoFaceError(f"{folder}: another training runs in this folder; wait for it, or stop it") from None
