"""A process for the work: it opens the model, and what goes wrong in it, a crash or a hang, is not the server's end."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import pickle
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from twoface_pl.errors import TwoFaceError
from twoface_pl.serving.http.core_options import CoreOptions
from twoface_pl.serving.http.memory import IDLE_SECONDS, give_back
from twoface_pl.serving.http.task import Reply, Served, Task

START_SECONDS = 180  # for opening a model, on a slow disk
PROCESS = "twoface-core"


class CoreLost(Exception):
    """The process died, or took too long and was ended."""


def _send(pipe: Connection, something: Any) -> None:
    """As ``pipe.send``, by way of bytes: that one pickles into a BytesIO and writes a view of it, and both in the
    traceback of a write that broke end Python 3.12 when they are collected."""
    pipe.send_bytes(pickle.dumps(something))


def _received(pipe: Connection) -> Any:
    return pickle.loads(pipe.recv_bytes())


def _work(pipe: Connection, options: CoreOptions, folder: str) -> None:
    """Answer until the other end of the pipe is closed, by whatever end of the server."""
    tempfile.tempdir = folder
    logging.getLogger("twoface_pl").addHandler(logging.NullHandler())  # what is said of a photo is for who sent it
    for number in (signal.SIGINT, signal.SIGTERM):  # from a terminal they come here too; the server ends this process
        signal.signal(number, signal.SIG_IGN)
    from twoface_pl.serving.http.opening import open_worker

    try:
        worker = open_worker(options)
    except TwoFaceError as error:
        _send(pipe, str(error))
        return
    _send(pipe, worker.served)
    gc.freeze()
    try:
        while True:
            if not pipe.poll(IDLE_SECONDS):
                give_back()
            _send(pipe, worker.answer(_received(pipe)))
    except (EOFError, OSError):
        return


class CoreProcess:
    """The work in a process of its own. One thread at a time may ask it.

    Args:
        options: how it is done.
    """

    def __init__(self, options: CoreOptions) -> None:
        self.options = options
        self.process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._folder: str | None = None  # of files that it works on, which its end leaves behind
        self._served: Served | None = None

    def start(self) -> Served:
        """Start the process, and wait until it is warm.

        Raises:
            TwoFaceError: the model cannot be opened.
            CoreLost: the process died, or was not ready in time.
        """
        self.close()
        self._folder = tempfile.mkdtemp(prefix="twoface-")
        context = multiprocessing.get_context("spawn")  # a fork would take the server's sockets with it
        self._pipe, theirs = context.Pipe()
        given = theirs, self.options, self._folder
        self.process = context.Process(target=_work, args=given, name=PROCESS, daemon=True)
        self.process.start()
        theirs.close()  # so that its end is seen here
        with self._watched(START_SECONDS) as pipe:
            said = _received(pipe)
        if isinstance(said, str):
            self.close()
            raise TwoFaceError(said)
        self._served = said
        return said

    @property
    def served(self) -> Served:
        """What it serves, by its last start."""
        assert self._served is not None
        return self._served

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.is_alive()

    def answer(self, tasks: Sequence[Task]) -> list[Reply]:
        """See :class:`~twoface_pl.serving.http.work.Core`.

        Raises:
            CoreLost: the process died or took too long; the next call starts another.
        """
        if not self.alive:
            self.start()
        with self._watched(self.options.seconds) as pipe:
            _send(pipe, list(tasks))
            return _received(pipe)

    @contextmanager
    def _watched(self, seconds: float) -> Iterator[Connection]:
        """The pipe to the process, which is ended if it takes longer: then, as after its death, the pipe breaks."""
        process, pipe, late = self.process, self._pipe, threading.Event()
        assert process is not None
        assert pipe is not None

        def end() -> None:
            late.set()
            process.kill()

        watch = threading.Timer(seconds, end)
        watch.start()
        try:
            yield pipe
        except (EOFError, OSError):
            self.close()
            how = f"took over {seconds:g} seconds and was ended" if late.is_set() else "died"
            raise CoreLost(f"the process that does the work {how}") from None
        finally:
            watch.cancel()

    def close(self) -> None:
        """End the process, busy or not."""
        process, pipe, folder = self.process, self._pipe, self._folder
        self.process = self._pipe = self._folder = None
        if process is not None:
            process.kill()
            process.join()
        if pipe is not None:
            pipe.close()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
