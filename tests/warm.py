"""The command in a process of its own, forked from one that has imported the libraries: on a slow core their import
takes ten seconds, and the command is run a hundred times."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from multiprocessing.context import ForkServerContext
from pathlib import Path

HEAVY = [
    "albumentations", "hydra", "onnxruntime", "pytorch_lightning", "tensorboard", "torch", "torchvision",
    "twoface_pl.cli.main", "twoface_pl.export.export", "twoface_pl.training.train", "twoface_pl.evaluation.evaluate",
    "twoface_pl.data_prep.prepare", "twoface_pl.serving.jobs",
]  # fmt: skip
COMMAND = Path(sys.executable).with_name("twoface")


def warm_context() -> ForkServerContext:
    """Starts processes that have imported the libraries."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    return context


def run_command(arguments: list[str], folder: Path, output: Path, environment: dict[str, str]) -> None:
    """What the installed script does, with everything else that a process has."""
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, output / "1", os.O_WRONLY),
        (2, output / "2", os.O_WRONLY),
    ):
        file = os.open(name, flags | os.O_CREAT)
        os.dup2(file, number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [str(COMMAND), *arguments]
    from twoface_pl.cli.main import main

    sys.exit(main())


class WarmCommand:
    """Runs ``twoface``; as :func:`subprocess.run` does, with its outputs as text."""

    def __init__(self) -> None:
        self._context = warm_context()

    def __call__(
        self, *arguments: object, cwd: Path | None = None, timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        given = [str(argument) for argument in arguments]
        with tempfile.TemporaryDirectory() as name:
            output = Path(name)
            where = (given, cwd or Path.cwd(), output, dict(os.environ))
            process = self._context.Process(target=run_command, args=where)
            process.start()
            process.join(timeout)
            if process.exitcode is None:
                process.kill()
                process.join()
                raise subprocess.TimeoutExpired(given, timeout)
            status = process.exitcode
            said = [(output / number).read_text(errors="replace") for number in "12"]
        return subprocess.CompletedProcess(given, status, *said)
