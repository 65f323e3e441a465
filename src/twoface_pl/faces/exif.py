"""EXIF of a photo that was changed: orientation and thumbnail made right in place, every other byte left alone.

Reading and writing it anew would move maker notes, whose offsets count from the start of the block.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

PREFIX = b"Exif\0\0"
ORIENTATION, THUMBNAIL, THUMBNAIL_LENGTH = 0x0112, 0x0201, 0x0202
THUMBNAIL_SIDE = 160  # pixels, as cameras have it
QUALITIES = (85, 60, 30, 10)  # of a new thumbnail, which must fit in the old one's place
MOST_ENTRIES = 4096  # of a directory
SHORT, LONG = 3, 4
UPRIGHT = 1


@dataclass(frozen=True)
class Entry:
    """A tag's value, or where its values stand."""

    kind: int
    count: int
    place: int  # in the block


class Block:
    """A TIFF block: its byte order and its directories."""

    def __init__(self, block: bytes) -> None:
        self.bytes = bytearray(block)
        self.order = {b"II": "<", b"MM": ">"}[bytes(block[:2])]
        self.first = self.number("I", 4)

    def number(self, kind: str, place: int) -> int:
        return int(struct.unpack_from(self.order + kind, self.bytes, place)[0])

    def put(self, kind: str, place: int, value: int) -> None:
        struct.pack_into(self.order + kind, self.bytes, place, value)

    def entries(self, directory: int) -> Iterator[tuple[int, Entry]]:
        for number in range(min(self.number("H", directory), MOST_ENTRIES)):
            place = directory + 2 + 12 * number
            kind, count = self.number("H", place + 2), self.number("I", place + 4)
            yield self.number("H", place), Entry(kind, count, place + 8)

    def after(self, directory: int) -> int:
        """Where the place of the next directory stands."""
        return directory + 2 + 12 * self.number("H", directory)

    def value(self, entry: Entry) -> int:
        return self.number("H" if entry.kind == SHORT else "I", entry.place)

    def set(self, entry: Entry, value: int) -> None:
        """Give all of an entry's values, whole numbers of 2 or 4 bytes, a new one."""
        size = 2 if entry.kind == SHORT else 4
        first = entry.place if entry.count * size <= 4 else self.number("I", entry.place)
        for number in range(entry.count):
            self.put("H" if entry.kind == SHORT else "I", first + size * number, value)


def _thumbnail(picture: Image.Image, room: int) -> bytes | None:
    """A small JPEG of at most so many bytes."""
    small = picture.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    for quality in QUALITIES:
        stream = io.BytesIO()
        small.save(stream, "JPEG", quality=quality)
        if stream.tell() <= room:
            return stream.getvalue()
    return None


def _renew_thumbnail(block: Block, picture: Image.Image) -> None:
    """The thumbnail of the picture as it is now, in the old one's place; where it does not fit, none."""
    link = block.after(block.first)
    second = block.number("I", link)
    if not second:
        return
    entries = dict(block.entries(second))
    if THUMBNAIL in entries and THUMBNAIL_LENGTH in entries:
        start, length = block.value(entries[THUMBNAIL]), block.value(entries[THUMBNAIL_LENGTH])
        room = max(0, min(length, len(block.bytes) - start))
        made = _thumbnail(picture, room)
        block.bytes[start : start + room] = (made or b"").ljust(room, b"\0")
        if made is not None:
            if entries[THUMBNAIL_LENGTH].kind == LONG:
                block.put("I", entries[THUMBNAIL_LENGTH].place, len(made))
            return
    block.put("I", link, 0)  # of another kind, or too small: what it shows must not stay


def renewed(exif: bytes, picture: Image.Image, turned: int = UPRIGHT) -> bytes:
    """EXIF for a changed picture.

    Args:
        exif: a whole block, with or without its prefix.
        picture: as it is stored; the thumbnail is made of it.
        turned: the orientation it is stored in.

    Returns:
        The block without its prefix; nothing where it is damaged.
    """
    try:
        block = Block(exif.removeprefix(PREFIX))
        for tag, entry in block.entries(block.first):
            if tag == ORIENTATION:
                block.put("H" if entry.kind == SHORT else "I", entry.place, turned)
        _renew_thumbnail(block, picture)
    except (KeyError, struct.error):
        return b""
    return bytes(block.bytes)
