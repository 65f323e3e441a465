"""Data, runs and exports in a bucket of a real S3 server on this machine; connections that break, buckets that go."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Run, tiny_data, tiny_module, tiny_options
from served import free_port

from twoface_pl.buckets import fetch
from twoface_pl.buckets.address import BucketError, is_address, open_address, token
from twoface_pl.buckets.fetch import local
from twoface_pl.buckets.mirror import Mirror, run_folder, staged
from twoface_pl.data_prep.layout import write_zip
from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.checkpoint import read_checkpoint
from twoface_pl.training.train import train

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")
boto3 = pytest.importorskip("boto3")
TRAIN = [
    "train", "experiment=smoke", "identity=none", "losses=reconstruction", "image_size=64", "logger=csv",
    "data.workers=0", "validate_every=2", "data.validation_photos=4", "progress=false",
]  # fmt: skip


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


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
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


def _put(address: str, content: bytes) -> None:
    system, path = open_address(address)
    system.pipe_file(path, content)


def test_what_must_be_here(twoface: Run, tmp_path: Path) -> None:
    done = twoface("prepare", "source.root=photos", "root=s3://bucket/set", cwd=tmp_path)
    assert done.returncode == 1
    assert "root=s3://bucket/set: give a path on this machine" in done.stderr
    assert not list(tmp_path.iterdir())
    swept = twoface("train", "--multirun", "seed=1,2", "hydra.sweep.dir=s3://bucket/sweep", cwd=tmp_path)
    assert swept.returncode == 1
    assert "hydra.sweep.dir=s3://bucket/sweep: give a path on this machine" in swept.stderr
    assert not list(tmp_path.iterdir())


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
    _put(f"{bucket}/a/data.zip", b"1" * 2500)
    assert local(f"{bucket}/a/data.zip").read_bytes() == b"1" * 2500
    assert local(f"{bucket}/a/data.zip").name == "data.zip"
    assert len(pieces) == 3
    _put(f"{bucket}/a/data.zip", b"2" * 2500)
    assert local(f"{bucket}/a/data.zip").read_bytes() == b"2" * 2500
    assert len(pieces) == 6


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(bucket: str, tmp_path: Path) -> None:
    _put(f"{bucket}/data.zip", b"content")
    _put(f"{bucket}/data.zip.sha256", hashlib.sha256(b"other").hexdigest().encode() + b"  data.zip\n")
    with pytest.raises(BucketError, match=r"what came is not what data\.zip\.sha256 says"):
        local(f"{bucket}/data.zip")
    assert not [path for path in (tmp_path / "cache").rglob("data.zip*") if path.suffix != ".json"]
    _put(f"{bucket}/data.zip.sha256", hashlib.sha256(b"content").hexdigest().encode() + b"  data.zip\n")
    assert local(f"{bucket}/data.zip").read_bytes() == b"content"


@pytest.mark.parametrize("place", ["nothing.zip", "folder"])
def test_what_is_not_there_or_a_folder(place: str, bucket: str) -> None:
    _put(f"{bucket}/folder/file", b"1")
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
    _put(f"{bucket}/data.zip", content)
    monkeypatch.setattr(fetch, "PIECE", 100_000)
    monkeypatch.setattr(fetch, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    proxy = BreakingProxy(server.port, after=50_000, cuts=1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    assert local(f"{bucket}/data.zip").read_bytes() == content
    assert proxy.cuts == 0
    _put(f"{bucket}/other.zip", content)
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


def test_a_training_runs_from_bucket_to_bucket_and_another_machine_goes_on(
    twoface: Run, prepared: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = tmp_path / "set"
    shutil.copytree(prepared, root)
    zipped = write_zip(root)
    for path in (zipped, zipped.with_name("data.zip.sha256")):
        _put(f"{bucket}/{path.name}", path.read_bytes())
    command = [*TRAIN, f"data.root={bucket}/data.zip", f"hydra.run.dir={bucket}/runs/mine", "resume=auto"]
    first = twoface(*command, "max_batches=4", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert f"the best checkpoint is {bucket}/runs/mine/best.ckpt" in first.stdout
    system, path = open_address(f"{bucket}/runs/mine")
    there = {name.removeprefix(f"{path}/") for name in system.find(path)}
    assert there >= {"last.ckpt", "best.ckpt", "record.yaml", "train.log", "csv/version_0/metrics.csv"}
    assert any(name.startswith("pictures/") for name in there)
    assert {entry.name for entry in tmp_path.iterdir()} == {"set", "cache"}
    monkeypatch.setenv("TWOFACE_CACHE", str(tmp_path / "another machine"))
    second = twoface(*command, "max_batches=6", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert "going on from" in second.stdout + second.stderr
    fetched = local(f"{bucket}/runs/mine/last.ckpt")
    assert read_checkpoint(fetched)["batches_done"] == 6
    monkeypatch.setenv("TWOFACE_CACHE", str(tmp_path / "cache"))  # the first machine has what is older by now
    third = twoface(*command, "max_batches=8", cwd=tmp_path)
    assert third.returncode == 0, third.stderr
    assert read_checkpoint(local(f"{bucket}/runs/mine/last.ckpt"))["batches_done"] == 8
    judged = twoface(
        "evaluate", f"checkpoint={bucket}/runs/mine/best.ckpt", f"root={bucket}/data.zip", "identity=none", "photos=2",
        "output=figures", cwd=tmp_path,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stderr
    missing = twoface(*TRAIN, f"data.root={bucket}/none.zip", "hydra.run.dir=here", cwd=tmp_path)
    assert missing.returncode == 1
    assert f"{bucket}/none.zip: there is no such file or bucket" in missing.stderr
    assert not (tmp_path / "here").exists()


def test_a_training_whose_bucket_vanishes_ends_with_a_sentence_and_goes_on(
    prepared: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_folder(f"{bucket}/runs/b")
    mirror = Mirror(folder, f"{bucket}/runs/b")
    system, path = open_address(bucket)

    def saved() -> None:
        if (folder / "before_last.ckpt").exists():
            system.rm(path, recursive=True)
        mirror.send()

    with pytest.raises(TwoFaceError, match=r"no such file or bucket; 4 batches are saved in .*last\.ckpt"):
        train(tiny_module(), tiny_data(prepared), tiny_options(folder, max_batches=8, saved=saved))
    assert read_checkpoint(folder / "last.ckpt")["batches_done"] == 4
    system.mkdir(path)
    options = tiny_options(folder, max_batches=8, saved=mirror.send, resume=folder / "last.ckpt")
    assert train(tiny_module(), tiny_data(prepared), options).batches == 8
    assert read_checkpoint(local(f"{bucket}/runs/b/last.ckpt"))["batches_done"] == 8


def test_a_bucket_that_vanishes_stops_with_the_last_state_saved_here(bucket: str, tmp_path: Path) -> None:
    folder = run_folder(f"{bucket}/runs/a")
    folder.mkdir(parents=True)
    (folder / "last.ckpt").write_bytes(b"1")
    mirror = Mirror(folder, f"{bucket}/runs/a")
    mirror.send()
    (folder / "last.ckpt").write_bytes(b"22")
    system, path = open_address(bucket)
    system.rm(path, recursive=True)
    with pytest.raises(BucketError, match="there is no such file or bucket"):
        mirror.send()
    assert (folder / "last.ckpt").read_bytes() == b"22"


def test_another_machine_is_not_written_over(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def machine(name: str) -> Mirror:
        monkeypatch.setenv("TWOFACE_CACHE", str(tmp_path / name))
        folder = run_folder(f"{bucket}/runs/a")
        folder.mkdir(parents=True)
        return Mirror(folder, f"{bucket}/runs/a")

    one = machine("one")
    one.take_over()
    assert not caplog.text
    (one.folder / "last.ckpt").write_bytes(b"1")
    one.send()
    two = machine("two")
    (two.folder / "last.ckpt").write_bytes(b"22")
    with pytest.raises(BucketError, match=r"/last\.ckpt was written by another machine since; only one can train"):
        two.send()
    two.take_over()
    assert f"{bucket}/runs/a holds a run already, which is written over" in caplog.text
    two.send()
    (one.folder / "last.ckpt").write_bytes(b"333")
    (one.folder / "best.ckpt").write_bytes(b"333")  # goes up first, by its name
    with pytest.raises(BucketError, match=f"What was trained here is in {re.escape(str(one.folder))}; resume=auto"):
        one.send()
    assert local(f"{bucket}/runs/a/last.ckpt").read_bytes() == b"22"
    assert not open_address(bucket)[0].exists(f"{bucket}/runs/a/best.ckpt")
    one.fetch()
    assert (one.folder / "last.ckpt").read_bytes() == b"22"
    (one.folder / "last.ckpt").write_bytes(b"4444")
    one.send()
    assert local(f"{bucket}/runs/a/last.ckpt").read_bytes() == b"4444"
    one.take_over()  # begun anew by mistake: a fetch brings it back
    (one.folder / "last.ckpt").write_bytes(b"5")
    one.fetch()
    assert (one.folder / "last.ckpt").read_bytes() == b"4444"
    assert json.loads((one.folder / ".sent.json").read_text())["last.ckpt"]["here"]


def test_a_token_is_of_the_content() -> None:
    listed = {"size": 3, "ETag": "a", "LastModified": "12:00:00.123"}
    assert token(listed) == token({**listed, "LastModified": "12:00:00"})  # as MinIO says it of one file
    assert token(listed) != token({**listed, "ETag": "b"})
    assert token({"size": 3, "mtime": 1}) != token({"size": 3, "mtime": 2})


def test_only_a_runs_own_files_come_down(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TWOFACE_CACHE", str(tmp_path / "cache"))
    mirror = Mirror(run_folder(f"{bucket}/runs/x"), f"{bucket}/runs/x")
    _put(f"{bucket}/runs/x/last.ckpt", b"1")
    info = open_address(bucket)[0].info(f"{bucket}/runs/x/last.ckpt")
    path = f"{bucket.removeprefix('s3://')}/runs/x"
    names = ("last.ckpt", f"/{tmp_path}/evil", "../evil", ".sent.json")
    monkeypatch.setattr(mirror._system, "find", lambda *_, **__: {f"{path}/{name}": info for name in names})
    mirror.fetch()
    assert {each.name for each in mirror.folder.iterdir()} == {"last.ckpt", ".sent.json", ".fetching"}
    assert not list(tmp_path.rglob("evil"))


@pytest.fixture
def withdrawn(server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Rights that can be withdrawn: a user who has a key, and then may do nothing with it."""
    iam = boto3.client("iam")
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


def test_a_bucket_without_rights(
    twoface: Run, prepared: Path, bucket: str, withdrawn: Callable[[], None], tmp_path: Path
) -> None:
    _put(f"{bucket}/data.zip", b"content")
    withdrawn()
    with pytest.raises(BucketError, match=r"data\.zip: no right to it \(.*\); check the credentials"):
        local(f"{bucket}/data.zip")
    done = twoface(*TRAIN, f"data.root={prepared}", f"hydra.run.dir={bucket}/runs/a", "max_batches=2", cwd=tmp_path)
    assert done.returncode == 1
    assert f"{bucket}/runs/a: no right to it" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(BucketError, match="no right to it"), staged(f"{bucket}/models/face"):
        pass


def test_rights_that_are_withdrawn_in_the_midst(prepared: Path, bucket: str, withdrawn: Callable[[], None]) -> None:
    folder = run_folder(f"{bucket}/runs/b")
    mirror = Mirror(folder, f"{bucket}/runs/b")

    def saved() -> None:
        if (folder / "before_last.ckpt").exists():
            withdrawn()
        mirror.send()

    with pytest.raises(TwoFaceError, match=r"no right to it .*; check the credentials; 4 batches are saved in .*last"):
        train(tiny_module(), tiny_data(prepared), tiny_options(folder, max_batches=8, saved=saved))
    assert read_checkpoint(folder / "last.ckpt")["batches_done"] == 4


def test_exports_are_numbered_in_a_bucket(bucket: str) -> None:
    for expected in ("1", "2"):
        with staged(f"{bucket}/models/face") as output:
            numbers = sorted(path.name for path in output.iterdir()) if output.exists() else []
            version = output / str(len(numbers) + 1)
            assert version.name == expected
            version.mkdir(parents=True)
            (version / "model.onnx").write_bytes(expected.encode())
    assert local(f"{bucket}/models/face/2/model.onnx").read_bytes() == b"2"
    assert local(f"{bucket}/models/face/1/model.onnx").read_bytes() == b"1"


def test_a_run_of_another_command_keeps_its_folder(tmp_path: Path) -> None:
    with staged(str(tmp_path / "models")) as output:
        assert output == tmp_path / "models"
