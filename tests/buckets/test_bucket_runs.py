"""Runs and exports in a bucket: another machine goes on, none writes over another, buckets and rights that go."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run, tiny_data, tiny_module, tiny_options
from s3 import put

from twoface_pl.buckets.address import BucketError, open_address
from twoface_pl.buckets.fetch import local
from twoface_pl.buckets.mirror import Mirror, run_folder, staged
from twoface_pl.data_prep.layout import write_zip
from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.checkpoint import read_checkpoint
from twoface_pl.training.train import train

TRAIN = [
    "train", "experiment=smoke", "identity=none", "losses=reconstruction", "image_size=64", "logger=csv",
    "data.workers=0", "validate_every=2", "data.validation_photos=4", "progress=false",
]  # fmt: skip


def test_what_must_be_here(twoface: Run, tmp_path: Path) -> None:
    done = twoface("prepare", "source.root=photos", "root=s3://bucket/set", cwd=tmp_path)
    assert done.returncode == 1
    assert "root=s3://bucket/set: give a path on this machine" in done.stderr
    assert not list(tmp_path.iterdir())
    swept = twoface("train", "--multirun", "seed=1,2", "hydra.sweep.dir=s3://bucket/sweep", cwd=tmp_path)
    assert swept.returncode == 1
    assert "hydra.sweep.dir=s3://bucket/sweep: give a path on this machine" in swept.stderr
    assert not list(tmp_path.iterdir())


def test_a_training_runs_from_bucket_to_bucket_and_another_machine_goes_on(
    twoface: Run, prepared: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = tmp_path / "set"
    shutil.copytree(prepared, root)
    zipped = write_zip(root)
    for path in (zipped, zipped.with_name("data.zip.sha256")):
        put(f"{bucket}/{path.name}", path.read_bytes())
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
    with pytest.raises(BucketError, match="runs/a holds a training already; resume=auto goes on with it"):
        two.take_over()
    system, path = open_address(f"{bucket}/runs/a")
    system.rm(f"{path}/last.ckpt")
    two.take_over()
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
    with pytest.raises(BucketError, match="holds a training already"):
        one.take_over()  # begun anew by mistake
    (one.folder / "last.ckpt").unlink()
    one.fetch()
    assert (one.folder / "last.ckpt").read_bytes() == b"4444"
    assert json.loads((one.folder / ".sent.json").read_text())["last.ckpt"]["here"]


def test_only_a_runs_own_files_come_down(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TWOFACE_CACHE", str(tmp_path / "cache"))
    mirror = Mirror(run_folder(f"{bucket}/runs/x"), f"{bucket}/runs/x")
    put(f"{bucket}/runs/x/last.ckpt", b"1")
    info = open_address(bucket)[0].info(f"{bucket}/runs/x/last.ckpt")
    path = f"{bucket.removeprefix('s3://')}/runs/x"
    names = ("last.ckpt", f"/{tmp_path}/evil", "../evil", ".sent.json")
    monkeypatch.setattr(mirror._system, "find", lambda *_, **__: {f"{path}/{name}": info for name in names})
    mirror.fetch()
    assert {each.name for each in mirror.folder.iterdir()} == {"last.ckpt", ".sent.json", ".fetching"}
    assert not list(tmp_path.rglob("evil"))


def test_a_run_or_an_export_without_rights(
    twoface: Run, prepared: Path, bucket: str, withdrawn: Callable[[], None], tmp_path: Path
) -> None:
    withdrawn()
    done = twoface(*TRAIN, f"data.root={prepared}", f"hydra.run.dir={bucket}/runs/a", "max_batches=2", cwd=tmp_path)
    assert done.returncode == 1
    assert f"{bucket}/runs/a: no right to it" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(BucketError, match="no right to it"), staged(f"{bucket}/models/face"):
        raise AssertionError("it was not refused")


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
