"""Where a prepared data set lies: a folder, or one zip held in memory or mapped. One interface."""

from __future__ import annotations

import logging
import mmap
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from twoface_pl.data.zip_directory import BadDirectoryError, Directory, Member, UnsafeMemberError
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.listing import has_photo_suffix, is_hidden, some_of

log = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")
O_BINARY = getattr(os, "O_BINARY", 0)  # Windows would change line ends
MOST_AT_ONCE = 2**20
MAX_MEMBER = 64 * 2**20  # bytes that a zip's member may have, unpacked; of a large zip an eighth of its own
LOCAL_HEADER = 30  # bytes before a member's name


class Source(Protocol):
    """Files by names with slashes, such as ``train/masked/<identity>/<image>.jpg``."""

    def read(self, name: str) -> bytes:
        """A file's bytes.

        Raises:
            TwoFaceError: it is missing or damaged.
        """
        ...

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def has_folder(self, name: str) -> bool:
        """Whether there is such a folder."""
        ...

    def photos(self, folder: str) -> list[tuple[str, str]]:
        """The photos of a role, folder and file, sorted."""
        ...

    def shown(self, name: str) -> str:
        """How errors call a file."""
        ...


def _photos_of(names: list[tuple[str, str]], shown: str) -> list[tuple[str, str]]:
    """The photos among files, folder and name, sorted; what else lies there is named."""
    meant = [entry for entry in sorted(names) if not is_hidden(entry[1])]
    left_out = ["/".join(entry) for entry in meant if not has_photo_suffix(entry[1])]
    if left_out:
        log.warning("%s: left out, not photos by their names: %s", shown, some_of(left_out))
    return [entry for entry in meant if has_photo_suffix(entry[1])]


@dataclass(frozen=True)
class FolderSource:
    """A folder."""

    root: Path

    def read(self, name: str) -> bytes:
        # The bare system calls: Python's file objects ask the system three more questions a file.
        try:
            file = os.open(f"{self.root}/{name}", os.O_RDONLY | O_BINARY)
            try:
                content = part = os.read(file, MOST_AT_ONCE)
                while len(part) == MOST_AT_ONCE:
                    part = os.read(file, MOST_AT_ONCE)
                    content += part
            finally:
                os.close(file)
        except OSError as error:
            raise TwoFaceError(f"{self.shown(name)}: cannot be read ({error.strerror})") from None
        return content

    def has(self, name: str) -> bool:
        return (self.root / name).is_file()

    def has_folder(self, name: str) -> bool:
        return (self.root / name).is_dir()

    def photos(self, folder: str) -> list[tuple[str, str]]:
        place = self.root / folder
        people = [path for path in place.iterdir() if path.is_dir()] if place.is_dir() else []
        files = [(person.name, path.name) for person in people for path in person.iterdir() if path.is_file()]
        return _photos_of(files, self.shown(folder))

    def shown(self, name: str) -> str:
        return str(self.root / name)


class ZipSource:
    """A zip of a prepared data set, as the 2018 scripts or ``twoface prepare zip=true`` make it.

    Args:
        path: the zip; a single folder around everything in it is looked through.
        in_memory: hold all of it in memory; else it is mapped, and the system keeps what fits.

    Raises:
        TwoFaceError: no zip, a damaged one, or one that is not safe: members with ``..`` or absolute names,
            links, encrypted ones, or ones that unpack to more than 64 MB and an eighth of the zip.
    """

    def __init__(self, path: Path, in_memory: bool) -> None:
        self.path = path
        self.in_memory = in_memory
        self._bytes = self._open()
        try:
            self._directory = Directory(self._bytes, max(MAX_MEMBER, len(self._bytes) // 8))
        except BadDirectoryError as error:
            raise TwoFaceError(f"{path}: not a zip that can be read ({error}); copy or make it again") from None
        except UnsafeMemberError as error:
            raise TwoFaceError(f"{path}: {error}") from None
        self._wrapper = self._find_wrapper()

    def __reduce__(self) -> tuple[type[ZipSource], tuple[Path, bool]]:
        return ZipSource, (self.path, self.in_memory)

    def _open(self) -> bytes | mmap.mmap:
        try:
            with self.path.open("rb") as stream:
                if self.in_memory or not self.path.stat().st_size:
                    return stream.read()
                return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise TwoFaceError(f"no file {self.path}; make it with `twoface prepare zip=true`") from None
        except (OSError, ValueError) as error:
            raise TwoFaceError(f"{self.path}: cannot be read ({error})") from None

    def _find_wrapper(self) -> str:
        """The folders around the splits, with a slash; empty where the splits are outermost."""
        if any(self._directory.has_folder(f"{split}/") for split in SPLITS):
            return ""
        folders = (name.split("/")[:-1] for name in self._directory.names())
        inside = next((inside for inside in folders if set(SPLITS) & set(inside)), [])
        depth = next((depth for depth, folder in enumerate(inside) if folder in SPLITS), 0)
        return "".join(f"{folder}/" for folder in inside[:depth])

    def read(self, name: str) -> bytes:
        member = self._directory.find(self._wrapper + name)
        if member is None:
            raise TwoFaceError(f"{self.shown(name)}: no such file")
        # The local header repeats the name, with an extra field of its own length.
        header = self._bytes[member.start : member.start + LOCAL_HEADER]
        start = member.start + LOCAL_HEADER + int.from_bytes(header[26:28], "little")
        start += int.from_bytes(header[28:30], "little")
        packed = self._bytes[start : start + member.packed]
        if header[:4] != b"PK\x03\x04" or len(packed) != member.packed:
            raise TwoFaceError(f"{self.shown(name)}: the zip is damaged; copy or make it again")
        if member.method == zipfile.ZIP_STORED:
            return self._whole(bytes(packed), member, name)
        try:  # never more than it says: a member may lie about its size
            content = zlib.decompressobj(-15).decompress(packed, member.size + 1)
        except zlib.error as error:
            raise TwoFaceError(f"{self.shown(name)}: damaged ({error}); copy or make the zip again") from None
        return self._whole(content, member, name)

    def _whole(self, content: bytes, member: Member, name: str) -> bytes:
        if len(content) != member.size:
            raise TwoFaceError(f"{self.shown(name)}: of another size than the zip says; make it again")
        if zlib.crc32(content) != member.checksum:
            raise TwoFaceError(f"{self.shown(name)}: damaged (checksum); copy or make the zip again")
        return content

    def has(self, name: str) -> bool:
        return self._directory.find(self._wrapper + name) is not None

    def has_folder(self, name: str) -> bool:
        return self._directory.has_folder(f"{self._wrapper}{name}/")

    def photos(self, folder: str) -> list[tuple[str, str]]:
        place = f"{self._wrapper}{folder}/"
        parts = [name.removeprefix(place).split("/") for name in self._directory.names(place)]
        return _photos_of([(part[0], part[1]) for part in parts if len(part) == 2], self.shown(folder))

    def shown(self, name: str) -> str:
        return f"{self.path}:{name}"


def open_source(root: Path, zip_in_memory: bool = True) -> Source:
    """A prepared data set by its path: a folder, or a file ending in ``.zip``.

    Raises:
        TwoFaceError: as :class:`ZipSource`.
    """
    return ZipSource(root, zip_in_memory) if root.suffix.lower() == ".zip" else FolderSource(root)
