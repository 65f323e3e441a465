"""Where a run's folder is: one for all processes that torchrun or SLURM started; here too, where it is in a bucket."""

from __future__ import annotations

import os
from pathlib import Path

from twoface_pl.errors import require

RANKS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS"))  # torchrun's, and SLURM's, where it is no shell
RUN_DIR, SWEEP_DIR = "hydra.run.dir=", "hydra.sweep.dir="
RUN_ADDRESS = "TWOFACE_RUN_ADDRESS"  # of the run's folder in a bucket, for the command that runs in it
SHELLS = ("bash", "interactive")  # names of SLURM's jobs that people type in


def launched_rank() -> int | None:
    """This process's number among all that a launcher started; None where nobody did, or one alone."""
    if os.environ.get("SLURM_JOB_NAME") in SHELLS and "RANK" not in os.environ:
        return None
    for rank, count in RANKS:
        if rank in os.environ and count in os.environ:
            return int(os.environ[rank]) if int(os.environ[count]) > 1 else None
    return None


def shared_run(arguments: list[str]) -> list[str]:
    """The arguments that Hydra gets in such a process: all write into one folder, only the first one the config.

    Raises:
        TwoFaceError: no folder is given; each process would make its own.
    """
    rank = launched_rank()
    if rank is None:
        return arguments
    is_given = any(argument.lstrip("+").startswith(RUN_DIR) for argument in arguments)
    told = "processes that torchrun or srun starts need one folder, which each is given: hydra.run.dir=runs/<name>"
    require(is_given, told)
    if rank == 0:
        return arguments
    return [*arguments, f"hydra.job.name=train_rank{rank}", "hydra.output_subdir=null"]


def require_writable(arguments: list[str]) -> None:
    """Refuse a run whose folder cannot be made, at which Hydra itself fails.

    Raises:
        TwoFaceError: names the folder that cannot be written into.
    """
    if any(argument.startswith("-") and argument not in ("-m", "--multirun") for argument in arguments):
        return  # help, or the config: nothing is written
    given = [argument for argument in arguments if argument.startswith((RUN_DIR, SWEEP_DIR)) and "${" not in argument]
    for place in given or ["."]:
        folder = Path(place.partition("=")[2].strip("'\"")).absolute()
        while not folder.exists():
            folder = folder.parent
        is_fine = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
        told = "cannot be written into" if folder.is_dir() else "is a file"
        require(
            is_fine, f"{given[0] if given else 'runs'}: {folder} {told}; give another folder: hydra.run.dir=<folder>"
        )


def run_here(arguments: list[str]) -> list[str]:
    """The arguments that Hydra gets for a run in a bucket: a folder on this machine; the address is kept beside."""
    from twoface_pl.buckets.address import MARK, is_address, require_here
    from twoface_pl.buckets.mirror import run_folder

    os.environ.pop(RUN_ADDRESS, None)
    given = []
    for argument in arguments:
        if argument.startswith(SWEEP_DIR):
            require_here(SWEEP_DIR.rstrip("="), argument.removeprefix(SWEEP_DIR))
        if argument.startswith(RUN_DIR) and is_address(argument):
            address = argument.removeprefix(RUN_DIR).strip("'\"")
            has_place = bool(address.partition(MARK)[2].strip("/"))
            require(has_place, f"{argument}: name a bucket and a folder in it")
            os.environ[RUN_ADDRESS] = address
            argument = f"{RUN_DIR}{run_folder(address)}"
        given.append(argument)
    return given
