"""SLURM's signal: a training saves, and asks for its job again."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from warm import run_command, warm_context

from twoface_pl.networks.checkpoint import read_checkpoint
from twoface_pl.training.checkpoints import LAST
from twoface_pl.training.stop import SIGNALS, requeue

SMALL = [
    "experiment=smoke", "identity=none", "losses=reconstruction", "image_size=64", "logger=none", "data.workers=0",
    "validate_every=2", "data.validation_photos=4", "hydra.run.dir=run", "resume=auto",
]  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "script", "says"),
    [
        ({}, "exit 0", None),
        ({"SLURM_JOB_ID": "7"}, 'test "$1 $2" = "requeue 7"', "job 7 is requeued"),
        (
            {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"},
            'test "$2" = 7_3',
            "job 7_3 is requeued",
        ),
        ({"SLURM_JOB_ID": "7"}, "echo no >&2; exit 1", "job 7 could not be requeued (no); submit it again"),
        ({"SLURM_JOB_ID": "7"}, None, "scontrol cannot be run (No such file or directory); submit job 7 again"),
    ],
)
def test_slurm_is_asked_for_the_job_again(
    environment: dict[str, str], script: str | None, says: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if script is not None:
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "scontrol").chmod(0o755)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        assert requeue() == says
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_slurms_signal_saves_and_asks_for_the_job_again(prepared: Path, tmp_path: Path) -> None:
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    context = warm_context()
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
    from twoface_pl.training.module import InpaintingModule

    step = InpaintingModule.training_step

    def noted(module: InpaintingModule, *given: Any) -> None:
        step(module, *given)
        (folder / "run" / "begun").touch()

    InpaintingModule.training_step = noted  # type: ignore[method-assign]
    (folder / "2").symlink_to(folder / "said")
    environment = {**os.environ, "SLURM_JOB_ID": "7", "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    run_command(command, folder, folder, environment)
