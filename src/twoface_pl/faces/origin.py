"""What a photo's file holds beside its pixels: kept while they are changed, and written with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from twoface_pl.faces.exif import UPRIGHT
from twoface_pl.faces.formats import open_picture
from twoface_pl.faces.xmp import says_made

JPEG_KINDS = ("JPEG", "MPO")  # the second: a phone's JPEG with further pictures behind it
TIFF_OWN = range(254, 348)  # a TIFF's own tags of how its pixels are stored; the others say of the photo
TIFF_SAID = (270, 271, 272, 305, 306, 315)  # of these the ones that do: description, camera, software, date, artist
# XMP, IPTC, Photoshop's resources, the profile, Content Credentials
TIFF_OTHERS = (700, 33723, 34377, 34675, 52545)
ORIENTATIONS = range(1, 9)
DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
SYSTEM = "Two-Face"  # what completes a photo, in its XMP
MOST_DPI = 65535  # that every format has room for


@dataclass(frozen=True)
class Origin:
    """Of the file that a photo was read from."""

    kind: str = ""  # its format, by Pillow's name
    content: bytes = b""  # all of it, of a JPEG
    orientation: int = UPRIGHT  # that its pixels are stored in, by EXIF's count
    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    inks: bool = False  # its pixels are CMYK


def _exif_of_tiff(opened: Image.Image) -> bytes:
    """As a block of its own: a TIFF's directory holds both, what is said of the photo and of its pixels."""
    found, kept = opened.getexif(), Image.Exif()
    for tag, value in found.items():
        if (tag not in TIFF_OWN or tag in TIFF_SAID) and tag not in (*DIRECTORIES, *TIFF_OTHERS):
            kept[tag] = value
    others = {directory: values for directory in DIRECTORIES if (values := found.get_ifd(directory))}
    for directory, values in others.items():
        kept.get_ifd(directory).update(values)
    return kept.tobytes() if len(kept) or others else b""


def _dpi(info: dict[Any, Any]) -> tuple[float, float] | None:
    """A resolution that is one."""
    given = tuple(float(each) for each in info.get("dpi") or ())
    return (given[0], given[1]) if len(given) == 2 and all(0 < each <= MOST_DPI for each in given) else None


def _xmp(info: dict[Any, Any]) -> bytes:
    xmp = info.get("xmp") or b""
    return xmp.encode() if isinstance(xmp, str) else bytes(xmp)


def read_origin(opened: Image.Image, source: Path | bytes) -> Origin:
    """Of a picture that was opened and decoded, not turned yet."""
    info, content = opened.info, b""
    if opened.format in JPEG_KINDS:
        content = source if isinstance(source, bytes) else source.read_bytes()
    turned = opened.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    exif = _exif_of_tiff(opened) if opened.format == "TIFF" else info.get("exif") or b""
    return Origin(
        opened.format or "",
        content,
        int(turned) if turned in ORIENTATIONS else UPRIGHT,
        bytes(exif),
        _xmp(info),
        _dpi(info),
        opened.mode == "CMYK",
    )


def is_made(source: Path | bytes, name: str) -> bool:
    """Whether a picture says that a model has made it, or a part of it, or that it is a drawing of ours.

    Raises:
        TwoFaceError: as :func:`open_picture`.
    """
    with open_picture(source, name) as opened:
        return says_made(_xmp(opened.info), SYSTEM)


def as_stored(picture: np.ndarray, orientation: int) -> np.ndarray:
    """An upright picture (H, W, ...), turned as the file of that orientation has it."""
    if orientation == 2:
        return picture[:, ::-1]
    if orientation == 3:
        return picture[::-1, ::-1]
    if orientation == 4:
        return picture[::-1]
    if orientation == 5:
        return picture.swapaxes(0, 1)
    if orientation == 6:
        return np.rot90(picture, 1)
    if orientation == 7:
        return picture[::-1, ::-1].swapaxes(0, 1)
    return np.rot90(picture, -1) if orientation == 8 else picture
