"""Files in pieces, for a way that takes small ones only: cut, carried, checked, joined. Python alone is enough."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MIB = 2**20
MANIFEST = "manifest.json"
COPIES = "copies.json"  # of a zip without copies: the name that has a name's content


class Trouble(Exception):
    """Something the person at the keyboard can mend."""


def checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def cut(files: Iterable[Path], folder: Path, piece: int, most: int | None = None, **facts: Any) -> list[Path]:
    """Cut files into pieces.

    Args:
        files: of names that differ.
        folder: gets ``1/``, ``2/``, ..., each with a manifest of all.
        piece: the most bytes of a piece.
        most: of a folder; None: all go into one.
        facts: kept in the manifest.

    Returns:
        the folders.

    Raises:
        Trouble: two files of one name.
    """
    files = list(files)
    twice = [name for name, count in Counter(file.name for file in files).items() if count > 1]
    if twice:
        raise Trouble(f"two files are called {twice[0]}; leave one out")
    folders: list[list[tuple[str, bytes]]] = [[]]
    entries = []
    for file in files:
        content = file.read_bytes()
        pieces = []
        for number, start in enumerate(range(0, max(1, len(content)), piece)):
            part, name = content[start : start + piece], f"{file.name}.{number:03d}"
            if most is not None and sum(len(each) for _, each in folders[-1]) + len(part) > most:
                folders.append([])
            folders[-1].append((name, part))
            pieces.append({"name": name, "sha256": checksum(part)})
        entries.append({"name": file.name, "bytes": len(content), "sha256": checksum(content), "pieces": pieces})
    manifest = json.dumps({"files": entries, **facts}, indent=1)
    made = [folder / str(number) for number in range(1, len(folders) + 1)]
    for place, parts in zip(made, folders, strict=True):
        place.mkdir(parents=True)
        (place / MANIFEST).write_text(manifest)
        for name, part in parts:
            (place / name).write_bytes(part)
    return made


def manifest_of(folder: Path) -> dict[str, Any]:
    """What ``cut`` said of the files.

    Raises:
        Trouble: nothing was brought there.
    """
    try:
        return dict(json.loads((folder / MANIFEST).read_text()))
    except OSError:
        raise Trouble(f"{folder}: nothing was brought there; run `bring` for each packed folder first") from None
    except ValueError:
        raise Trouble(f"{folder / MANIFEST} is torn; bring the packed folders again") from None


def bring(folder: Path, store: Path) -> list[str]:
    """Keep a folder's pieces in a store; returns the names of those that are still missing.

    Raises:
        Trouble: a piece that is torn, or of another packing than what is there.
    """
    manifest = manifest_of(folder)
    kept = store / "pieces"
    if (kept / MANIFEST).exists() and manifest_of(kept) != manifest:
        raise Trouble(f"{store} holds pieces of another packing; give another --store, or remove it")
    kept.mkdir(parents=True, exist_ok=True)
    pieces = [piece for file in manifest["files"] for piece in file["pieces"]]
    for piece in pieces:
        if (folder / piece["name"]).exists():
            content = (folder / piece["name"]).read_bytes()
            if checksum(content) != piece["sha256"]:
                raise Trouble(f"{folder / piece['name']} is torn: pack and bring it again")
            (kept / piece["name"]).write_bytes(content)
    shutil.copyfile(folder / MANIFEST, kept / MANIFEST)
    return [piece["name"] for piece in pieces if not (kept / piece["name"]).exists()]


def join(pieces: Path, folder: Path) -> list[Path]:
    """Whole files again, from a folder of all pieces; what is whole already stays.

    Raises:
        Trouble: a piece is missing, or a file does not come out as it was.
    """
    made = []
    for file in manifest_of(pieces)["files"]:
        path = folder / file["name"]
        made.append(path)
        if path.exists() and checksum(path.read_bytes()) == file["sha256"]:
            continue
        missing = [piece["name"] for piece in file["pieces"] if not (pieces / piece["name"]).exists()]
        if missing:
            raise Trouble(f"{file['name']}: {len(missing)} of {len(file['pieces'])} pieces are missing: {missing[0]}")
        content = b"".join((pieces / piece["name"]).read_bytes() for piece in file["pieces"])
        if checksum(content) != file["sha256"]:
            raise Trouble(f"{file['name']} is torn: a piece of it is not what was packed; pack and bring it again")
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        partial.write_bytes(content)
        partial.replace(path)
    return made


def without_copies(source: Path, target: Path, left_out: tuple[str, ...] = ()) -> None:
    """A zip with each content once, whatever its names: a prepared photo has up to three.

    Args:
        source: the zip.
        target: to be written.
        left_out: what names begin with that are not taken along.
    """
    first: dict[str, str] = {}  # by content
    copies: dict[str, str] = {}
    with zipfile.ZipFile(source) as read, zipfile.ZipFile(target, "w") as written:
        for name in read.namelist():
            if name.startswith(left_out):
                continue
            content = read.read(name)
            copies[name] = first.setdefault(checksum(content), name)
            if copies[name] == name:
                written.writestr(name, content)
        written.writestr(COPIES, json.dumps(copies))


def with_copies(source: Path, target: Path) -> None:
    """The zip again that :func:`without_copies` was given, without what it left out; whole or not at all."""
    partial = target.with_name(f"{target.name}.partial")
    with zipfile.ZipFile(source) as read, zipfile.ZipFile(partial, "w") as written:
        for name, first in json.loads(read.read(COPIES)).items():
            written.writestr(name, read.read(first))
    partial.replace(target)
