"""Checkpoint files: written whole, the one before the last kept, the newest found that can be read."""

from __future__ import annotations

import io
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import TEMPORARY, write_atomically
from twoface_pl.networks.checkpoint import read_checkpoint

log = logging.getLogger(__name__)

LAST, BEFORE, BEST = "last.ckpt", "before_last.ckpt", "best.ckpt"


class CheckpointFiles(TorchCheckpointIO):
    """Writes checkpoints so that no kill, full disk or power cut costs what was saved before."""

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
            if path.name == LAST and path.is_file():
                _keep(path)

        write_atomically(path, write)


def _keep(last: Path) -> None:
    """Give the last checkpoint a second name, at which it stays when a new one takes its first."""
    linked = last.with_name(f"{TEMPORARY}{BEFORE}")
    linked.unlink(missing_ok=True)
    try:
        os.link(last, linked)
    except OSError:  # not on every file system
        shutil.copyfile(last, linked)
    linked.replace(last.with_name(BEFORE))


def newest(folder: Path) -> Path | None:
    """The checkpoint of a run's folder to go on from; None where there is none. One that is torn is passed over, aloud.

    Raises:
        TwoFaceError: there are some, and none can be read.
    """
    torn: list[str] = []
    for path in (folder / name for name in (LAST, BEFORE, BEST)):
        if not path.is_file():
            continue
        try:
            read_checkpoint(path)
        except TwoFaceError as error:
            torn.append(str(error))
            log.warning("%s; looking for the one before", error)
            continue
        return path
    if torn:
        raise TwoFaceError(f"no checkpoint in {folder} can be read; start anew in another folder ({torn[0]})")
    return None


def remove_unfinished(folder: Path) -> None:
    """Files that a training was killed in the midst of writing."""
    for path in folder.glob(f"{TEMPORARY}*.ckpt"):
        path.unlink(missing_ok=True)
