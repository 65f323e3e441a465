"""Files at addresses: fetched once, checked, taken up where a connection broke."""

import contextlib
import hashlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from s3 import Server, put

from twoface_pl.buckets import fetch
from twoface_pl.buckets.address import BucketError, is_address, token
from twoface_pl.buckets.fetch import local


def test_what_is_an_address() -> None:
    assert is_address("s3://bucket/data.zip")
    assert not is_address("data/prepared")
    assert local("data/prepared") == Path("data/prepared")
    with pytest.raises(BucketError, match="Protocol not known: nothing"):
        local("nothing://bucket/data.zip")


def test_a_file_is_fetched_once_and_again_when_it_has_changed(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pieces: list[int] = []
    piece = fetch._piece

    def counted(*given: object) -> bytes:
        pieces.append(1)
        return piece(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(fetch, "_piece", counted)
    monkeypatch.setattr(fetch, "PIECE", 1000)
    put(f"{bucket}/a/data.zip", b"1" * 2500)
    assert local(f"{bucket}/a/data.zip").read_bytes() == b"1" * 2500
    assert local(f"{bucket}/a/data.zip").name == "data.zip"
    assert len(pieces) == 3
    put(f"{bucket}/a/data.zip", b"2" * 2500)
    assert local(f"{bucket}/a/data.zip").read_bytes() == b"2" * 2500
    assert len(pieces) == 6


def test_a_server_that_names_no_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TWOFACE_CACHE", str(tmp_path / "cache"))

    class Silent:
        def info(self, path: str) -> dict[str, object]:
            return {"name": path, "size": None, "type": "file"}

    monkeypatch.setattr(fetch, "open_address", lambda address: (Silent(), "data.zip"))
    with pytest.raises(BucketError, match=r"data\.zip: its server does not say how large it is"):
        local("http://127.0.0.1:1/data.zip")


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(bucket: str, tmp_path: Path) -> None:
    put(f"{bucket}/data.zip", b"content")
    put(f"{bucket}/data.zip.sha256", hashlib.sha256(b"other").hexdigest().encode() + b"  data.zip\n")
    with pytest.raises(BucketError, match=r"what came is not what data\.zip\.sha256 says"):
        local(f"{bucket}/data.zip")
    assert not [path for path in (tmp_path / "cache").rglob("data.zip*") if path.suffix != ".json"]
    put(f"{bucket}/data.zip.sha256", hashlib.sha256(b"content").hexdigest().encode() + b"  data.zip\n")
    assert local(f"{bucket}/data.zip").read_bytes() == b"content"


@pytest.mark.parametrize("place", ["nothing.zip", "folder"])
def test_what_is_not_there_or_a_folder(place: str, bucket: str) -> None:
    put(f"{bucket}/folder/file", b"1")
    with pytest.raises(BucketError, match=r"there is no such file or bucket|is a folder; give a file in it"):
        local(f"{bucket}/{place}")


class BreakingProxy:
    """Passes bytes on to a server; a connection ends after so many from it, until so many have been cut off."""

    def __init__(self, port: int, after: int, cuts: int) -> None:
        self.target, self.after, self.cuts = port, after, cuts
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, counted: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while content := one.recv(1024):
                passed += len(content)
                if counted and passed > self.after and self.cuts > 0:
                    self.cuts -= 1
                    break
                other.sendall(content)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def test_a_connection_that_breaks_is_taken_up_where_it_was(
    bucket: str, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = os.urandom(300_000)
    put(f"{bucket}/data.zip", content)
    monkeypatch.setattr(fetch, "PIECE", 100_000)
    monkeypatch.setattr(fetch, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    proxy = BreakingProxy(server.port, after=50_000, cuts=1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    assert local(f"{bucket}/data.zip").read_bytes() == content
    assert proxy.cuts == 0
    put(f"{bucket}/other.zip", content)
    proxy.cuts, proxy.after = 10**6, 20_000
    with pytest.raises(BucketError, match=r"0\.0 of 0\.3 MB are there, the same command goes on with the rest"):
        local(f"{bucket}/other.zip")
    (part,) = (tmp_path / "cache").rglob("other.zip.part")
    part.write_bytes(content[:150_000])  # as a process that was killed leaves it
    asked: list[int] = []
    piece = fetch._piece
    monkeypatch.setattr(fetch, "_piece", lambda *given: (asked.append(given[3]), piece(*given))[1])
    proxy.cuts = 0
    assert local(f"{bucket}/other.zip").read_bytes() == content
    assert asked == [150_000, 250_000]
    proxy.socket.close()


def test_a_token_is_of_the_content() -> None:
    listed = {"size": 3, "ETag": "a", "LastModified": "12:00:00.123"}
    assert token(listed) == token({**listed, "LastModified": "12:00:00"})  # as MinIO says it of one file
    assert token(listed) != token({**listed, "ETag": "b"})
    assert token({"size": 3, "mtime": 1}) != token({"size": 3, "mtime": 2})


def test_a_bucket_without_rights(bucket: str, withdrawn: Callable[[], None]) -> None:
    put(f"{bucket}/data.zip", b"content")
    withdrawn()
    with pytest.raises(BucketError, match=r"data\.zip: no right to it \(.*\); check the credentials"):
        local(f"{bucket}/data.zip")
