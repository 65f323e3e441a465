"""Reading and writing pictures. Every program decodes through this module and nowhere else."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import write_atomically

READABLE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
LOSSLESS_SUFFIXES = frozenset({".png", ".bmp", ".tif", ".tiff"})
MAX_PIXELS = 64_000_000
MIN_SIDE = 16
NEARLY_GREY = 6  # most that red, green and blue of a grey photo differ by, once it was saved as a colour JPEG
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"


def _open(source: Path | bytes, name: str) -> Image.Image:
    try:
        opened = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=READABLE_FORMATS)
    except FileNotFoundError:
        raise TwoFaceError(f"{name}: no such file") from None
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError) as error:
        kinds = ", ".join(READABLE_FORMATS)
        raise TwoFaceError(f"{name}: not a picture that can be read ({kinds}): {error}") from None
    return opened


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise TwoFaceError(f"{name}: {width}x{height} is more than {MAX_PIXELS // 10**6} megapixels; make it smaller")
    if min(width, height) < MIN_SIDE:
        raise TwoFaceError(f"{name}: {width}x{height} is too small; a picture needs {MIN_SIDE} pixels a side")


def _check_still(opened: Image.Image, name: str) -> None:
    # A phone's JPEG may carry a second picture of its own (MPO), a depth map say; the first is the photo.
    if getattr(opened, "is_animated", False) and opened.format != "MPO":
        raise TwoFaceError(f"{name}: an animation or several pages; save the one picture that is meant")


def _plain_jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a whole colour JPEG without EXIF or anything else unusual in its header; else None."""
    if not (content.startswith(JPEG_START) and content.endswith(JPEG_END)):
        return None
    place = len(JPEG_START)
    while place + 10 <= len(content) and content[place] == 0xFF:
        kind, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if kind in (0xC0, 0xC1, 0xC2):  # start of frame
            height, width = (int.from_bytes(content[place + at : place + at + 2], "big") for at in (5, 7))
            return (width, height) if content[place + 9] == 3 else None
        if kind not in (0xDB, 0xE0, 0xFE):  # tables, JFIF, a comment
            return None
        place += 2 + length
    return None


def _decode_plain_jpeg(content: bytes, name: str) -> np.ndarray | None:
    """The pixels of a plain JPEG by OpenCV, the same as Pillow's in half its time; None where it is not plain."""
    size = _plain_jpeg_size(content)
    if size is None:
        return None
    _check_size(*size, name)
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)


def _decode(source: Path | bytes, name: str | None, convert: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    shown = name or (str(source) if isinstance(source, Path) else "image")
    with _open(source, shown) as opened:
        _check_size(*opened.size, shown)
        _check_still(opened, shown)
        try:
            return np.array(convert(ImageOps.exif_transpose(opened)))
        except Exception as error:  # each format's decoder fails in ways of its own
            raise TwoFaceError(f"{shown}: broken picture ({error}); replace or remove it") from None


def _to_rgb(image: Image.Image, ground: str = "white") -> Image.Image:
    """RGB; what is transparent lies on ``ground``."""
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip it
        levels = np.asarray(image, np.float32) / 257
        image = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, ground), image)
    return image.convert("RGB")


def decode_image(source: Path | bytes, name: str | None = None) -> np.ndarray:
    """Decode a photo, upright by its EXIF orientation.

    Args:
        source: a file, or the bytes of one.
        name: how errors call it; the path if left out.

    Returns:
        uint8 RGB of shape (H, W, 3). Transparent pixels lie on white.

    Raises:
        TwoFaceError: missing, broken, too large (by its header, before decoding) or too small.
    """
    if isinstance(source, bytes):
        pixels = _decode_plain_jpeg(source, name or "image")
        if pixels is not None:
            return pixels
    return _decode(source, name, _to_rgb)


def is_grey(pixels: np.ndarray) -> bool:
    """Whether pixels, uint8 (N, 3), are a black-and-white photo's, but for one in a hundred; of none, no."""
    if not len(pixels):
        return False
    return bool(np.percentile(pixels.max(axis=1) - pixels.min(axis=1), 99) <= NEARLY_GREY)


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """The brightness of a picture, uint8 (H, W, 3), in all three channels."""
    return cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def decode_mask(source: Path | bytes, name: str | None = None) -> np.ndarray:
    """Decode a mask: white (above half) is the hole; what is transparent is not.

    Returns:
        bool of shape (H, W), True in the hole.

    Raises:
        TwoFaceError: as :func:`decode_image`.
    """
    return _decode(source, name, lambda image: _to_rgb(image, "black").convert("L")) > 127


def _jpeg_options(quality: int) -> dict[str, Any]:
    return {"quality": quality, "subsampling": 0}


def encode_jpeg(pixels: np.ndarray, quality: int = 95) -> bytes:
    """Uint8 RGB (H, W, 3) as JPEG, colours at full resolution."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **_jpeg_options(quality))
    return stream.getvalue()


def write_image(path: Path, pixels: np.ndarray, quality: int = 95) -> None:
    """Write uint8 RGB (H, W, 3), atomically, in the format its suffix names."""
    jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    options = _jpeg_options(quality) if jpeg else {}
    write_atomically(path, lambda temporary: Image.fromarray(pixels).save(temporary, **options))


def list_photos(folder: Path) -> list[Path]:
    """The photos directly in a folder, by suffix, sorted by name; hidden files are left out.

    Raises:
        TwoFaceError: the folder cannot be read.
    """
    try:
        content = list(folder.iterdir())
    except OSError as error:
        raise TwoFaceError(f"{folder}: this folder cannot be read ({error.strerror})") from None
    return sorted(
        path
        for path in content
        if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
