"""A real S3 server on this machine: moto's, a process of its own."""

import hashlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from served import free_port

from twoface_pl.buckets.address import open_address


class Server:
    """moto's S3 server, a process of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 90
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/moto-api/", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("moto has not started")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One for all tests of a process; skips where there is none."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    made = Server()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def bucket(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An empty bucket, and an empty cache."""
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "TWOFACE_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"
    open_address(f"s3://{name}")[0].mkdir(name)
    return f"s3://{name}"


@pytest.fixture
def withdrawn(server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Rights that can be withdrawn: a user who has a key, and then may do nothing with it."""
    iam = pytest.importorskip("boto3").client("iam")
    name = bucket.removeprefix("s3://")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    def checked(after: bytes) -> None:
        """Requests are held against rights after so many."""
        there = f"http://127.0.0.1:{server.port}/moto-api/reset-auth"
        request = urllib.request.Request(there, after, {"Content-Type": "text/plain"}, method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    yield lambda: checked(b"0")
    checked(b"inf")


def put(address: str, content: bytes) -> None:
    """Write an object."""
    system, path = open_address(address)
    system.pipe_file(path, content)
