"""A run's folder that is also in a bucket: what was written goes up, what another machine wrote comes down."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from twoface_pl.buckets.address import BucketError, is_address, kept_at, open_address, said, token
from twoface_pl.faces.files import TEMPORARY, write_atomically, write_text

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

log = logging.getLogger(__name__)

SENT = ".sent.json"  # what of the folder is in the bucket, as it was then
OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "hf"}
CHECKPOINTS = ".ckpt"
LOCKS = (".training", ".fetching")


def run_folder(address: str) -> Path:
    """The folder on this machine of a run at an address."""
    return kept_at("runs", address.rstrip("/")) / Path(address.rstrip("/")).name


class Mirror:
    """A folder, and the same at an address, for one machine at a time: what another one has written since is noticed,
    and not written over.

    Args:
        folder: on this machine.
        address: of fsspec.

    Raises:
        BucketError: no such kind of address.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address.rstrip("/")
        self._system, path = open_address(self.address)
        self._path = path.rstrip("/")

    def _noted(self) -> dict[str, Any]:
        try:
            noted: dict[str, Any] = json.loads((self.folder / SENT).read_text())
            return noted
        except (OSError, ValueError):
            return {}

    def fetch(self) -> None:
        """Bring what is in the bucket and was not sent from here, over what is here.

        Raises:
            BucketError: it cannot be read.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / LOCKS[1]), said(self.address):
            noted = self._noted()
            for name, info in self._there().items():
                target = self.folder / name
                has_it = noted.get(name, {}).get("here") and target.exists()  # not only taken over, or removed since
                if has_it and noted[name]["token"] == token(info):
                    continue
                log.info("fetching %s of %s", name, self.address)
                target.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(target, partial(_get, self._system, self._at(name)))
                noted[name] = {"here": _stamp(target), "token": token(info)}
                self._note(noted)

    def take_over(self) -> None:
        """Begin in the bucket: from now on its files are this machine's.

        Raises:
            BucketError: it cannot be read, or a training's checkpoints are there.
        """
        with said(self.address):
            found = self._there()
        if any(name.endswith(CHECKPOINTS) for name in found):
            told = "resume=auto goes on with it; give another hydra.run.dir, or remove it, to begin anew"
            raise BucketError(f"{self.address} holds a training already; {told}")
        self._note({name: {"here": None, "token": token(info)} for name, info in found.items()})

    def _at(self, name: str) -> str:
        """Where a file is in the bucket."""
        return f"{self._path}/{name}"

    def _there(self) -> dict[str, Any]:
        """What the bucket says of each file, by its name in the folder."""
        found = self._system.find(self._path, detail=True) if self._system.exists(self._path) else {}
        names = {path.removeprefix(f"{self._path}/"): info for path, info in found.items()}
        return {name: info for name, info in names.items() if _is_of_a_run(name)}

    def _require_ours(self, name: str, noted: dict[str, Any]) -> None:
        try:
            found = token(self._system.info(self._at(name)))
        except FileNotFoundError:
            return
        if found != noted.get(name, {}).get("token"):
            raise BucketError(
                f"{self.address}/{name} was written by another machine since; only one can train there. What was "
                f"trained here is in {self.folder}; resume=auto goes on with what is in the bucket"
            )

    def _changed(self, noted: dict[str, Any]) -> dict[str, Path]:
        """What is new here or was changed, by its name."""
        files = {path.relative_to(self.folder).as_posix(): path for path in sorted(self.folder.rglob("*"))}
        return {
            name: path
            for name, path in files.items()
            if path.is_file()
            and _is_of_a_run(name)
            and not path.name.startswith(TEMPORARY)
            and noted.get(name, {}).get("here") != _stamp(path)
        }

    def send(self) -> None:
        """Bring what is new here or was changed into the bucket.

        Raises:
            BucketError: it cannot be written, or another machine has; all is still here.
        """
        noted = self._noted()
        with said(self.address):
            changed = self._changed(noted)
            for name in changed:  # all before the first: never half of two runs
                self._require_ours(name, noted)
            for name, path in changed.items():
                here = _stamp(path)
                _put(self._system, path, self._at(name))
                noted[name] = {"here": here, "token": token(self._system.info(self._at(name)))}
                self._note(noted)

    def _note(self, noted: dict[str, Any]) -> None:
        write_text(self.folder / SENT, json.dumps(noted))


def _is_of_a_run(name: str) -> bool:
    """Whether a file belongs to the run: none of what is kept here about it, and within its folder."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and parts[-1] not in (SENT, *LOCKS)


def _get(system: AbstractFileSystem, path: str, target: Path) -> None:
    system.get_file(path, str(target))


def _put(system: AbstractFileSystem, path: Path, there: str) -> None:
    protocols = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
    if not OBJECT_STORES.intersection(protocols):  # these have no folders, and would make a bucket anew that is gone
        system.makedirs(there.rpartition("/")[0], exist_ok=True)
    system.put_file(str(path), there)


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


@contextmanager
def staged(place: str) -> Iterator[Path]:
    """A folder to write numbered versions into: that one, or for one at an address a temporary one, whose new files are
    sent there at the end. In it the versions that are there have empty folders.

    Raises:
        BucketError: the address cannot be read or written.
    """
    if not is_address(place):
        yield Path(place)
        return
    system, path = open_address(place.rstrip("/"))
    with said(place):
        there = {Path(entry).name for entry in system.ls(path, detail=False)} if system.exists(path) else set()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / Path(path).name
        for name in there:
            (folder / name).mkdir(parents=True)
        yield folder
        with said(place):
            for file in sorted(file for file in folder.rglob("*") if file.is_file()):
                _put(system, file, f"{path}/{file.relative_to(folder).as_posix()}")
