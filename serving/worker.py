"""A process of its own for JSON: reading and writing it holds Python's lock, and the server must stay awake."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import threading
import traceback
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.serving.protocol import parse_request, write_answer

MOST_SECONDS = 60  # for one piece of work; the largest request takes 2 on a slow core

PARSE, WRITE = b"parse", b"write"
DONE, REFUSED, FAILED = b"done", b"refused", b"failed"


def _do(task: bytes, data: bytes, size: int) -> tuple[bytes, bytes]:
    try:
        if task == PARSE:
            return DONE, np.stack(parse_request(data, size)).tobytes()
        return DONE, write_answer(_pictures(data, size))
    except TwoFaceError as error:
        return REFUSED, str(error).encode()
    except Exception:
        return FAILED, traceback.format_exc().encode()


def _pictures(data: bytes, size: int) -> np.ndarray:
    return np.frombuffer(data, np.float32).reshape(-1, size, size, 3)


def _work(pipe: Connection, size: int) -> None:
    """Answer until the other end of the pipe is closed, by whatever end of the server."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from a terminal it comes to the server too, which ends this one
    gc.disable()  # millions of numbers in lists without a cycle: looking through them doubles the time
    try:
        while True:
            for reply in _do(pipe.recv_bytes(), pipe.recv_bytes(), size):
                pipe.send_bytes(reply)
    except (EOFError, OSError):
        return


class JsonWorker:
    """Reads requests and writes answers in another process, one at a time; it is started when it is first needed.

    Args:
        size: the side of a picture in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def start(self) -> Connection:
        """The pipe to a living process."""
        if self._pipe is None or self.process is None or not self.process.is_alive():
            self.close()
            context = multiprocessing.get_context("spawn")  # a fork would take the server's sockets with it
            self._pipe, theirs = context.Pipe()
            self.process = context.Process(target=_work, args=(theirs, self.size), name="twoface-json", daemon=True)
            self.process.start()
            theirs.close()  # so that its end is seen here
        return self._pipe

    def close(self) -> None:
        """End the process, busy or not."""
        process, pipe = self.process, self._pipe
        self.process = self._pipe = None
        if process is not None:
            process.kill()
            process.join()
        if pipe is not None:
            pipe.close()

    def parse(self, body: bytes | bytearray) -> tuple[np.ndarray, np.ndarray]:
        """See :func:`~twoface_pl.serving.protocol.parse_request`."""
        masked, reference = np.split(_pictures(self._ask(PARSE, body), self.size), 2)
        return masked, reference

    def write(self, filled: np.ndarray) -> bytes:
        """See :func:`~twoface_pl.serving.protocol.write_answer`."""
        return self._ask(WRITE, np.ascontiguousarray(filled, np.float32).tobytes())

    def _ask(self, task: bytes, data: bytes | bytearray) -> bytes:
        """Have it done.

        Raises:
            TwoFaceError: the request is wrong.
            RuntimeError: the work failed, took too long, or the process died; the next one starts another.
        """
        pipe = self.start()
        assert self.process is not None
        watch = threading.Timer(MOST_SECONDS, self.process.kill)
        watch.start()
        try:
            pipe.send_bytes(task)
            pipe.send_bytes(data)
            outcome, reply = pipe.recv_bytes(), pipe.recv_bytes()
        except (EOFError, OSError):
            self.close()
            raise RuntimeError(f"the process for JSON died, or took over {MOST_SECONDS} seconds") from None
        finally:
            watch.cancel()
        if outcome == REFUSED:
            raise TwoFaceError(reply.decode())
        if outcome == FAILED:
            raise RuntimeError(reply.decode())
        return reply
