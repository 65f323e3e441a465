"""Many names as one run of bytes, found by hash: half a million photos without half a million objects.

Python counts references within each object, so lists of strings that loading processes share are copied page by page
as they are read; arrays are not.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Self, overload

import numpy as np

WORD = 8  # bytes hashed at once
BLOCK = 2**15  # names looked at together
ODD = "surrogateescape"  # for names of files that are no UTF-8
ROOM = b"\n" * WORD  # after the last name, so that its last word can be read whole
FACTOR = 0x9E3779B97F4A7C15  # odd, of 64 bits
MASK = 2**64 - 1
KEPT_BITS = np.array([2 ** (8 * bytes_) - 1 for bytes_ in range(WORD + 1)], np.uint64)


def hash_of(name: bytes) -> int:
    """A 64-bit hash of one name; that of :func:`hashes_of`."""
    value = len(name) * FACTOR & MASK
    for at in range(0, len(name), WORD):
        value = (value ^ int.from_bytes(name[at : at + WORD], "little")) * FACTOR & MASK
        value ^= value >> 32
    return value


def hashes_of(text: np.ndarray, first: np.ndarray, length: np.ndarray) -> np.ndarray:
    """A 64-bit hash of each name, eight bytes of all of them at a time.

    Args:
        text: uint8, with eight bytes at least after the last name.
        first: where each name begins.
        length: of each name, in bytes.

    Returns:
        uint64 (N,).
    """
    words = np.ndarray((len(text) - WORD + 1,), "<u8", text.data, strides=(1,))
    hashes = np.empty(len(first), np.uint64)
    for block in blocks(len(first)):
        hashes[block] = _block_of_hashes(words, first[block].astype(np.int64), length[block].astype(np.int64))
    return hashes


def in_order(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hashes in order, and the row of each; equal ones as they came."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    if (ordered[:-1] == ordered[1:]).any():  # hardly ever, and sorting so takes twice as long
        order = np.argsort(hashes, kind="stable")
    return ordered, order


def blocks(count: int) -> Iterator[slice]:
    """All rows, some at a time: what is made on the way stays small, and memory whole."""
    return (slice(first, first + BLOCK) for first in range(0, count, BLOCK))


def _block_of_hashes(words: np.ndarray, first: np.ndarray, length: np.ndarray) -> np.ndarray:
    value = length.astype(np.uint64) * np.uint64(FACTOR)
    for at in range(0, int(length.max(initial=0)), WORD):
        rows = np.flatnonzero(length > at)
        left = np.minimum(length[rows] - at, WORD)
        mixed = (value[rows] ^ (words[first[rows] + at] & KEPT_BITS[left])) * np.uint64(FACTOR)
        value[rows] = mixed ^ (mixed >> np.uint64(32))
    return value


def as_array(text: bytes) -> np.ndarray:
    return np.frombuffer(text, np.uint8)


class Names(Sequence[str]):
    """Names in one text, UTF-8.

    Args:
        text: all of them, with eight bytes more.
        first: where each begins.
        length: of each, in bytes; -1 of one that is no name.
    """

    def __init__(self, text: bytes, first: np.ndarray, length: np.ndarray) -> None:
        self.text = text
        # Where they can be, of half the width: most of what an index takes.
        self.first = first.astype(np.uint32 if len(text) < 2**32 else np.int64)
        is_short = length.min(initial=0) >= 0 and length.max(initial=0) < 2**16
        self.length = length.astype(np.uint16 if is_short else np.int32)

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """From strings."""
        raws = [name.encode(errors=ODD) for name in names]
        length = np.array([len(raw) for raw in raws], np.int64)
        return cls(b"".join(raws) + ROOM, np.cumsum(length) - length, length)

    @classmethod
    def lines(cls, content: bytes) -> Self:
        """The lines of a text that are not blank; they end at line feeds only, or at a carriage return before one."""
        text = b"".join((content, b"\n", ROOM))
        ends = np.flatnonzero(as_array(text)[: len(content) + 1] == ord("\n"))
        first = np.concatenate([[0], ends[:-1] + 1])
        length = ends - first
        while (returns := (length > 0) & (as_array(text)[first + length - 1] == ord("\r"))).any():
            length -= returns
        is_blank = length == 0
        for row in np.flatnonzero((length > 0) & (as_array(text)[first] <= ord(" "))):
            is_blank[row] = not text[first[row] : ends[row]].strip()
        return cls(text, first[~is_blank], length[~is_blank])

    def __len__(self) -> int:
        return len(self.first)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Names: ...
    def __getitem__(self, index: int | slice) -> str | Names:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return self.raw(index).decode(errors=ODD)

    def __iter__(self) -> Iterator[str]:
        return (self.raw(row).decode(errors=ODD) for row in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def raw(self, row: int) -> bytes:
        """A name's bytes."""
        first = int(self.first[row])
        return self.text[first : first + int(self.length[row])]

    def line(self, row: int) -> int:
        """The number of a name's line in its text, from 1."""
        return self.text.count(b"\n", 0, int(self.first[row])) + 1

    def take(self, rows: np.ndarray) -> Names:
        """Some of the names, of the same text."""
        return Names(self.text, self.first[rows], self.length[rows])

    def until(self, mark: str) -> np.ndarray:
        """Bytes before each name's first ``mark``, a single byte; -1 where it has none."""
        marks = np.flatnonzero(as_array(self.text) == ord(mark))
        after = np.append(marks, len(self.text))[np.searchsorted(marks, self.first)]
        before = after - self.first.astype(np.int64)
        return np.where(before < self.length, before, -1).astype(np.int32)

    def hashes(self) -> np.ndarray:
        """A 64-bit hash of each name: uint64 (N,)."""
        return hashes_of(as_array(self.text), self.first, self.length)

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Hashes in order, and the row of each."""
        hashes, order = in_order(self.hashes())
        return hashes, order.astype(np.uint32)

    def row(self, name: str) -> int:
        """Where a name is, the last time; -1 where it is not."""
        hashes, order = self._sorted
        raw = name.encode(errors=ODD)
        wanted = np.uint64(hash_of(raw))
        at = int(hashes.searchsorted(wanted, side="right")) - 1
        while at >= 0 and hashes[at] == wanted:
            if self.raw(int(order[at])) == raw:
                return int(order[at])
            at -= 1
        return -1

    def before(self, mark: str) -> Names:
        """What stands before each name's first ``mark``; all of it where there is none."""
        length = self.until(mark)
        return Names(self.text, self.first, np.where(length < 0, self.length, length))

    def checksum(self) -> int:
        """Of all names in their order."""
        return zlib.crc32(self.hashes().tobytes())

    def among(self, names: Names) -> Names:
        """Those that are among other names, once each."""
        rows = np.unique(self.rows_of(names))
        return self.take(rows[rows >= 0])

    def are_last(self) -> np.ndarray:
        """Which names do not come again, and all that are none: bool (N,), by hash alone."""
        hashes, order = self._sorted
        found = np.ones(len(self), bool)
        found[order[:-1][hashes[:-1] == hashes[1:]]] = False
        found[np.less(self.length, 0)] = True
        return found

    def rows_of(self, names: Names) -> np.ndarray:
        """Where each of other names is, by hash alone (of 500,000 two differ by chance in 1e-7 of all sets); -1 where
        it is not."""
        hashes, order = self._sorted
        if not len(hashes):
            return np.full(len(names), -1)
        wanted = names.hashes()
        at = np.maximum(hashes.searchsorted(wanted, side="right") - 1, 0)
        return np.where(hashes[at] == wanted, order[at].astype(np.int64), -1)


class Lists(Mapping[str, tuple[str, ...]]):
    """Lines of ``key:part,part``, taken apart when they are asked for.

    Args:
        lines: each with a colon and at least a part; of those with one key the last counts.
    """

    def __init__(self, lines: Names) -> None:
        names = Names(lines.text, lines.first, lines.until(":"))
        is_last = names.are_last()
        self.lines, self.names = (
            each if is_last.all() else each.take(np.flatnonzero(is_last)) for each in (lines, names)
        )

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.names.row(key) >= 0

    def parts(self, row: int) -> bytes:
        """What follows the colon of a line."""
        return self.lines.raw(row)[int(self.names.length[row]) + 1 :]

    def __getitem__(self, key: str) -> tuple[str, ...]:
        row = self.names.row(key)
        if row < 0:
            raise KeyError(key)
        return tuple(part for part in self.parts(row).decode().split(",") if part)

    def counts(self) -> np.ndarray:
        """How many different parts each line has."""
        return np.array([len(set(self.parts(row).split(b",")) - {b""}) for row in range(len(self))], np.int64)
