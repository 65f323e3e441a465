"""Writing files: all of it or nothing, and no trace of a failure."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from twoface_pl.errors import TwoFaceError

CHECKSUM = ".sha256"  # a file beside another one, as sha256sum writes it
TEMPORARY = ".twoface-"  # what a name begins with until the file is whole


@contextmanager
def new_folders(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; those that are new and still empty go again if the block fails.

    Raises:
        TwoFaceError: they cannot be made.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TwoFaceError(f"{folder}: cannot be written ({error.strerror})") from None
    try:
        yield
    except BaseException:
        for path in made:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise


def led_to(path: Path) -> Path:
    """Where a path leads, over links; the end need not be there.

    Raises:
        OSError: it is a link to itself, which ``Path.resolve`` tells up to Python 3.12 alone.
    """
    with suppress(FileNotFoundError):
        path.stat()
    return path.resolve()


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Call ``write`` on a temporary neighbour, then move it to ``path``: all of it or nothing.

    A link stays one: what it leads to is written.

    Raises:
        TwoFaceError: the folder cannot be written, or the disk is full.
    """
    if path.is_symlink():
        try:
            path = led_to(path)
        except OSError as error:
            raise TwoFaceError(f"{path}: cannot be written ({error.strerror or error})") from None
    with new_folders(path.parent):
        temporary = _temporary_neighbour(path)
        try:
            write(temporary)
            temporary.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~UMASK)
            temporary.replace(path)
        except OSError as error:
            raise TwoFaceError(f"{path}: cannot be written ({error.strerror or error})") from None
        finally:
            temporary.unlink(missing_ok=True)


def write_folder_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Call ``write`` on a temporary folder, then move it to ``path``, which must not exist: all of it or nothing.

    Raises:
        TwoFaceError: the folder cannot be written, or the disk is full.
    """
    with new_folders(path.parent):
        try:
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=TEMPORARY) as temporary:
                made = Path(temporary) / path.name
                made.mkdir()
                write(made)
                made.rename(path)
        except OSError as error:
            raise TwoFaceError(f"{path}: cannot be written ({error.strerror or error})") from None


def _temporary_neighbour(path: Path) -> Path:
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY, suffix=path.suffix)
    except OSError as error:
        raise TwoFaceError(f"{path}: cannot be written ({error.strerror})") from None
    os.close(handle)
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


UMASK = _umask()  # once: to ask is to change it for all threads


def sha256_of(path: Path) -> str:
    """A file's checksum, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, atomically."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomically(path, write)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, atomically."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))  # names of files need not be UTF-8
