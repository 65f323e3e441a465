"""What both demos do: a folder of their own, and commands that are shown."""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from twoface_pl.errors import TwoFaceError

MARKER = ".twoface-demo"  # in folders that a demo may clear


def add_folder(parser: argparse.ArgumentParser, default: str) -> None:
    what = "where everything goes (%(default)s); an earlier demo in it is replaced"
    parser.add_argument("--folder", type=Path, default=Path(default), help=what)


def clear_folder(folder: Path, made: Collection[str]) -> None:
    """Make the folder, or remove an earlier demo from it; what else was put there since stays.

    Args:
        folder: of a demo.
        made: names of what the demo leaves in it.

    Raises:
        TwoFaceError: it is a file, or holds something else.
    """
    marker = folder / MARKER
    if folder.exists() and not folder.is_dir():
        raise TwoFaceError(f"{folder} is a file; give another --folder")
    folder.mkdir(parents=True, exist_ok=True)
    content = list(folder.iterdir())
    if content and not marker.is_file():
        raise TwoFaceError(f"{folder} holds something else than a demo; give another --folder")
    marker.touch()
    for path in content:
        if path.name in made:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def twoface(*arguments: str) -> None:
    """Show a command and run it.

    Raises:
        TwoFaceError: it failed.
    """
    print(f"\n$ {shlex.join(['twoface', *arguments])}", flush=True)
    status = subprocess.run([sys.executable, "-m", "twoface_pl", *arguments], check=False).returncode
    if status:
        raise TwoFaceError(f"`twoface {arguments[0]}` failed with status {status}; its message is above")
