"""Opening files that users name: each refusal is a sentence, and none hangs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twoface_pl.errors import TwoFaceError


def check_file(path: Path, what: str, advice: str) -> int:
    """Refuse what is no file that can be read: a pipe would wait for ever, a device has no end.

    Args:
        path: as the user gave it.
        what: it should be, for the sentence: "model".
        advice: where to get one.

    Returns:
        its size in bytes.

    Raises:
        TwoFaceError: missing, a folder, a pipe or device, or not readable.
    """
    try:
        state = os.stat(path)
    except FileNotFoundError:
        raise TwoFaceError(f"no {what} {path}; {advice}") from None
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise TwoFaceError(f"no {what} {shortened(path)} ({error.strerror}); {advice}") from None
    except ValueError as error:  # a zero byte in the name
        raise TwoFaceError(f"no {what} {shortened(path)!r} ({error}); {advice}") from None
    if not stat.S_ISREG(state.st_mode):
        kind = "a folder" if stat.S_ISDIR(state.st_mode) else "a pipe or a device"
        raise TwoFaceError(f"{path}: {kind}, not a {what}; {advice}")
    if not os.access(path, os.R_OK):
        raise TwoFaceError(f"{path}: this {what} may not be read; see its permissions")
    return state.st_size


def shortened(path: Path) -> str:
    """A path for a sentence: of one that no file can have, its beginning."""
    text = str(path)
    return text if len(text) <= 300 else f"{text[:60]}... of {len(text)} characters"


def first_line(error: BaseException, most: int = 200) -> str:
    """What a library's error says, in one line that fits into a sentence."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else repr(error))[:most]
