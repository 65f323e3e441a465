"""Files that are given by their paths, or as standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from twoface_pl.errors import require

STANDARD = Path("-")  # standard input or output, as programs of the shell have it
MOST_INPUT = 2**29  # bytes of standard input: an uncompressed picture of the largest size has fewer


def source(path: Path) -> tuple[Path | bytes, str]:
    """Where a picture is read from, and how errors call it."""
    if path != STANDARD:
        return path, str(path)
    require(sys.__stdin__ is not None, "standard input is closed")
    content = sys.stdin.buffer.read(MOST_INPUT + 1)
    require(len(content) <= MOST_INPUT, f"standard input: more than {MOST_INPUT >> 20} MB")
    require(bool(content), "standard input is empty; send a picture to it")
    return content, "standard input"


def same_file(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False
