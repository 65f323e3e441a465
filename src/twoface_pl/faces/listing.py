"""Which files of a folder are photos, and which are left out."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.formats import PHOTO_SUFFIXES

SHOWN = 5  # names in a sentence
NOT_MEANT = frozenset({"thumbs.db", "desktop.ini"})  # what systems leave in folders; hidden files are not meant either


def is_hidden(name: str) -> bool:
    """Whether a file's or folder's name says that people do not mean it."""
    return name.startswith(".") or name.casefold() in NOT_MEANT


def has_photo_suffix(name: str) -> bool:
    """Whether a file's name is a photo's."""
    return Path(name).suffix.lower() in PHOTO_SUFFIXES


def some_of(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def counted(number: int, one: str, several: str = "") -> str:
    """A number of things in words.

    >>> counted(1, "photo"), counted(2, "photo"), counted(0, "person", "people")
    ('1 photo', '2 photos', '0 people')
    """
    return f"{number} {one if number == 1 else several or f'{one}s'}"


@dataclass(frozen=True)
class Photos:
    """What a folder holds."""

    paths: list[Path]  # of photos, sorted by their names in the folder
    left_out: list[Path]  # other files, and links to folders


def list_photos(folder: Path, without: Collection[Path] = ()) -> Photos:
    """The photos of a folder and its sub-folders, by suffix; hidden files are not meant.

    Args:
        folder: the folder; links to further folders are not followed.
        without: folders in it that are not entered, and files that are not meant.

    Raises:
        TwoFaceError: a folder cannot be read.
    """
    kept_out = {path.resolve() for path in without}

    def fail(error: OSError) -> None:
        raise TwoFaceError(f"{error.filename}: this folder cannot be read ({error.strerror})") from None

    found = Photos([], [])
    for place, folders, files in os.walk(folder, onerror=fail):
        here = Path(place)
        found.left_out.extend(here / name for name in folders if not is_hidden(name) and (here / name).is_symlink())
        folders[:] = sorted(name for name in folders if not is_hidden(name) and (here / name).resolve() not in kept_out)
        for name in files:
            if not is_hidden(name):
                is_photo = has_photo_suffix(name) and (here / name).is_file()
                if kept_out and (here / name).resolve() in kept_out:
                    continue
                (found.paths if is_photo else found.left_out).append(here / name)
    for paths in (found.paths, found.left_out):
        paths.sort(key=lambda path: path.relative_to(folder).parts)
    return found
