"""Runs a command under Hydra, all of whose own ways keep working."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from twoface_pl.errors import TwoFaceError

RUN_FOLDER = "TWOFACE_RUN_FOLDER"  # rank 0's folder, for the processes that Lightning starts


def _rank_arguments(original: list[str], command: str) -> list[str]:
    """What ranks 1... must be started with: Lightning repeats ``sys.argv``.

    A job of a sweep hands on its own overrides, or every rank would sweep again.
    """
    if HydraConfig.get().mode is not RunMode.MULTIRUN:
        return original
    return [original[0], command, *HydraConfig.get().overrides.task]


def _run_folder() -> Path:
    """The folder of this run; for ranks 1... that of rank 0."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        os.environ[RUN_FOLDER] = HydraConfig.get().runtime.output_dir
    # A launcher other than Lightning's hands nothing on: give every rank the same hydra.run.dir there.
    return Path(os.environ.get(RUN_FOLDER, HydraConfig.get().runtime.output_dir))


def run_hydra(command: str, arguments: list[str]) -> int:
    """Compose the command's config from its overrides and call ``twoface_pl.cli.<command>.run``."""
    original = list(sys.argv)

    @hydra.main(version_base="1.3", config_path="pkg://twoface_pl.conf", config_name=command)
    def app(config: DictConfig) -> None:
        sys.argv = _rank_arguments(original, command)
        plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
        missing = sorted(key for key in OmegaConf.missing_keys(config))
        if missing:
            print(f"twoface {command}: give {', '.join(f'{key}=...' for key in missing)}", file=sys.stderr)
            sys.exit(1)
        try:
            import_module(f"twoface_pl.cli.{command}").run(plain, _run_folder())
        except TwoFaceError as error:
            print(f"twoface {command}: {error}", file=sys.stderr)
            sys.exit(1)

    sys.argv = [f"twoface {command}", *arguments]
    try:
        app()
    finally:
        sys.argv = original
    return 0
