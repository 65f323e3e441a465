"""Watching a running training: each new checkpoint, once."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.checkpoint import TrainedGenerator, load_generator

log = logging.getLogger(__name__)


def new_checkpoints(path: Path, patience: float, poll: float = 2.0) -> Iterator[TrainedGenerator]:
    """The generator of a checkpoint file, each time that a training has written it anew.

    A file that is being written, and cannot be read yet, is looked at again.

    Args:
        path: such as ``runs/<run>/last.ckpt``; it may not be there yet.
        patience: seconds without a new one after which this ends.
        poll: seconds between looks.

    Raises:
        TwoFaceError: the file could not be read, to the end.
    """
    log.info("watching %s; ends after %.0f s without a new checkpoint", path, patience)
    seen, problem, waiting_since = None, None, time.monotonic()
    while time.monotonic() - waiting_since < patience:
        state = path.stat() if path.exists() else None
        if state is not None and (state.st_mtime_ns, state.st_ino) != seen:
            seen = (state.st_mtime_ns, state.st_ino)
            try:
                trained = load_generator(path)
            except TwoFaceError as error:
                problem, seen = error, None
            else:
                problem = None
                yield trained
                waiting_since = time.monotonic()
                continue
        time.sleep(poll)
    if problem is not None:
        raise problem
    log.info("no new checkpoint at %s for %.0f s; watching ends", path, patience)
