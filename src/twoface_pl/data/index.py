"""The 2018 data layout and its index files.

``<root>/{train,validation,test}/{masked,real,reference}/<identity>/<image>``, with three index files
in each split's folder: ``masked-files.txt`` and ``real-files.txt`` (shuffled ``identity/file`` lines)
and ``reference-files.txt`` (``identity:file,file`` lines). The train split's index also stands at the
root, where the 2018 system had it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import list_photos

SPLITS = ("train", "validation", "test")
ROLES = ("masked", "real", "reference")
FACTS_FILE = "dataset.json"  # what `prepare` did: frame, image size, split
INDEX_FILES = {role: f"{role}-files.txt" for role in ROLES}


@dataclass(frozen=True)
class SplitIndex:
    """What a split holds: ``identity/file`` names of two roles, and each identity's reference files."""

    masked: tuple[str, ...]
    real: tuple[str, ...]
    references: dict[str, tuple[str, ...]]


def split_name(entry: str) -> tuple[str, str]:
    """``identity/file`` to its two parts."""
    identity, _, file = entry.partition("/")
    return identity, file


def _lines(path: Path) -> list[str]:
    """Lines end at line feeds only: names may hold what Unicode also counts as line ends."""
    try:
        return [line.rstrip("\r") for line in path.read_text("utf-8").split("\n")]
    except UnicodeDecodeError as error:
        raise TwoFaceError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from None


def _read_entries(path: Path) -> tuple[str, ...]:
    entries = tuple(line for line in _lines(path) if line.strip())
    for number, entry in enumerate(entries, 1):
        identity, file = split_name(entry)
        if not identity or not file or "/" in file or ".." in (identity, file):
            raise TwoFaceError(f"{path}, line {number}: '{entry[:80]}' is not identity/file")
    return entries


def _read_references(path: Path) -> dict[str, tuple[str, ...]]:
    references = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        identity, colon, files = line.partition(":")
        names = tuple(name for name in files.split(",") if name)
        if not colon or not identity or not names or any("/" in name for name in (identity, *names)):
            raise TwoFaceError(f"{path}, line {number}: '{line[:80]}' is not identity:file,file")
        references[identity] = names
    return references


def _scan_role(folder: Path) -> Iterator[tuple[str, str]]:
    if folder.is_dir():
        for person in sorted(path for path in folder.iterdir() if path.is_dir()):
            for photo in list_photos(person):
                yield person.name, photo.name


def _scan(split_folder: Path) -> SplitIndex:
    references = defaultdict(list)
    for identity, file in _scan_role(split_folder / "reference"):
        references[identity].append(file)
    entries = {
        role: tuple(f"{identity}/{file}" for identity, file in _scan_role(split_folder / role))
        for role in ("masked", "real")
    }
    return SplitIndex(**entries, references={person: tuple(files) for person, files in references.items()})


def _read_index_files(folder: Path) -> SplitIndex | None:
    paths = {role: folder / name for role, name in INDEX_FILES.items()}
    present = [path for path in paths.values() if path.is_file()]
    if not present:
        return None
    missing = [path for path in paths.values() if not path.is_file()]
    if missing:
        raise TwoFaceError(f"{missing[0]} is missing beside {present[0].name}; run `twoface prepare` again")
    return SplitIndex(
        _read_entries(paths["masked"]), _read_entries(paths["real"]), _read_references(paths["reference"])
    )


def _check_files(index: SplitIndex, split_folder: Path) -> None:
    names = [split_folder / "masked" / entry for entry in index.masked]
    names += [split_folder / "real" / entry for entry in index.real]
    names += [
        split_folder / "reference" / person / file for person, files in index.references.items() for file in files
    ]
    missing = [name for name in names if not name.is_file()]
    if missing:
        raise TwoFaceError(
            f"the index names {len(missing)} files that are not there, the first is {missing[0]}; "
            "run `twoface prepare` again or delete the index files to have the folders scanned"
        )


def read_index(root: Path, split: str) -> SplitIndex:
    """The index of a split: from its folder, else from the root (2018 had one root a split), else scanned.

    Raises:
        TwoFaceError: no such folder, a malformed line, files that are missing, or nothing to learn from.
    """
    folder = root / split
    if not folder.is_dir() and (root / SPLITS[0]).is_dir():
        raise TwoFaceError(f"{root} has no {split} split: run `twoface prepare` again with a larger split.{split}")
    if not folder.is_dir():
        raise TwoFaceError(f"no folder {folder}; make it with `twoface prepare source.root=<photos> root={root}`")
    index = _read_index_files(folder)
    if index is None:
        index = _read_index_files(root)
        # An index at the root that names nothing of this split belongs to another one.
        if index is not None and not any((folder / "masked" / entry).is_file() for entry in index.masked):
            index = None
    if index is None:
        index = _scan(folder)
    _check_files(index, folder)
    if not index.masked or not index.real or not index.references:
        raise TwoFaceError(
            f"{folder} holds {len(index.masked)} masked photos, {len(index.real)} real ones and references "
            f"of {len(index.references)} people; each must be at least 1"
        )
    return index


def read_frame(root: Path) -> str:
    """The frame a data set was prepared in; ``unknown`` for a tree that another program made."""
    path = root / FACTS_FILE
    if not path.is_file():
        return "unknown"
    try:
        return str(json.loads(path.read_text("utf-8"))["frame"])
    except (ValueError, KeyError, TypeError):
        raise TwoFaceError(f"{path} is damaged; run `twoface prepare` again or delete it") from None


def write_index(index: SplitIndex, folder: Path) -> None:
    """Write the three index files into a folder."""
    lines = {
        "masked": index.masked,
        "real": index.real,
        "reference": tuple(f"{person}:{','.join(files)}" for person, files in index.references.items()),
    }
    for role, content in lines.items():
        (folder / INDEX_FILES[role]).write_text("".join(f"{line}\n" for line in content), "utf-8")
