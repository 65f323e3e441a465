"""A training that is killed at any moment goes on as one that never was; what is torn is passed over."""

import errno
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run, tiny_data, tiny_module, tiny_options
from warm import HEAVY

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.checkpoint import read_checkpoint
from twoface_pl.training.checkpoints import BEFORE, LAST, newest
from twoface_pl.training.train import TrainResult, train

MOST = {"max_batches": 24, "validate_every": 2}


def _train(prepared: Path, folder: Path, **changes: Any) -> TrainResult:
    torch.manual_seed(0)
    options = tiny_options(folder, **{**MOST, "resume": newest(folder), **changes})
    return train(tiny_module(ema=0.9), tiny_data(prepared), options)


def _alone(prepared: Path, folder: Path) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    _train(prepared, folder)


def _same(one: Any, other: Any) -> bool:
    """Bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_training_ends_bit_for_bit_as_one_that_never_was(kills: int, prepared: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)

    def start(folder: str) -> Any:
        process = context.Process(target=_alone, args=(prepared, tmp_path / folder))
        process.start()
        return process

    unbroken, begun = start("unbroken"), time.monotonic()
    unbroken.join()
    assert unbroken.exitcode == 0
    whole, rng, killed = time.monotonic() - begun, random.Random(kills), 0
    while killed < kills:
        process = start("killed")
        process.join(rng.uniform(0, 0.7) * whole)
        if process.exitcode is None:
            process.kill()
            killed += 1
        process.join()
        last = tmp_path / "killed" / LAST
        if last.is_file() and read_checkpoint(last)["batches_done"] == MOST["max_batches"]:
            break  # faster than its kills
    if not last.is_file() or read_checkpoint(last)["batches_done"] < MOST["max_batches"]:
        process = start("killed")
        process.join()
        assert process.exitcode == 0
    assert killed >= min(kills, 2)
    one, other = (read_checkpoint(tmp_path / name / LAST) for name in ("unbroken", "killed"))
    for part in ("state_dict", "optimizer_states", "batches_done", "broken_photos"):
        assert _same(one[part], other[part]), part
    left = {path.name for path in (tmp_path / "killed").glob("*.ckpt")} | {
        path.name for path in (tmp_path / "killed").glob(".*.ckpt")
    }
    assert left == {"best.ckpt", LAST, BEFORE}


def test_a_torn_checkpoint_is_passed_over_for_the_one_before(prepared: Path, tmp_path: Path, caplog) -> None:
    assert newest(tmp_path) is None
    last = _train(prepared, tmp_path, max_batches=6).last
    assert newest(tmp_path) == last
    assert read_checkpoint(tmp_path / BEFORE)["batches_done"] == 4
    last.write_bytes(last.read_bytes()[:5000])
    assert newest(tmp_path) == tmp_path / BEFORE
    assert "last.ckpt" in caplog.text
    assert "looking for the one before" in caplog.text
    result = _train(prepared, tmp_path, max_batches=8)
    assert read_checkpoint(result.last)["batches_done"] == 8
    for path in tmp_path.glob("*.ckpt"):
        path.write_bytes(b"torn")
    with pytest.raises(TwoFaceError, match=r"no checkpoint in .* can be read; start anew in another folder"):
        newest(tmp_path)


def test_a_full_disk_ends_it_with_a_sentence_and_what_was_saved(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _train(prepared, tmp_path, max_batches=2)
    before = (tmp_path / LAST).read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TwoFaceError, match=r"\.ckpt: cannot be written \(No space left on device\)"):
        _train(prepared, tmp_path, max_batches=4)
    assert (tmp_path / LAST).read_bytes() == before
    assert not list(tmp_path.glob(".*"))


SMALL = [
    "experiment=smoke", "identity=none", "losses=reconstruction", "image_size=64", "logger=none", "data.workers=0",
    "validate_every=2", "data.validation_photos=4", "hydra.run.dir=run", "resume=auto",
]  # fmt: skip


def test_the_same_command_starts_goes_on_and_is_done(twoface: Run, prepared: Path, tmp_path: Path) -> None:
    command = ["train", *SMALL, f"data.root={prepared}"]
    first = twoface(*command, "max_batches=2", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "no checkpoint in" in first.stdout + first.stderr
    second = twoface(*command, "max_batches=4", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert "going on from" in second.stdout + second.stderr
    assert read_checkpoint(tmp_path / "run" / LAST)["batches_done"] == 4
    done = twoface(*command, "max_batches=4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all 4 batches are done" in done.stdout


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_slurms_signal_saves_and_asks_for_the_job_again(prepared: Path, tmp_path: Path) -> None:
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    command = ["train", *SMALL, f"data.root={prepared}", "max_batches=100000", "validate_every=100000"]
    process = context.Process(target=_in_slurm, args=(command, tmp_path))
    process.start()
    end = time.monotonic() + 120
    while not (tmp_path / "run" / "begun").exists() and process.is_alive() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1)
    os.kill(process.pid or 0, signal.SIGUSR1)
    process.join(120)
    assert process.exitcode == 128 + signal.SIGUSR1, (tmp_path / "said").read_text()
    assert (tmp_path / "asked").read_text().split() == ["requeue", "7"]
    assert "job 7 is requeued" in (tmp_path / "said").read_text()
    assert read_checkpoint(tmp_path / "run" / LAST)["batches_done"] > 0


def _in_slurm(command: list[str], folder: Path) -> None:
    """The command as a job of SLURM has it."""
    from warm import _run

    from twoface_pl.training.module import InpaintingModule

    step = InpaintingModule.training_step

    def noted(module: InpaintingModule, *given: Any) -> None:
        step(module, *given)
        (folder / "run" / "begun").touch()

    InpaintingModule.training_step = noted  # type: ignore[method-assign]
    (folder / "2").symlink_to(folder / "said")
    environment = {**os.environ, "SLURM_JOB_ID": "7", "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    _run(command, folder, folder, environment)
