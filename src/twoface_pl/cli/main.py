"""The entry point: which command, and how errors and stops reach the terminal."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from importlib import import_module
from itertools import takewhile

from twoface_pl import __version__
from twoface_pl.cli.ending import as_options, failure, forget_output, reader_gone, unwind
from twoface_pl.cli.near import nearest
from twoface_pl.errors import Stopped, TwoFaceError

# How often torch's threads (libgomp's) turn in circles where they wait for each other, before they sleep; by default
# 300,000 times. So few cost nothing alone, and beside another program a quarter more is done (make bench-beside). It is
# read when torch is imported.
TURNS = "GOMP_SPINCOUNT", "3000"

HYDRA_COMMANDS = {
    "prepare": "photos of people to a prepared data set",
    "train": "prepared data to checkpoints",
    "evaluate": "figures of a checkpoint, with controls beside each",
    "benchmark": "figures by a fixed protocol, of our generators or of any system's pictures",
    "export": "a checkpoint to ONNX files, checked against torch",
    "masks": "a picture of what mask policies draw",
}
PLAIN_COMMANDS = {
    "inpaint": "fill the hole of a photo, or of a folder of photos, with an exported model",
    "serve": "repair photos over HTTP: forms, TensorFlow Serving's and KServe's protocols",
    "inspect": "what an exported file takes and gives, and where it comes from",
    "doctor": "versions, devices, packages and weights of this machine",
    "demo": "a drawn portrait repaired with the package's model, in seconds",
    "demo-training": "the whole path on synthetic faces, in minutes",
}
EXTRAS = {
    "prepare": "train",
    "train": "train",
    "evaluate": "train",
    "benchmark": "train",
    "export": "train",
    "masks": "train",
    "serve": "serve",
    "demo-training": "train",
}


def _usage() -> str:
    def lines(commands: dict[str, str]) -> str:
        return "\n".join(f"  {name:15}{text}" for name, text in commands.items())

    return (
        "usage: twoface <command> [...]\n\n"
        "Fill a hole in a photo of a face from a second photo of the same person.\n\n"
        f"commands with Hydra overrides (key=value; --cfg job, --multirun, --help):\n{lines(HYDRA_COMMANDS)}\n\n"
        f"commands with options (--help):\n{lines(PLAIN_COMMANDS)}\n\n"
        "  --version prints the version"
    )


def _check_options(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """Refuse an option that is none before argparse finds that the one which was meant is missing."""
    known = [*re.findall(r"--([a-z-]+)", parser.format_usage()), "help"]
    for text in takewhile(lambda text: text != "--", arguments):
        dashes, name = text[:2], text[2:].partition("=")[0]
        if dashes == "--" and not any(option.startswith(name) for option in known):
            meant = nearest(name, known, most=1)
            parser.error(f"there is no option --{name}" + (f"; did you mean --{meant}?" if meant else ""))


def _dispatch(command: str, arguments: list[str]) -> int:
    if command in HYDRA_COMMANDS:
        from twoface_pl.cli.hydra_app import run_hydra

        return run_hydra(command, HYDRA_COMMANDS[command], arguments)
    module = import_module(f"twoface_pl.cli.{command.replace('-', '_')}")
    parser = argparse.ArgumentParser(prog=f"twoface {command}", description=PLAIN_COMMANDS[command])
    module.add_arguments(parser)
    _check_options(parser, arguments)
    return int(module.run(parser.parse_args(arguments)))


def _print_anything() -> None:
    """Names need not be printable in the terminal's encoding; what cannot be shown is escaped, not fatal. Nor need
    there be a terminal: a service may have closed all three."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (for as long as the process lives)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _run(command: str, arguments: list[str]) -> int:
    """The exit status of a command; what it raises is said."""
    try:
        return _dispatch(command, arguments)
    except TwoFaceError as error:
        said = str(error) if command in HYDRA_COMMANDS else as_options(str(error))
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if command not in EXTRAS or missing == "twoface_pl":
            raise
        said = f"package '{missing}' is not installed; pip install 'twoface-pl[{EXTRAS[command]}]'"
    except BrokenPipeError:
        raise
    except Exception as error:
        known = failure(error)
        if known is None:
            raise
        said = known
    print(f"twoface {command}: {said}", file=sys.stderr)
    return 1


def main() -> int:
    """Run the command that ``sys.argv`` names; returns the exit status."""
    _print_anything()
    os.environ.setdefault(*TURNS)
    arguments = sys.argv[1:]
    try:
        status = _main(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        return reader_gone()
    except OSError as error:  # of the last flush: a full disk
        forget_output()
        print(f"twoface: standard output cannot be written ({error.strerror})", file=sys.stderr)
        return 1


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"twoface {__version__}")
        return 0
    command = arguments[0]
    if command not in HYDRA_COMMANDS | PLAIN_COMMANDS:
        meant = nearest(command, [*HYDRA_COMMANDS, *PLAIN_COMMANDS, "--version", "--help"], most=1)
        near = f"; did you mean {meant}?" if meant else ""
        print(
            f"twoface: no {'option' if command.startswith('-') else 'command'} '{command}'{near}\n\n{_usage()}",
            file=sys.stderr,
        )
        return 2
    for name in ("SIGTERM", "SIGHUP", "SIGUSR1"):  # Windows has one of them; the last is SLURM's
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, unwind)
    try:
        return _run(command, arguments[1:])
    except (KeyboardInterrupt, Stopped) as stop:
        kept = f"; {stop.kept}" if isinstance(stop, Stopped) and stop.kept else ""
        print(f"\ntwoface {command}: stopped{kept}", file=sys.stderr)
        return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)
