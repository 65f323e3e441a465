"""A real server process, and who asks it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PREDICT = "/v1/models/two_face_model:predict"
INFER = "/v2/models/two_face_model/infer"


@dataclass
class Served:
    """A server that listens."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    client: httpx.Client

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(log: Path, *options: object, port: int | None = None) -> Iterator[Served]:
    """``twoface serve`` with options, until it listens; ended afterwards, if it has not."""
    port = port or free_port()
    command = [sys.executable, "-m", "twoface_pl", "serve", "--port", str(port), *map(str, options)]
    with log.open("wb") as stream, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
        try:
            for _ in range(1200):
                assert process.poll() is None, log.read_text()
                try:
                    client.get("/healthz").raise_for_status()
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            else:
                raise AssertionError(f"nobody listens on port {port}: {log.read_text()}")
            yield Served(process, port, log, client)
        finally:
            if process.poll() is None:
                process.terminate()
            assert process.wait(30) in (0, 143, -15), log.read_text()
