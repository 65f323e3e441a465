"""Photos of 16 bits a channel, which Pillow opens in 8: read, and written again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from twoface_pl.faces.exif import Block
from twoface_pl.faces.origin import as_stored

DEEPER = 257  # times a level of 8 bits, one of 16
DEPTH, DEEP = 24, 16  # where a PNG says how many bits a channel has
WIDTH, BITS = 256, 258  # tags of a TIFF
TURNED_BACK = {6: 8, 8: 6}  # the other orientations are their own way back


def to_bytes(deep: np.ndarray) -> np.ndarray:
    """Levels of 16 bits in 8."""
    return ((deep.astype(np.uint32) + DEEPER // 2) // DEEPER).astype(np.uint8)


def _beginning(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    with source.open("rb") as stream:
        return stream.read(DEPTH + 1)


def _is_deep(opened: Image.Image, source: Path | bytes) -> bool:
    if "transparency" in opened.info:  # one level is clear: not a channel
        return False
    if opened.format == "PNG":
        return _beginning(source)[DEPTH] == DEEP
    bits = getattr(opened, "tag_v2", {}).get(BITS) if opened.format == "TIFF" else None
    return bits is not None and set(np.atleast_1d(bits).tolist()) == {DEEP}


def read_deep(opened: Image.Image, source: Path | bytes, shape: tuple[int, ...], orientation: int) -> np.ndarray | None:
    """The levels of a photo of 16 bits a channel, upright; None of one that has 8.

    Args:
        opened: the photo, of which Pillow decoded 8.
        source: its file, or the bytes of one.
        shape: height and width that it has upright.
        orientation: that it is stored in, by EXIF's count.

    Returns:
        uint16 (H, W, 3), or 4 with transparency, opaque at 65535.
    """
    if not _is_deep(opened, source):
        return None
    content = source if isinstance(source, bytes) else source.read_bytes()
    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16:  # a kind of TIFF that OpenCV does not read: 8 bits are left
        return None
    codes = {2: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    code = codes[found.ndim if found.ndim == 2 else found.shape[2]]
    upright = as_stored(cv2.cvtColor(found, code), TURNED_BACK.get(orientation, orientation))
    return np.ascontiguousarray(upright) if upright.shape[:2] == shape else None


def _chunks(png: bytes) -> tuple[bytes, bytes, bytes]:
    """A PNG's beginning up to its header's end, what stands before its pixels, and the rest."""
    place = header = 8 + 25
    while png[place + 4 : place + 8] != b"IDAT":
        place += 12 + int.from_bytes(png[place : place + 4], "big")
    return png[:header], png[header:place], png[place:]


def _png(deep: np.ndarray, options: dict[str, Any]) -> bytes:
    """Its pixels by OpenCV, and what is said of them by Pillow."""
    stream = io.BytesIO()
    Image.new("L" if deep.ndim == 2 else "RGB", (1, 1)).save(stream, "PNG", **options)
    code = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    _, encoded = cv2.imencode(".png", deep if deep.ndim == 2 else cv2.cvtColor(deep, code[deep.shape[2]]))
    header, _, pixels = _chunks(encoded.tobytes())
    return header + _chunks(stream.getvalue())[1] + pixels


def _tiff(deep: np.ndarray, options: dict[str, Any]) -> bytes:
    """As twice as many columns of bytes, which is how they are stored; then the file is told what they are."""
    height, width = deep.shape[:2]
    columns = deep.astype("<u2").reshape(height, -1).view(np.uint8).reshape(height, 2 * width, *deep.shape[2:])
    stream = io.BytesIO()
    Image.fromarray(columns).save(stream, "TIFF", **options)
    block = Block(stream.getvalue())
    for tag, entry in block.entries(block.first):
        if tag == WIDTH:
            block.set(entry, width)
        elif tag == BITS:
            block.set(entry, DEEP)
    return bytes(block.bytes)


def encode_deep(deep: np.ndarray, kind: str, options: dict[str, Any]) -> bytes:
    """A photo of 16 bits a channel as PNG or TIFF.

    Args:
        deep: uint16 (H, W), (H, W, 3) or with transparency (H, W, 4).
        kind: ``PNG`` or ``TIFF``.
        options: what Pillow writes beside the pixels.
    """
    return (_png if kind == "PNG" else _tiff)(deep, options)
