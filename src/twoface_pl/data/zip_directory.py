"""A zip's directory, as it lies in the file: a million members are found by hash, without an object for each.

After APPNOTE.TXT 6.3.10 (PKWARE), sections 4.3.12 to 4.3.16.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from twoface_pl.data.names import ODD, blocks, hash_of, hashes_of, in_order

ENTRY, END, END_64, LOCATOR_64 = b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
HEADER, END_SIZE, END_64_SIZE, LOCATOR_SIZE = 46, 22, 56, 20  # bytes before an entry's name; of the other records
# Of an entry: what is looked at, and where it is. An upper half of its attributes is a mode of Unix.
FIELDS = np.dtype(
    {
        "names": ["flags", "method", "size", "name", "extra", "comment", "mode"],
        "formats": ["<u2", "<u2", "<u4", "<u2", "<u2", "<u2", "<u2"],
        "offsets": [8, 10, 24, 28, 30, 32, 40],
        "itemsize": HEADER,
    }
)
MOST_COMMENT = 2**16
IN_EXTRA = 2**32 - 1  # a value that the extra field has, in 64 bits
EXTRA_64 = 1  # its number
CHUNK = 2**20  # bytes looked through at once
UTF_8 = 1 << 11  # of an entry's flags
ENCRYPTED = 1
LINK, KIND = 0o120000, 0o170000  # of a file's mode
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class BadDirectoryError(ValueError):
    """No zip, or a damaged one."""


class UnsafeMemberError(ValueError):
    """A member that is not to be read."""


@dataclass(frozen=True)
class Member:
    """A file in the zip."""

    start: int  # of its header
    packed: int  # bytes in the zip
    size: int  # bytes unpacked
    method: int
    checksum: int


class Directory:
    """Members by their names.

    Args:
        zip_: the file's bytes, or the file mapped.
        most: bytes that a member may have unpacked.

    Raises:
        BadDirectoryError: no zip, or damaged.
        UnsafeMemberError: a member that leads out, is a link, encrypted, too large, or packed in another way.
    """

    def __init__(self, zip_: bytes | mmap.mmap, most: int) -> None:
        self._zip = zip_
        self._start, size, count, self._shift = _place(zip_)
        view = np.frombuffer(zip_, np.uint8)
        self._text = view[self._start : self._start + size + END_SIZE]
        entries = _entries(self._text, size, count)
        hashes, is_file = np.empty(len(entries), np.uint64), np.empty(len(entries), bool)
        for block in blocks(len(entries)):
            at = entries[block].astype(np.int64)
            headers = _headers(self._text, at)
            lengths = headers["name"].astype(np.int64)
            self._refuse(at, headers, most)
            is_file[block] = self._text[at + HEADER + np.maximum(lengths - 1, 0)] != ord("/")
            hashes[block] = hashes_of(self._text, at + HEADER, lengths)
        if not is_file.all():
            entries, hashes = entries[is_file], hashes[is_file]
        self._hashes, order = in_order(hashes)
        self._at = entries[order]
        self._drop_earlier()

    def __len__(self) -> int:
        return len(self._at)

    def _bytes(self, at: int, length: int) -> bytes:
        """Of the directory."""
        return self._zip[self._start + at : self._start + at + length]

    def _name(self, at: int) -> bytes:
        return self._bytes(at + HEADER, int.from_bytes(self._bytes(at + 28, 2), "little"))

    def _drop_earlier(self) -> None:
        """Of members with one name the last counts."""
        equal = np.flatnonzero(self._hashes[:-1] == self._hashes[1:]).tolist()
        earlier = [row for row in equal if self._name(int(self._at[row])) == self._name(int(self._at[row + 1]))]
        if earlier:
            self._hashes, self._at = np.delete(self._hashes, earlier), np.delete(self._at, earlier)

    def _refuse(self, at: np.ndarray, headers: np.ndarray, most: int) -> None:
        problems = {
            "is encrypted": (headers["flags"] & ENCRYPTED) != 0,
            "is a link": (headers["mode"] & KIND) == LINK,
            "is packed in a way that is not read; pack the zip as stored or deflated": ~np.isin(
                headers["method"], METHODS
            ),
            f"unpacks to {{size:.0f}} MB, more than {most // 2**20}": self._too_large(at, headers["size"], most),
            "leads out of the zip": _leads_out(self._text, at + HEADER, headers["name"].astype(np.int64)),
        }
        for problem, found in problems.items():
            if found.any():
                first = int(at[np.flatnonzero(found)[0]])
                told = problem.format(size=self._member(first).size / 2**20)
                raise UnsafeMemberError(f"member '{self._decoded(first)[:80]}' {told}; nothing of it is used")

    def _too_large(self, at: np.ndarray, sizes: np.ndarray, most: int) -> np.ndarray:
        sizes = sizes.astype(np.int64)
        for row in np.flatnonzero(sizes == IN_EXTRA).tolist():
            sizes[row] = min(self._member(int(at[row])).size, 2**62)
        return sizes > most

    def _decoded(self, at: int) -> str:
        flags = int.from_bytes(self._bytes(at + 8, 2), "little")
        return self._name(at).decode("utf-8" if flags & UTF_8 else "cp437", errors="replace")

    def _member(self, at: int) -> Member:
        entry = self._bytes(at, HEADER)
        method, checksum, packed, size = struct.unpack("<H4xLLL", entry[10:28])
        name, extra = struct.unpack("<HH", entry[28:32])
        offset = struct.unpack("<L", entry[42:46])[0]
        if IN_EXTRA in (packed, size, offset):
            wide = _wide(self._bytes(at + HEADER + name, extra))
            size, packed, offset = (
                (next(wide, value) if value == IN_EXTRA else value) for value in (size, packed, offset)
            )
        return Member(offset + self._shift, packed, size, method, checksum)

    def find(self, name: str) -> Member | None:
        """A member; None where there is none of that name."""
        for raw in _raws(name):
            wanted = np.uint64(hash_of(raw))
            at = int(self._hashes.searchsorted(wanted))
            while at < len(self._hashes) and self._hashes[at] == wanted:
                if self._name(int(self._at[at])) == raw:
                    return self._member(int(self._at[at]))
                at += 1
        return None

    def _under(self, folder: str) -> Iterator[np.ndarray]:
        """Where the entries are whose names begin so, some at a time."""
        for block in blocks(len(self._at)):
            at = self._at[block].astype(np.int64)
            lengths = _headers(self._text, at)["name"].astype(np.int64)
            found = np.zeros(len(at), bool)
            for raw in _raws(folder):
                rows = np.flatnonzero(lengths >= len(raw))
                hashes = hashes_of(self._text, at[rows] + HEADER, np.full(len(rows), len(raw)))
                found[rows] |= hashes == np.uint64(hash_of(raw))
            yield at[found]

    def has_folder(self, folder: str) -> bool:
        """Whether there is a member in it; it ends with a slash."""
        return any(len(found) for found in self._under(folder))

    def names(self, folder: str = "") -> Iterator[str]:
        """The files whose names begin so, in the zip's order."""
        for at in np.sort(np.concatenate([np.empty(0, np.int64), *self._under(folder)])).tolist():
            yield self._decoded(at)


def _raws(name: str) -> list[bytes]:
    """How a zip may have a name: as most programs write it, and as old ones."""
    raws = [name.encode(errors=ODD)]
    with contextlib.suppress(UnicodeEncodeError):
        raws.append(name.encode("cp437"))
    return raws[: 1 if name.isascii() else 2]


def _headers(text: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The entries' beginnings (N,), by field."""
    found: np.ndarray = np.lib.stride_tricks.sliding_window_view(text, HEADER)[at].view(FIELDS)[:, 0]
    return found


def _wide(extra: bytes) -> Iterator[int]:
    """The values of 64 bits that an extra field has."""
    while len(extra) >= 4:
        number, size = struct.unpack("<HH", extra[:4])
        if number == EXTRA_64:
            for at in range(4, min(4 + size, len(extra)) - 7, 8):
                yield struct.unpack("<Q", extra[at : at + 8])[0]
            return
        extra = extra[4 + size :]


def _place(zip_: bytes | mmap.mmap) -> tuple[int, int, int, int]:
    """Where the directory begins, its bytes, its entries, and by how much the zip lies further than it says."""
    end = zip_.rfind(END, max(0, len(zip_) - END_SIZE - MOST_COMMENT))
    if end < 0 or end + END_SIZE > len(zip_):
        raise BadDirectoryError("it has no end of a zip")
    count, size, offset = struct.unpack("<HLL", zip_[end + 10 : end + 20])
    after = end
    locator = zip_[max(0, end - LOCATOR_SIZE) : end]
    if locator[:4] == LOCATOR_64:
        after = zip_.rfind(END_64, max(0, end - LOCATOR_SIZE - 2**16), end - LOCATOR_SIZE)
        if after < 0 or after + END_64_SIZE > end - LOCATOR_SIZE:
            raise BadDirectoryError("its directory has no end")
        count, size, offset = struct.unpack("<QQQ", zip_[after + 32 : after + 56])
    start = after - size
    if start < 0 or offset > start:
        raise BadDirectoryError("its directory is not where it says")
    return start, size, count, start - offset


def _entries(text: np.ndarray, size: int, count: int) -> np.ndarray:
    """Where each entry of a directory begins."""
    kind = np.uint32 if size < 2**32 else np.int64
    found = [np.empty(0, kind)]
    for start in range(0, max(0, size - 3), CHUNK):
        part = text[start : min(start + CHUNK + 3, size)]
        is_entry = part[:-3] == ENTRY[0]
        for byte in range(1, 4):
            is_entry &= part[byte : len(part) - 3 + byte] == ENTRY[byte]
        found.append((start + np.flatnonzero(is_entry)).astype(kind))
    entries = np.concatenate(found)
    if not _are_in_a_row(text, entries, size):  # four bytes of a name may look like a beginning
        entries = _one_by_one(text, size).astype(kind)
    if len(entries) != count and (count >= 2**16 or len(entries) % 2**16 != count):  # of 16 bits, in old programs' zips
        raise BadDirectoryError(f"its directory has {len(entries)} members, not {count}")
    return entries


def _are_in_a_row(text: np.ndarray, entries: np.ndarray, size: int) -> bool:
    """Whether each begins where the one before ends."""
    end = 0
    for block in blocks(len(entries)):
        at = entries[block].astype(np.int64)
        if at[-1] + HEADER > size:
            return False
        headers = _headers(text, at)
        ends = at + HEADER + sum(headers[part].astype(np.int64) for part in ("name", "extra", "comment"))
        if not np.array_equal(at, np.insert(ends[:-1], 0, end)):
            return False
        end = int(ends[-1])
    return end == size


def _one_by_one(text: np.ndarray, size: int) -> np.ndarray:
    begun, at = [], 0
    while at < size:
        entry = text[at : at + HEADER].tobytes()
        if entry[:4] != ENTRY or at + HEADER > size:
            raise BadDirectoryError("its directory is damaged")
        begun.append(at)
        at += HEADER + sum(struct.unpack("<HHH", entry[28:34]))
    if at != size:
        raise BadDirectoryError("its directory is damaged")
    return np.array(begun, np.int64)


def _leads_out(text: np.ndarray, first: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Which names are absolute, have a backslash, a drive, or ``..`` among their folders."""
    leads = np.zeros(len(first), bool)
    leads[(length > 0) & (text[first] == ord("/"))] = True
    for row in _suspects(text, first, length):
        name = text[first[row] : first[row] + length[row]].tobytes()
        parts = name.split(b"/")
        leads[row] |= b"\\" in name or b":" in parts[0] or b".." in parts
    return leads


def _suspects(text: np.ndarray, first: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Names that hold a backslash, a colon, or two dots in a row."""
    suspects = [np.empty(0, np.int64)]
    for start in range(int(first[0]), int(first[-1] + length[-1]), CHUNK):
        part = text[start : start + CHUNK + 1]
        is_dot = part == ord(".")
        is_suspect = (part == ord("\\")) | (part == ord(":"))
        is_suspect[:-1] |= is_dot[:-1] & is_dot[1:]
        at = start + np.flatnonzero(is_suspect)
        rows = np.searchsorted(first, at, side="right") - 1
        inside = (rows >= 0) & (at < first[rows] + length[rows])
        suspects.append(rows[inside])
    return np.unique(np.concatenate(suspects))
