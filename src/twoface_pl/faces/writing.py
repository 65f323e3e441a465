"""Writing photos, with what belongs to them: profile, transparency, EXIF, XMP, resolution."""

from __future__ import annotations

import io
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from twoface_pl import __version__
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.colour import profile_mode
from twoface_pl.faces.deep import encode_deep
from twoface_pl.faces.exif import renewed
from twoface_pl.faces.files import write_bytes
from twoface_pl.faces.image import Photo, jpeg_options
from twoface_pl.faces.jpeg import check_rewrites, rewrite
from twoface_pl.faces.origin import SYSTEM, Origin, as_stored
from twoface_pl.faces.xmp import marked

log = logging.getLogger(__name__)

LOSSLESS_SUFFIXES = frozenset({".png", ".bmp", ".tif", ".tiff", ".webp"})
JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})
LARGEST_WEBP = 16383  # pixels a side
TIFF_XMP = 700
DEEP_KINDS = ("PNG", "TIFF")  # that hold 16 bits a channel
KINDS = {
    ".png": "PNG",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
}


def _to_pillow(photo: Photo) -> Image.Image:
    image = Image.fromarray(photo.pixels)
    if photo.profile is not None and profile_mode(photo.profile) == "L":
        image = image.getchannel(0)  # a grey profile fits a grey picture only
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
    return image


def _deep(photo: Photo, kind: str) -> np.ndarray | None:
    """Its 16 bits a channel, with as many channels as the picture of 8 has; None where it, or the format, has 8."""
    if photo.deep is None or kind not in DEEP_KINDS:
        return None
    if photo.profile is not None and profile_mode(photo.profile) == "L":
        return np.ascontiguousarray(photo.deep[..., 0])
    return photo.deep if photo.alpha is not None else np.ascontiguousarray(photo.deep[..., :3])


def _options(photo: Photo, image: Image.Image, kind: str) -> dict[str, Any]:
    """What Pillow needs to write a photo in a format with what belongs to it."""
    options: dict[str, Any] = jpeg_options(95) if kind == "JPEG" else {}
    if kind == "WEBP":
        options |= {"lossless": True, "exact": True}
    if photo.profile:
        options["icc_profile"] = photo.profile
    origin = photo.origin or Origin()
    if origin.dpi:
        options["dpi"] = origin.dpi
    if exif := renewed(origin.exif, image) if origin.exif else b"":
        options["exif"] = exif
    xmp = marked(origin.xmp, SYSTEM, __version__) if photo.hole is not None else origin.xmp
    if xmp and kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    elif xmp and kind == "TIFF":
        options["exif"] = Image.Exif()
        options["exif"].load(exif)
        options["exif"][TIFF_XMP] = xmp
    elif xmp:
        options["xmp"] = xmp
    return options


def encode_photo(photo: Photo, kind: str = "PNG") -> bytes:
    """A photo in one of Pillow's formats, its pixels as they are (but in JPEG).

    Raises:
        TwoFaceError: the format has no room for it.
    """
    image = _to_pillow(photo)
    if kind == "WEBP" and max(image.size) > LARGEST_WEBP:
        raise TwoFaceError(f"WebP holds {LARGEST_WEBP} pixels a side at the most; give `output` with .png")
    if kind == "JPEG":
        image = image.convert("RGB" if image.mode not in ("L", "RGB") else image.mode)
    deep = _deep(photo, kind)
    try:
        options = _options(photo, image, kind)
        return _saved(image, kind, options) if deep is None else encode_deep(deep, kind, options)
    except Exception as error:  # Pillow's, of many classes, for what it cannot put into this format
        if photo.origin is None or not photo.origin.exif:
            raise TwoFaceError(f"the photo cannot be written as {kind} ({error}); give `output` with .png") from None
        log.warning("the photo's EXIF cannot be kept in a %s (%s)", kind, error)
    return encode_photo(replace(photo, origin=replace(photo.origin, exif=b"")), kind)


def _saved(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def check_keeps_pixels(suffix: str, photo: Photo) -> None:
    """Refuse a file that would not leave what lies outside a hole as it is: a JPEG of what was none.

    Raises:
        NoRewriteError: says why, and what to do.
    """
    if suffix in JPEG_SUFFIXES:
        check_rewrites(photo.origin.content if photo.origin is not None else b"")


def _rewritten(photo: Photo) -> bytes:
    """A photo from a JPEG as a JPEG: blocks that its hole does not touch are the old ones."""
    assert photo.origin is not None
    assert photo.hole is not None
    origin = photo.origin
    pixels, hole = (np.ascontiguousarray(as_stored(each, origin.orientation)) for each in (photo.pixels, photo.hole))
    exif = renewed(origin.exif, Image.fromarray(pixels), origin.orientation) if origin.exif else b""
    xmp = marked(origin.xmp, SYSTEM, __version__, origin.orientation)
    return rewrite(origin.content, pixels, hole, exif, xmp)


def photo_content(suffix: str, photo: Photo, reencode: bool = False) -> bytes:
    """A photo's file in the format a suffix names (PNG, TIFF, BMP, WebP, JPEG).

    As a JPEG, a photo whose file was kept and that was filled keeps its coefficients where nothing changed; another,
    or with ``reencode``, is encoded anew, all of it.

    Raises:
        TwoFaceError: as :func:`encode_photo` and :func:`check_keeps_pixels`.
    """
    if suffix.lower() in JPEG_SUFFIXES and not reencode and photo.hole is not None and photo.origin is not None:
        return _rewritten(photo)
    return encode_photo(photo, KINDS[suffix.lower()])


def write_photo(path: Path, photo: Photo, reencode: bool = False) -> None:
    """Write a photo, atomically, as :func:`photo_content` has it.

    Raises:
        TwoFaceError: it cannot be written.
    """
    write_bytes(path, photo_content(path.suffix, photo, reencode))
