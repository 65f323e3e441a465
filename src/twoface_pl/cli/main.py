"""The entry point: which command, and how errors reach the terminal."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from twoface_pl import __version__
from twoface_pl.errors import TwoFaceError

HYDRA_COMMANDS = {
    "prepare": "photos of people to a prepared data set",
    "train": "prepared data to checkpoints",
    "evaluate": "figures of a checkpoint, with controls beside each",
    "export": "a checkpoint to one ONNX file, checked against torch",
    "masks": "a picture of what mask policies draw",
}
PLAIN_COMMANDS = {
    "inpaint": "fill the hole of a photo, or of a folder of photos, with an exported model",
    "serve": "answer the 2018 REST protocol over HTTP",
    "doctor": "versions, devices, packages and weights of this machine",
    "demo": "the whole path on synthetic faces, in minutes",
}
EXTRAS = {
    "prepare": "train",
    "train": "train",
    "evaluate": "train",
    "export": "train",
    "masks": "train",
    "serve": "serve",
    "demo": "train",
}


def _usage() -> str:
    def lines(commands: dict[str, str]) -> str:
        return "\n".join(f"  {name:10}{text}" for name, text in commands.items())

    return (
        "usage: twoface <command> [...]\n\n"
        "Fill a hole in a photo of a face from a second photo of the same person.\n\n"
        f"commands with Hydra overrides (key=value; --cfg job, --multirun, --help):\n{lines(HYDRA_COMMANDS)}\n\n"
        f"commands with options (--help):\n{lines(PLAIN_COMMANDS)}\n\n"
        "  --version prints the version"
    )


def _dispatch(command: str, arguments: list[str]) -> int:
    if command in HYDRA_COMMANDS:
        from twoface_pl.cli.hydra_app import run_hydra

        return run_hydra(command, arguments)
    module = import_module(f"twoface_pl.cli.{command}")
    parser = argparse.ArgumentParser(prog=f"twoface {command}", description=PLAIN_COMMANDS[command])
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(arguments)))


def main() -> int:
    """Run the command that ``sys.argv`` names; returns the exit status."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"twoface {__version__}")
        return 0
    command = arguments[0]
    if command not in HYDRA_COMMANDS | PLAIN_COMMANDS:
        print(f"twoface: no command '{command}'\n\n{_usage()}", file=sys.stderr)
        return 2
    try:
        return _dispatch(command, arguments[1:])
    except TwoFaceError as error:
        print(f"twoface {command}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if command not in EXTRAS or missing == "twoface_pl":
            raise
        print(
            f"twoface {command}: package '{missing}' is not installed; pip install 'twoface-pl[{EXTRAS[command]}]'",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"\ntwoface {command}: stopped", file=sys.stderr)
        return 130
