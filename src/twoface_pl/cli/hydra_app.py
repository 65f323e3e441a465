"""Runs a command under Hydra, all of whose own ways keep working."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from twoface_pl.cli.arguments import Arguments
from twoface_pl.cli.config_errors import CONFIG_ERRORS, said_of
from twoface_pl.cli.config_help import help_text
from twoface_pl.cli.ending import failure, reader_gone
from twoface_pl.cli.launched import launched_rank, require_writable, run_here, shared_run
from twoface_pl.cli.overrides import override, readable
from twoface_pl.cli.record import RECORD
from twoface_pl.cli.shape import check_shape, choices, groups, refuse_empty_groups
from twoface_pl.errors import Stopped, TwoFaceError, require

RUN_FOLDER = "TWOFACE_RUN_FOLDER"  # rank 0's folder, for the processes that Lightning starts
FULL_ERROR = "HYDRA_FULL_ERROR"  # Hydra's own: errors leave it as they are


def _run_sweep_job(command: str, given: Arguments) -> None:
    """One job of a sweep, in a process of its own: training with several processes needs a fresh one."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    overrides = [*HydraConfig.get().overrides.task, override("hydra.run.dir", folder)]
    words = [sys.executable, "-m", "twoface_pl", command, *given.config_flags, *overrides]
    # Apart from the terminal's group, so that a stop reaches it once, from here, and it can save.
    job = subprocess.Popen(words, start_new_session=True)
    try:
        status = job.wait()
    except (KeyboardInterrupt, Stopped) as stop:
        job.send_signal(stop.number if isinstance(stop, Stopped) else signal.SIGINT)
        job.wait()
        raise
    if status:  # the other jobs still run: Hydra raises this once all are through
        raise TwoFaceError(f"the job in {folder} failed with status {status}; its message is above")


def _run_folder() -> Path:
    """The folder of this run; for ranks 1... that of rank 0."""
    if launched_rank() is not None:
        return Path(HydraConfig.get().runtime.output_dir)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        os.environ[RUN_FOLDER] = HydraConfig.get().runtime.output_dir
    return Path(os.environ.get(RUN_FOLDER, HydraConfig.get().runtime.output_dir))


def _remove_unused(folder: Path) -> None:
    """Remove the folder of a run that was refused before it wrote anything but its config and log."""
    made_here = HydraConfig.get().output_subdir is not None and folder != Path.cwd()
    own = {".hydra", f"{HydraConfig.get().job.name}.log", RECORD, ".training"}  # the last is a training's lock
    others = f"{HydraConfig.get().job.name}_rank"  # logs of the other processes
    if made_here and all(path.name in own or path.name.startswith(others) for path in folder.iterdir()):
        shutil.rmtree(folder)
        if folder.parent != Path.cwd() and not any(folder.parent.iterdir()):
            folder.parent.rmdir()


def _check_shape(command: str, found: dict[str, Any]) -> None:
    """Hold a config against what its command has with the same choices."""
    from hydra import compose

    given = HydraConfig.get().overrides.task
    if given:
        base: Any = OmegaConf.to_container(compose(command, choices(given)))
        check_shape(found, base)


def compose_group(group: str) -> dict[str, dict[str, Any]]:
    """Every config of a group of ``twoface train``, as plain options by name; what users must give is ``???``."""
    from hydra import compose

    composed = {}
    for name in groups()[group]:
        plain: Any = OmegaConf.to_container(compose("train", [f"{group}={name}"])[group], resolve=True)
        composed[name] = plain
    return composed


def _raised_by_hydra(error: Exception) -> bool:
    """Of options that do not go together, which Hydra has no error of its own for."""
    return Path(extract_tb(error.__traceback__)[-1].filename).is_relative_to(Path(hydra.__file__).parent)


@contextmanager
def _full_errors(value: str | None) -> Iterator[str | None]:
    """Hydra's variable as given, and what it was before."""
    before = os.environ.pop(FULL_ERROR, None)
    if value is not None:
        os.environ[FULL_ERROR] = value
    try:
        yield before
    finally:
        os.environ.pop(FULL_ERROR, None)
        if before is not None:
            os.environ[FULL_ERROR] = before


@contextmanager
def in_our_words(command: str, given: Arguments) -> Iterator[str | None]:
    """What Hydra refuses becomes our error; with HYDRA_FULL_ERROR=1 from outside, which is given, it stays as it is.

    Raises:
        TwoFaceError: says what to write.
    """
    with _full_errors("1") as asked:  # without it Hydra would print the error and leave
        try:
            yield asked
        except (*CONFIG_ERRORS, ValueError) as error:
            if asked == "1" or not (isinstance(error, CONFIG_ERRORS) or _raised_by_hydra(error)):
                raise
            raise TwoFaceError(said_of(error, command, given)) from None


def _run_job(command: str, config: DictConfig, given: Arguments) -> None:
    """One run of the command; what ends it is said, and what it made without having begun is removed."""
    folder = _run_folder()
    try:
        plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
        missing = ", ".join(f"{key}=..." for key in sorted(OmegaConf.missing_keys(config)))
        require(not missing, f"give {missing}")
        _check_shape(command, plain)
        import_module(f"twoface_pl.cli.{command}").run(plain, folder)
    except BrokenPipeError:  # Hydra would print it
        sys.exit(reader_gone())
    except Exception as error:
        said = str(error) if isinstance(error, TwoFaceError) else failure(error)
        if isinstance(error, OmegaConfBaseException):
            said = said_of(error, command, given)
        if said is None:
            raise
        _remove_unused(folder)
        print(f"twoface {command}: {said}", file=sys.stderr)
        sys.exit(1)
    except BaseException:  # stopped before it began
        _remove_unused(folder)
        raise


def run_hydra(command: str, summary: str, arguments: list[str]) -> int:
    """Compose the command's config from its overrides and call ``twoface_pl.cli.<command>.run``.

    Args:
        command: of ``twoface``.
        summary: what it does, for ``--help``.
        arguments: overrides, and Hydra's own options.
    """
    original = list(sys.argv)
    given = Arguments.read(command, arguments)
    refuse_empty_groups(given.overrides)
    if "--help" in given.options:
        with in_our_words(command, given):
            print(help_text(command, summary, given.overrides, given.config_dir))
        return 0
    if command == "train":
        placed = run_here(shared_run(given.overrides))
        given = replace(given, overrides=readable(placed, "--multirun" in given.options, command))
        require_writable([*given.flags, *given.overrides])

    @hydra.main(version_base="1.3", config_path="pkg://twoface_pl.conf", config_name=command)
    def app(config: DictConfig) -> None:
        sys.argv = original  # Lightning starts ranks 1... with it
        with _full_errors(asked):
            if HydraConfig.get().mode is RunMode.MULTIRUN:
                _run_sweep_job(command, given)
            else:
                _run_job(command, config, given)

    sys.argv = [f"twoface {command}", *given.flags, *given.overrides]
    try:
        with in_our_words(command, given) as asked:
            app()
    finally:
        sys.argv = original
    return 0
