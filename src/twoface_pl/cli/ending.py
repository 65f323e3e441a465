"""How a command ends other than well: errors and how they are said, stops that were asked for, readers that left."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from twoface_pl.errors import Stopped, in_words_of

_asked: list[int] = []  # signals that asked the process to stop


def unwind(number: int, _: FrameType | None) -> None:
    """SIGTERM unwinds the program as Ctrl-C does, so that nothing half done is left behind."""
    _asked.append(number)
    raise Stopped(number)


def as_options(text: str) -> str:
    """What is said of a function's arguments, said of the command's options of the same names."""
    return in_words_of(text, lambda name: f"--{name.replace('_', '-')}")


def failure(error: Exception) -> str | None:
    """What an error that is not ours says to people; None of one that is a fault of the program.

    Raises:
        Stopped: a stop was asked for, and what was interrupted made an error of it.
    """
    if _asked:
        raise Stopped(_asked[0])
    if isinstance(error, MemoryError):
        return "not enough memory; use smaller photos, fewer at once, or a machine with more"
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or error}"
    if isinstance(error, ImportError) and "failed to map segment" in str(error):
        return f"not enough memory to load a library ({error})"
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object[:300]!r} is no text (bytes of another encoding); rename this file or folder"
    if isinstance(error, RecursionError):
        return "a file is nested too deep to be read"
    return None


def reader_gone() -> int:
    """The exit status where who reads the output has read enough."""
    forget_output()
    return 128 + getattr(signal, "SIGPIPE", 13)


def forget_output() -> None:
    """What is still buffered goes nowhere, instead of failing once more at the interpreter's end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
