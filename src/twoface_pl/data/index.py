"""The 2018 data layout and its index files.

``<root>/{train,validation,test}/{masked,real,reference}/<identity>/<image>``, with three index files
in each split's folder: ``masked-files.txt`` and ``real-files.txt`` (shuffled ``identity/file`` lines)
and ``reference-files.txt`` (``identity:file,file`` lines). The train split's index also stands at the
root, where the 2018 system had it. ``twoface prepare`` adds to a split ``near-duplicates.txt``
(``identity/file:file,file``, photos that must not be a target's reference) and ``landmarks.txt``
(``identity/file:x,y,x,y,...``, as shares of the frame).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twoface_pl.data.names import Lists, Names
from twoface_pl.data.source import SPLITS, Source
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import write_text
from twoface_pl.faces.frame import FrameKind

ROLES = ("masked", "real", "reference")
FACTS_FILE = "dataset.json"  # what `prepare` did: frame, image size, split
INDEX_FILES = {role: f"{role}-files.txt" for role in ROLES}
ALIKE_FILE = "near-duplicates.txt"
MOST_LOOKED_AT = 2_000  # files of a role that are looked for when a set is opened
NO_FILES = (b"/", b"\\", b",.,", b",..,")  # in a list of files


@dataclass(frozen=True)
class SplitIndex:
    """What a split holds: ``identity/file`` names of two roles, and each identity's reference files."""

    masked: Sequence[str]
    real: Sequence[str]
    references: Mapping[str, Sequence[str]]
    alike: Mapping[str, Collection[str]] = field(default_factory=dict)  # by entry: files that are no reference for it


def split_name(entry: str) -> tuple[str, str]:
    """``identity/file`` to its two parts."""
    identity, _, file = entry.partition("/")
    return identity, file


def read_lines(source: Source, name: str) -> Names:
    """Lines end at line feeds only: names may hold what Unicode also counts as line ends."""
    content = source.read(name)
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise TwoFaceError(f"{source.shown(name)}: not UTF-8 text ({error}); save it as UTF-8") from None
    return Names.lines(content)


def _is_entry(entry: str) -> bool:
    identity, file = split_name(entry)
    return (
        bool(identity and file)
        and not {"/", "\\"} & set(file)
        and "\\" not in identity
        and not {identity, file} & {".", ".."}
    )


def _read_entries(source: Source, name: str) -> Names:
    entries = read_lines(source, name)
    before = entries.until("/")
    # Nearly all are plainly fine; the others are looked at one by one.
    is_fine = (before > 2) & (entries.length - before > 3)
    if b"\\" in entries.text or entries.text.count(b"/") != len(entries):
        is_fine[:] = False
    for row in np.flatnonzero(~is_fine).tolist():
        if not _is_entry(entries[row]):
            raise TwoFaceError(
                f"{source.shown(name)}, line {entries.line(row)}: '{entries[row][:80]}' is not identity/file"
            )
    return entries


def _read_lists(source: Source, name: str, form: str) -> Lists:
    """Lines of ``key:part,part``."""
    lists = Lists(read_lines(source, name))
    for row, before in enumerate(lists.names.length):
        parts = b"," + lists.parts(row) + b","
        is_bad = before < 1 or not parts.strip(b",") or any(mark in parts for mark in NO_FILES)
        if is_bad:
            raise TwoFaceError(
                f"{source.shown(name)}, line {lists.lines.line(row)}: '{lists.lines[row][:80]}' is not {form}"
            )
    return lists


def _read_references(source: Source, name: str) -> Lists:
    form = "identity:file,file"
    references = _read_lists(source, name, form)
    for identity in references:
        if {"/", "\\"} & set(identity) or identity in (".", ".."):
            raise TwoFaceError(f"{source.shown(name)}: '{identity[:80]}' is not the identity of {form}")
    return references


def _scan(source: Source, split: str) -> SplitIndex:
    references = defaultdict(list)
    for identity, file in source.photos(f"{split}/reference"):
        references[identity].append(file)
    masked, real = (
        Names.of(f"{identity}/{file}" for identity, file in source.photos(f"{split}/{role}"))
        for role in ("masked", "real")
    )
    return SplitIndex(masked, real, {person: tuple(files) for person, files in references.items()})


def _read_index_files(source: Source, folder: str) -> SplitIndex | None:
    """The three index files of a folder (``""`` or ``train/``); None where there is none."""
    names = {role: folder + name for role, name in INDEX_FILES.items()}
    present = [name for name in names.values() if source.has(name)]
    if not present:
        return None
    missing = [name for name in names.values() if not source.has(name)]
    if missing:
        raise TwoFaceError(
            f"{source.shown(missing[0])} is missing beside {Path(present[0]).name}; run `twoface prepare` again"
        )
    return SplitIndex(
        _read_entries(source, names["masked"]),
        _read_entries(source, names["real"]),
        _read_references(source, names["reference"]),
    )


def _spread(values: Sequence[str]) -> Sequence[str]:
    """All of few values; of many as many as are looked at, evenly spread."""
    return values[:: -(-len(values) // MOST_LOOKED_AT) or 1]


def _check_files(source: Source, index: SplitIndex, split: str) -> None:
    """Whether what the index names is there; of a large one a sample: what else is missing, training leaves out."""
    names = [f"{split}/masked/{entry}" for entry in _spread(index.masked)]
    names += [f"{split}/real/{entry}" for entry in _spread(index.real)]
    people = _spread(list(index.references))
    files = [f"{split}/reference/{person}/{file}" for person in people for file in index.references[person]]
    names += _spread(files)
    missing = [name for name in names if not source.has(name)]
    if missing:
        raise TwoFaceError(
            f"the index names {len(missing)} files that are not there, the first is {source.shown(missing[0])}; "
            "run `twoface prepare` again or delete the index files to have the folders scanned"
        )


def read_index(source: Source, split: str) -> SplitIndex:
    """The index of a split: from its folder, else from the root (2018 had one root a split), else scanned.

    Raises:
        TwoFaceError: no such folder, a malformed line, files that are missing, or nothing to learn from.
    """
    shown = source.shown(split)
    if not source.has_folder(split):
        if any(source.has_folder(other) for other in SPLITS):
            raise TwoFaceError(
                f"{source.shown('')} has no {split} split: run `twoface prepare` again with "
                + ("more people than go to the other splits" if split == "train" else f"a larger split.{split}")
            )
        raise TwoFaceError(f"no folder {shown}; make it with `twoface prepare source.root=<photos> root=<folder>`")
    index = _read_index_files(source, f"{split}/")
    if index is None:
        index = _read_index_files(source, "")
        # An index at the root that names nothing of this split belongs to another one.
        if index is not None and not any(source.has(f"{split}/masked/{entry}") for entry in _spread(index.masked)):
            index = None
    if index is None:
        index = _scan(source, split)
    _check_files(source, index, split)
    if not (len(index.masked) and len(index.real) and len(index.references)):
        raise TwoFaceError(
            f"{shown} holds {len(index.masked)} masked photos, {len(index.real)} real ones and references "
            f"of {len(index.references)} people; each must be at least 1"
        )
    return SplitIndex(index.masked, index.real, index.references, _read_alike(source, split))


def _read_alike(source: Source, split: str) -> Mapping[str, Collection[str]]:
    name = f"{split}/{ALIKE_FILE}"
    return _read_lists(source, name, "identity/file:file,file") if source.has(name) else {}


def _damaged(source: Source) -> TwoFaceError:
    return TwoFaceError(f"{source.shown(FACTS_FILE)} is damaged; run `twoface prepare` again or delete it")


def read_frame(source: Source) -> FrameKind:
    """The frame a data set was prepared in; ``unknown`` for a tree that another program made.

    Raises:
        TwoFaceError: the file that says it is damaged.
    """
    if not source.has(FACTS_FILE):
        return FrameKind("unknown")
    try:
        return FrameKind.build(json.loads(source.read(FACTS_FILE))["frame"])
    except (ValueError, KeyError, TypeError):
        raise _damaged(source) from None


def read_image_size(source: Source) -> int | None:
    """Pixels a side of a data set's photos, at the most; None for a tree that another program made.

    Raises:
        TwoFaceError: the file that says it is damaged.
    """
    if not source.has(FACTS_FILE):
        return None
    try:
        return int(json.loads(source.read(FACTS_FILE))["image_size"])
    except (ValueError, KeyError, TypeError):
        raise _damaged(source) from None


def write_lines(path: Path, lines: list[str]) -> None:
    """Write a list."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_index(index: SplitIndex, folder: Path) -> None:
    """Write the three index files into a folder, and the near-duplicates if there are any."""
    write_lines(folder / INDEX_FILES["masked"], list(index.masked))
    write_lines(folder / INDEX_FILES["real"], list(index.real))
    references = [f"{person}:{','.join(files)}" for person, files in index.references.items()]
    write_lines(folder / INDEX_FILES["reference"], references)
    if index.alike:
        alike = [f"{entry}:{','.join(sorted(files))}" for entry, files in sorted(index.alike.items())]
        write_lines(folder / ALIKE_FILE, alike)
