"""Opening picture files: which formats, and what is refused by the header, before anything is decoded."""

from __future__ import annotations

import io
import re
import warnings
from functools import cache
from importlib import import_module
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from twoface_pl.errors import TwoFaceError, require

READABLE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF")
NAMED_FORMATS = ", ".join((*READABLE_FORMATS, "HEIC"))  # the last by an extra, as is said where it lacks
HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
PHOTO_SUFFIXES = HEIF_SUFFIXES | {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".avif",
}  # fmt: skip
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
MAX_PIXELS = 64_000_000
MIN_SIDE = 16
MAX_SCANS = 100  # of a progressive JPEG, each of which goes over all pixels; cameras and editors write about ten
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Of a JPEG. In its data 0xff is followed by 0, or by what starts the decoder anew.
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
END_OF_IMAGE, START_OF_SCAN = 0xD9, 0xDA
ALONE = (0x01, 0xD8)  # without a length behind them

# What is too large is said in our own words, with a limit below Pillow's.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class TooLargeError(TwoFaceError):
    """A picture of too many pixels."""


@cache
def _heif_plugin() -> bool:
    """Whether HEIC can be read: by a package that is not among ours."""
    try:
        import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return False
    return True


def _is_heif(start: bytes) -> bool:
    return start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS


def _start_of(source: Path | bytes, name: str) -> bytes:
    """The first bytes of a picture, of a file only if it is one: a pipe could keep us waiting for ever."""
    if isinstance(source, bytes):
        return source[:12]
    try:
        require(source.exists(), f"{name}: no such file")
        require(source.is_file(), f"{name}: a folder, pipe or device, not a picture file; - reads standard input")
        with source.open("rb") as stream:
            return stream.read(12)
    except OSError as error:
        raise TwoFaceError(f"{name}: cannot be read ({error.strerror})") from None


def check_size(width: int, height: int, name: str, most: int = MAX_PIXELS) -> None:
    """Refuse a picture that is too large to decode or too small to show anything.

    Raises:
        TwoFaceError: says so.
    """
    if width * height > most:
        raise TooLargeError(f"{name}: {width}x{height} is more than {most / 10**6:g} megapixels; make it smaller")
    if min(width, height) < MIN_SIDE:
        raise TwoFaceError(f"{name}: {width}x{height} is too small; a picture needs {MIN_SIDE} pixels a side")


def _scans(content: bytes) -> int:
    """The scans of a JPEG's first picture; behind its end other pictures may lie, or a film."""
    scans, place = 0, 2
    while (found := MARKER.search(content, place)) is not None:
        place, kind = found.end(), content[found.end() - 1]
        if kind == END_OF_IMAGE:
            break
        if kind not in ALONE:
            place += int.from_bytes(content[place : place + 2], "big")
        scans += kind == START_OF_SCAN
    return scans


def check_scans(content: bytes, name: str) -> None:
    """Refuse a JPEG that is made to take minutes.

    Raises:
        TwoFaceError: it has more scans than any camera or editor writes.
    """
    scans = _scans(content)
    require(scans <= MAX_SCANS, f"{name}: a JPEG of {scans} scans, more than {MAX_SCANS}; save it anew")


def _check_header(opened: Image.Image, source: Path | bytes, name: str, most: int) -> None:
    check_size(*opened.size, name, most)
    # A phone's photo may carry further pictures of its own (MPO, HEIF), a depth map say; the first is the photo.
    if getattr(opened, "is_animated", False) and opened.format not in ("MPO", "HEIF"):
        raise TwoFaceError(f"{name}: an animation or several pages; save the one picture that is meant")
    if opened.format in ("JPEG", "MPO"):
        check_scans(source if isinstance(source, bytes) else source.read_bytes(), name)


def open_picture(source: Path | bytes, name: str, most: int = MAX_PIXELS) -> Image.Image:
    """A picture whose header was read and checked, its pixels not yet.

    Args:
        source: a file, or the bytes of one.
        name: how errors call it.
        most: pixels that it may have.

    Raises:
        TwoFaceError: missing, no file, of no format that is read, too large, too small, with several pages.
    """
    start = _start_of(source, name)
    formats = list(READABLE_FORMATS)
    if _is_heif(start):
        require(_heif_plugin(), f"{name}: a HEIC photo; pip install 'twoface-pl[heic]', or save it as JPEG")
        formats.append("HEIF")
    try:
        opened = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats)
    except Image.DecompressionBombError:  # beyond twice Pillow's own limit, which is above ours
        raise TooLargeError(f"{name}: more than {most / 10**6:g} megapixels; make it smaller") from None
    except UnidentifiedImageError:
        known = (
            "a TIFF of a kind that is not read; save it as 8 or 16 bits"
            if start[:4] in TIFF_STARTS
            else (f"not a picture that can be read ({NAMED_FORMATS})")
        )
        raise TwoFaceError(f"{name}: {known}") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise TwoFaceError(f"{name}: not a picture that can be read ({NAMED_FORMATS}): {error}") from None
    try:
        _check_header(opened, source, name, most)
    except BaseException:
        opened.close()
        raise
    return opened
