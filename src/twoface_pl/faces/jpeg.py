"""JPEG photos that are changed in a hole: the coefficients of blocks that it does not touch stay as they were.

Decoded and encoded again, a whole photo would lose a generation. Here quantisation tables and subsampling are the
photo's own, and only touched blocks are transformed anew. Coefficients are read and written by ``jpeglib``.
"""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.exif import PREFIX
from twoface_pl.faces.hole import bounding_box

SIDE = 8  # pixels of a block
COM, APP0, APP1, APP2, APP13, APP14, LAST_APP = 0xFE, 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF
START, START_OF_SCAN = b"\xff\xd8", 0xDA
XMP, PROFILE, JFIF = b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0", b"JFIF\0"
ADOBE = b"Adobe"
RESOURCES, RESOURCE = b"Photoshop 3.0\0", b"8BIM"
THUMBNAILS = (1033, 1036)  # image resources that show the photo as it was
MOST_BYTES = 65533  # of a segment
COEFFICIENTS = 1023
# Brightness and colours of RGB (JFIF, ITU-R BT.601).
FROM_RGB = np.array(
    [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]], np.float32
)
CENTRE = 128.0
ADVICE = "give `output` with .png, or `reencode`"
Segment = tuple[int, bytes]


class NoRewriteError(TwoFaceError):
    """A photo that no JPEG can hold with all as it is but the hole; ``why``, without what to do."""

    def __init__(self, why: str, advice: str = ADVICE) -> None:
        super().__init__(f"{why}; {advice}")
        self.why = why


def can_rewrite() -> bool:
    """Whether the package that reads coefficients is there."""
    return find_spec("jpeglib") is not None


def _cosines() -> np.ndarray:
    """(8, 8): the rows of the discrete cosine transform."""
    places = np.arange(SIDE)
    rows = np.cos(math.pi / SIDE * np.outer(places, places + 0.5)) * math.sqrt(2 / SIDE)
    rows[0] /= math.sqrt(2)
    return rows


def _split(content: bytes) -> tuple[list[Segment], bytes]:
    """A JPEG's segments before its first scan, and the rest."""
    segments: list[Segment] = []
    place = len(START)
    while place + 4 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        if kind == 0xFF:  # a fill byte
            place += 1
            continue
        if kind == START_OF_SCAN:
            return segments, content[place:]
        (length,) = struct.unpack_from(">H", content, place + 2)
        segments.append((kind, content[place + 4 : place + 2 + length]))
        place += 2 + length
    raise NoRewriteError("the JPEG's header is damaged")


def _resources(payload: bytes) -> bytes:
    """Photoshop's image resources (captions and keywords among them) without thumbnails; nothing if damaged."""
    kept, place = [], len(RESOURCES)
    while payload[place : place + 4] == RESOURCE and place + 12 <= len(payload):
        (number,) = struct.unpack_from(">H", payload, place + 4)
        name = payload[place + 6] + 1
        size_at = place + 6 + name + name % 2
        if size_at + 4 > len(payload):
            break
        (size,) = struct.unpack_from(">I", payload, size_at)
        end = size_at + 4 + size + size % 2
        if number not in THUMBNAILS:
            kept.append(payload[place:end])
        place = end
    return RESOURCES + b"".join(kept) if kept else b""


def _kept(segments: Sequence[Segment], exif: bytes, xmp: bytes) -> Iterator[Segment]:
    """What stays of a photo's own segments, and its EXIF and XMP as they are now; other pictures of it go."""
    for kind, payload in segments:
        if kind == APP0 and payload.startswith(JFIF):
            yield kind, payload[:12] + b"\0\0"  # without a thumbnail
    if exif:
        yield APP1, PREFIX + exif
    yield APP1, XMP + xmp
    for kind, payload in segments:
        if kind == APP13 and payload.startswith(RESOURCES) and (rest := _resources(payload)):
            yield kind, rest
        elif kind in (COM, APP14) or (kind == APP2 and payload.startswith(PROFILE)):
            yield kind, payload


def _is_frame(kind: int) -> bool:
    return 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC)  # these are tables and an extension


def _frame(segments: Sequence[Segment]) -> bytes:
    """The frame header of a JPEG in grey or in brightness and colours, of 8 bits.

    Raises:
        TwoFaceError: it is of another kind.
    """
    frames = [payload for kind, payload in segments if _is_frame(kind)]
    adobe = [payload[11] for kind, payload in segments if kind == APP14 and payload[:5] == ADOBE and len(payload) > 11]
    plain = len(frames) == 1 and len(frames[0]) > 5 and frames[0][0] == SIDE and frames[0][5] in (1, 3)
    has_jfif = any(kind == APP0 and payload.startswith(JFIF) for kind, payload in segments)
    is_rgb = adobe == [0] or (frames[0][6:15:3] == b"RGB" and not adobe and not has_jfif)  # as decoders tell
    if not plain or (frames[0][5] == 3 and is_rgb):
        raise NoRewriteError("a JPEG in CMYK, RGB or 12 bits cannot be changed in its hole alone")
    for factors in zip(*((each >> 4, each & 15) for each in frames[0][7::3]), strict=True):
        divide = 0 not in factors and all(max(factors) % each == 0 for each in factors)
        if not divide:
            raise NoRewriteError(f"a JPEG whose colours have {min(factors)} samples to {max(factors)} is not changed")
    return frames[0]


def check_rewrites(content: bytes) -> None:
    """Refuse what :func:`rewrite` cannot change.

    Raises:
        NoRewriteError: says why, and what to do.
    """
    if not content.startswith(START):
        raise NoRewriteError("it is no JPEG, and as one its pixels would change outside the hole")
    if not can_rewrite():
        raise NoRewriteError(
            "to leave a JPEG as it is outside the hole, pip install 'twoface-pl[jpeg]'", f"or {ADVICE}"
        )
    _frame(_split(content)[0])


def _named(segments: list[Segment], rest: bytes, frame: bytes) -> tuple[list[Segment], bytes]:
    """Segments and the one scan behind them, their components named as in another frame header: the package counts
    from 0, where JFIF wants 1 to 3."""
    named, scan = [], bytearray(rest)
    for kind, payload in segments:
        content = bytearray(payload)
        if _is_frame(kind):
            content[6::3] = frame[6::3]
        named.append((kind, bytes(content)))
    for number in range(scan[4]):
        scan[5 + 2 * number] = frame[6 + 3 * number]
    return named, bytes(scan)


def _joined(segments: Sequence[Segment], rest: bytes) -> bytes:
    parts = [START]
    for kind, payload in segments:
        if len(payload) > MOST_BYTES:
            raise NoRewriteError("its metadata are too long for a JPEG")
        parts.append(struct.pack(">BBH", 0xFF, kind, len(payload) + 2) + payload)
    return b"".join(parts) + rest


def _blocks(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """(rows, columns, 8, 8) of a plane (h, w), its last pixels repeated to fill them up."""
    fill = (rows * SIDE - plane.shape[0], columns * SIDE - plane.shape[1])
    padded = np.pad(plane, ((0, max(0, fill[0])), (0, max(0, fill[1]))), mode="edge")
    padded = padded[: rows * SIDE, : columns * SIDE]
    return padded.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2)


def _shrunk(plane: np.ndarray, down: int, across: int) -> np.ndarray:
    """Means over (down, across) pixels."""
    if (down, across) == (1, 1):
        return plane
    height, width = (-(-side // by) for side, by in zip(plane.shape, (down, across), strict=True))
    padded = np.pad(plane, ((0, height * down - plane.shape[0]), (0, width * across - plane.shape[1])), mode="edge")
    return padded.reshape(height, down, width, across).mean(axis=(1, 3))


def _replace(stored: np.ndarray, table: np.ndarray, plane: np.ndarray, hole: np.ndarray) -> None:
    """Put the coefficients of a plane's touched blocks into the stored ones (rows, columns, 8, 8)."""
    rows, columns = stored.shape[:2]
    touched = _blocks(hole, rows, columns).any(axis=(2, 3))
    cosines = _cosines()
    changed = cosines @ (_blocks(plane, rows, columns)[touched] - CENTRE) @ cosines.T
    stored[touched] = np.clip(np.round(changed / table), -COEFFICIENTS, COEFFICIENTS).astype(stored.dtype)


def _aligned(hole: np.ndarray, most: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold a hole, from and to the edges of blocks of all planes, or of the picture."""
    rows, columns = (
        slice(part.start // unit * unit, min(-(-part.stop // unit) * unit, side))
        for part, unit, side in zip(bounding_box(hole), (SIDE * most).tolist(), hole.shape, strict=True)
    )
    return rows, columns


def _recoded(content: bytes, pixels: np.ndarray, hole: np.ndarray) -> bytes:
    import jpeglib

    with tempfile.TemporaryDirectory(prefix="twoface-") as folder:
        before, after = Path(folder, "before.jpg"), Path(folder, "after.jpg")
        before.write_bytes(content)
        stored = jpeglib.read_dct(str(before))
        colours = [stored.Y] if stored.Cb is None else [stored.Y, stored.Cb, stored.Cr]
        most = np.max(stored.samp_factor, axis=0)
        around = _aligned(hole, most)
        planes = (pixels[around].astype(np.float32) @ FROM_RGB.T).transpose(2, 0, 1)
        planes[1:] += CENTRE
        touched = hole[around].astype(np.float32)
        for number, coefficients in enumerate(colours):
            by = [int(value) for value in most // stored.samp_factor[number]]
            blocks = tuple(
                slice(part.start // (SIDE * each), -(-part.stop // (SIDE * each)))
                for part, each in zip(around, by, strict=True)
            )
            table = stored.qt[stored.quant_tbl_no[number]].astype(np.float64)
            _replace(coefficients[blocks], table, _shrunk(planes[number], *by), _shrunk(touched, *by) > 0)
        stored.write_dct(str(after))
        return after.read_bytes()


def rewrite(content: bytes, pixels: np.ndarray, hole: np.ndarray, exif: bytes, xmp: bytes) -> bytes:
    """A JPEG with its hole filled.

    Args:
        content: the photo's file, which was decoded before.
        pixels: uint8 (H, W, 3), in the photo's own profile, turned as the file has it.
        hole: bool (H, W), True where they changed.
        exif, xmp: as they are to be stored; profile, comments and captions stay as they are.

    Raises:
        TwoFaceError: a kind of JPEG whose coefficients cannot be kept.
    """
    segments, _ = _split(content)
    frame = _frame(segments)
    try:
        recoded = _recoded(content, pixels, hole)
    except (OSError, ValueError):  # libjpeg's: a file that is damaged, or no room for a temporary one
        raise NoRewriteError("the JPEG cannot be changed in its hole alone") from None
    tables, rest = _named(*_split(recoded), frame)
    tables = [segment for segment in tables if segment[0] != COM and not APP0 <= segment[0] <= LAST_APP]
    return _joined([*_kept(segments, exif, xmp), *tables], rest)
