"""EXIF as cameras write it."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

MAKER_NOTE = b"offsets in here count from the start"


def camera_exif(pixels: np.ndarray, orientation: int = 1, maker: str = "Camera") -> bytes:
    """With a maker note and a thumbnail of the picture: IFD0, EXIF's directory, IFD1."""
    thumbnail = io.BytesIO()
    Image.fromarray(pixels).resize((64, 44)).save(thumbnail, "JPEG")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, maker
    exif.get_ifd(0x8769).update({0x927C: MAKER_NOTE, 0x9003: "2020:01:02 03:04:05"})
    block = bytearray(exif.tobytes().removeprefix(b"Exif\0\0"))
    order = "little" if block[:2] == b"II" else "big"

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, order)

    first = int.from_bytes(block[4:8], order)
    link = first + 2 + 12 * int.from_bytes(block[first : first + 2], order)
    second = len(block) + len(block) % 2
    block += b"\0" * (second - len(block))
    block[link : link + 4] = number(second, 4)
    at = second + 2 + 2 * 12 + 4
    block += number(2, 2)
    for tag, value in ((0x0201, at), (0x0202, thumbnail.tell())):
        block += number(tag, 2) + number(4, 2) + number(1, 4) + number(value, 4)
    return b"Exif\0\0" + bytes(block + number(0, 4) + thumbnail.getvalue())
