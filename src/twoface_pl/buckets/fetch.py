"""A file at an address, once on this machine: checked, under a lock, going on where a connection broke."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from tqdm import tqdm

from twoface_pl.buckets.address import BucketError, is_address, kept_at, open_address, said, token
from twoface_pl.faces.files import CHECKSUM, sha256_of, write_text

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

log = logging.getLogger(__name__)

PIECE = 8 * 2**20  # bytes asked for at once
PAUSES = (0.5, 2.0, 5.0, 15.0)  # seconds before a piece is asked for again


def local(place: object) -> Path:
    """A path as it is; a file at an address as a path in the cache, fetched where it is not there or another one.

    Raises:
        BucketError: it cannot be had, or is not what its checksum says.
    """
    address = str(place)
    if not is_address(address):
        return Path(address)
    system, path = open_address(address)
    folder = kept_at("fetched", address)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / Path(path).name
    with FileLock(folder / ".lock"):  # of several processes one fetches
        with said(address):
            info = system.info(path)
        if info.get("type") == "directory":
            raise BucketError(f"{address} is a folder; give a file in it, such as a set's data.zip")
        if info.get("size") is None:
            raise BucketError(f"{address}: its server does not say how large it is; fetch it by other means first")
        wanted = {"address": address, "token": token(info), "size": info["size"]}
        if not (target.exists() and _noted(target) == wanted):
            _fetch(system, path, wanted, target)
    return target


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _noted(path: Path) -> Any:
    try:
        return json.loads(_note_of(path).read_text())
    except (OSError, ValueError):
        return None


def _fetch(system: AbstractFileSystem, path: str, wanted: dict[str, Any], target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    if _noted(part) != wanted:
        part.unlink(missing_ok=True)
    write_text(_note_of(part), json.dumps(wanted))
    address, size = wanted["address"], wanted["size"]
    with part.open("ab") as file:
        begun = file.tell()
        with tqdm(total=size, initial=begun, desc=f"fetching {target.name}", unit="B", unit_scale=True) as bar:
            while (at := file.tell()) < size:
                content = _piece(system, path, address, at, min(at + PIECE, size), size)
                file.write(content)
                file.flush()
                bar.update(len(content))
        os.fsync(file.fileno())
    _check(system, path, address, part)
    _note_of(target).unlink(missing_ok=True)
    part.replace(target)
    _note_of(part).replace(_note_of(target))


def _piece(system: AbstractFileSystem, path: str, address: str, start: int, end: int, size: int) -> bytes:
    for pause in (*PAUSES, None):
        try:
            with said(address):
                content: bytes = system.cat_file(path, start=start, end=end)
            if content:
                return content
            raise BucketError(f"{address}: it has become shorter")
        except BucketError as error:
            if pause is None:
                there = f"{start / 1e6:.1f} of {size / 1e6:.1f} MB are there"
                raise BucketError(f"{error}; {there}, the same command goes on with the rest") from None
            log.warning("%s; once more in %g s", error, pause)
            time.sleep(pause)
    raise AssertionError


def _check(system: AbstractFileSystem, path: str, address: str, part: Path) -> None:
    """Against the checksum that lies beside it, where one does."""
    with said(address):
        if not system.exists(path + CHECKSUM):
            return
        expected = system.cat_file(path + CHECKSUM).decode(errors="replace").split()[:1]
    if expected != [sha256_of(part)]:
        part.unlink()
        raise BucketError(
            f"{address}: what came is not what {Path(path).name}{CHECKSUM} says, and is not kept; put both there again"
        )
