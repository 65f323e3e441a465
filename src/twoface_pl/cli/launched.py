"""Where a run's folder is: one for all processes that torchrun or SLURM started; here too, where it is in a bucket."""

from __future__ import annotations

import os

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
    key = SWEEP_DIR if {"-m", "--multirun"} & set(arguments) else RUN_DIR
    given = [argument.lstrip("+") for argument in arguments if argument.lstrip("+").startswith(key)]
    place = (given or [f"{key}runs"])[-1]
    # Up to what Hydra fills in, and of that up to what is there.
    folder = os.path.abspath(os.path.expanduser(place.removeprefix(key).strip("'\"").partition("${")[0]))
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    told = "cannot be written into" if os.path.isdir(folder) else "is a file"
    advice = "another TWOFACE_CACHE" if RUN_ADDRESS in os.environ else f"another folder: {key}<folder>"
    is_fine = os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)
    require(is_fine, f"{place}: {folder} {told}; give {advice}")


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
