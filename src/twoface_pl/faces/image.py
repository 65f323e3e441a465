"""Reading and writing pictures. Every program decodes through this module and nowhere else."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from PIL import Image, ImageOps

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.colour import cmyk_to_srgb, from_srgb, profile_mode, to_srgb
from twoface_pl.faces.deep import DEEPER, read_deep, to_bytes
from twoface_pl.faces.files import write_atomically
from twoface_pl.faces.formats import check_scans, check_size, open_picture
from twoface_pl.faces.hole import bounding_box
from twoface_pl.faces.origin import Origin, read_origin

OPAQUE = 255
MASK_NOISE = 24  # levels from black and from white that are none of a mask's softness: a JPEG's noise
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
T = TypeVar("T")


@dataclass(frozen=True)
class Photo:
    """A photo with what belongs to its pixels."""

    pixels: np.ndarray  # uint8 RGB (H, W, 3), in the colours of the profile
    profile: bytes | None = None  # ICC; None: sRGB
    alpha: np.ndarray | None = None  # uint8 (H, W), 255 is opaque; None: opaque everywhere
    origin: Origin | None = None  # of the file that it was read from, where that is to be kept
    hole: np.ndarray | None = None  # bool (H, W), True where a fill was put; None: nowhere
    deep: np.ndarray | None = None  # uint16 (H, W, 3), or 4 with transparency, of which the others are the 8 bits

    def seen(self) -> np.ndarray:
        """As it is looked at: uint8 sRGB (H, W, 3), transparent parts on white."""
        pixels = to_srgb(self.pixels, self.profile)
        if self.alpha is None:
            return pixels
        ground = Image.new("RGB", pixels.shape[1::-1], "white")
        return np.asarray(Image.composite(Image.fromarray(pixels), ground, Image.fromarray(self.alpha)))

    def painted(self) -> np.ndarray:
        """As it was painted, uint8 sRGB (H, W, 3): what shows through counts whole, what is not there is white."""
        pixels = to_srgb(self.pixels, self.profile)
        return pixels if self.alpha is None else np.where(self.alpha[..., None] > 0, pixels, np.uint8(OPAQUE))

    def with_fill(self, content: np.ndarray, mask: np.ndarray) -> Photo:
        """The photo with a fill in its hole.

        Args:
            content: uint8 sRGB, of the size of the hole's :func:`bounding_box`.
            mask: uint8 (H, W), 255 in the hole; what lies between blends, at 0 nothing changes by a bit.
        """
        fill = from_srgb(content, self.profile)
        deep = None if self.deep is None else _filled(self.deep, fill * np.uint16(DEEPER), mask)
        return replace(self, pixels=_filled(self.pixels, fill, mask), hole=mask > 0, deep=deep)


def _filled(pixels: np.ndarray, fill: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3 or more) with a fill of the mask's bounding box, as :meth:`Photo.with_fill` has it."""
    result, box = pixels.copy(), bounding_box(mask)
    part, levels = result[box][..., :3], mask[box]
    part[levels == OPAQUE] = fill[levels == OPAQUE]
    soft = (levels > 0) & (levels < OPAQUE)
    share = levels[soft][:, None].astype(np.float32) / OPAQUE
    part[soft] = np.round(fill[soft] * share + part[soft] * (1 - share))
    return result


def _plain_jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a whole colour JPEG without EXIF or anything else unusual in its header; else None."""
    if not (content.startswith(JPEG_START) and content.endswith(JPEG_END)):
        return None
    place, size = len(JPEG_START), None
    while place + 10 <= len(content) and content[place] == 0xFF:
        kind, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if kind == 0xDA:  # start of scan: nothing that says more can follow
            return size
        if kind in (0xC0, 0xC1, 0xC2) and size is None:  # start of frame
            height, width = (int.from_bytes(content[place + at : place + at + 2], "big") for at in (5, 7))
            if content[place + 9] != 3:
                return None
            size = (width, height)
        elif kind not in (0xC4, 0xDB, 0xDD, 0xE0, 0xFE):  # tables, an interval, JFIF, a comment
            return None
        place += 2 + length
    return None


def _decode_plain_jpeg(content: bytes, name: str) -> np.ndarray | None:
    """The pixels of a plain JPEG by OpenCV, the same as Pillow's in half its time; None where it is not plain."""
    size = _plain_jpeg_size(content)
    if size is None:
        return None
    check_size(*size, name)
    check_scans(content, name)
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)


def _decode(source: Path | bytes, name: str | None, convert: Callable[[Image.Image], T]) -> T:
    shown = name or (str(source) if isinstance(source, Path) else "image")
    with open_picture(source, shown) as opened:
        width, height = opened.size
        try:
            return convert(opened)
        except TwoFaceError as error:
            raise TwoFaceError(f"{shown}: {error}") from None
        except MemoryError:
            raise TwoFaceError(f"{shown}: not enough memory for its {width}x{height} pixels; make it smaller") from None
        except Exception as error:  # each format's decoder fails in ways of its own
            raise TwoFaceError(f"{shown}: broken picture ({error}); replace or remove it") from None


def _levels(image: Image.Image) -> Image.Image:
    """A picture of more than 8 bits, or in floating point, in 8; Pillow's own conversion would clip it."""
    values = np.asarray(image)
    if image.mode == "F":
        require(bool(np.isfinite(values).all()), "holds values that are no numbers; save it as 8 or 16 bits")
        low, high = float(values.min()), float(values.max())
        whole = next((whole for whole in (1.0, 255.0, 65535.0) if high <= whole), None)
        if low < 0 or whole is None or 255 < high < 65535 / 8:
            raise TwoFaceError(
                f"holds values from {low:g} to {high:g}, and what is white is not known; save it as 8 or 16 bits"
            )
    elif image.mode == "I" and (values.min() < 0 or values.max() > 65535):  # all of 32 bits
        values, whole = values.view(np.uint32), 2.0**32 - 1
    elif image.mode == "I" and values.max() <= 255:
        whole = 255.0
    else:
        whole = 65535.0
    return Image.fromarray(np.round(values * (255.0 / whole)).astype(np.uint8))


def _to_plain_modes(image: Image.Image) -> Image.Image:
    """RGB or RGBA."""
    if image.mode == "F" or image.mode.startswith("I"):
        clear = image.info.get("transparency")  # the level that is transparent
        opaque = None if clear is None else Image.fromarray(np.asarray(image) != clear)
        image = _levels(image)
        if opaque is not None:
            image.putalpha(opaque.convert("L"))
    if "A" in image.getbands() or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("RGB")


def _upright(opened: Image.Image) -> Image.Image:
    """Turned as its EXIF says; where that cannot be read, as it is."""
    try:
        opened.getexif()
    except Exception:  # Pillow's, of many classes
        opened.info.pop("exif", None)
    return ImageOps.exif_transpose(opened)


def _to_photo(opened: Image.Image) -> Photo:
    image = _upright(opened)
    profile = image.info.get("icc_profile") or None
    if image.mode == "CMYK":
        image = cmyk_to_srgb(image, profile) if profile else image.convert("RGB")
        profile = None
    if profile is not None:
        wanted = "L" if image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I") else "RGB"
        if profile_mode(profile) != wanted:  # damaged, or another picture's
            profile = None
    pixels = np.array(_to_plain_modes(image))
    alpha = np.ascontiguousarray(pixels[..., 3]) if pixels.shape[2] == 4 else None
    if alpha is not None and (alpha == OPAQUE).all():
        alpha = None
    return Photo(np.ascontiguousarray(pixels[..., :3]), profile, alpha)


def _to_kept_photo(opened: Image.Image, source: Path | bytes) -> Photo:
    photo, origin = _to_photo(opened), read_origin(opened, source)
    deep = read_deep(opened, source, photo.pixels.shape[:2], origin.orientation)
    if deep is None:
        return replace(photo, origin=origin)
    if photo.alpha is None:
        deep = deep[..., :3]
    return replace(photo, pixels=to_bytes(deep[..., :3]), origin=origin, deep=deep)


def read_photo(source: Path | bytes, name: str | None = None, keep: bool = False) -> Photo:
    """Decode a photo, upright by its EXIF orientation, with its colour profile and its transparency.

    Args:
        source: a file, or the bytes of one.
        name: how errors call it; the path if left out.
        keep: with all that its file holds beside, to be written again.

    Raises:
        TwoFaceError: missing, broken, too large (by its header, before decoding) or too small.
    """
    if keep:
        return _decode(source, name, lambda opened: _to_kept_photo(opened, source))
    if isinstance(source, bytes):
        pixels = _decode_plain_jpeg(source, name or "image")
        if pixels is not None:
            return Photo(pixels)
    return _decode(source, name, _to_photo)


def decode_image(source: Path | bytes, name: str | None = None) -> np.ndarray:
    """Decode a photo to what is looked at: uint8 sRGB (H, W, 3), upright, transparent parts on white.

    Raises:
        TwoFaceError: as :func:`read_photo`.
    """
    return read_photo(source, name).seen()


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """The brightness of a picture, uint8 (H, W, 3), in all three channels."""
    return cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def soften(levels: np.ndarray) -> np.ndarray:
    """A mask as painted, uint8 (H, W), with what is nearly black or nearly white made so."""
    stretched = (levels.astype(np.float32) - MASK_NOISE) * (OPAQUE / (OPAQUE - 2 * MASK_NOISE))
    return np.clip(np.round(stretched), 0, OPAQUE).astype(np.uint8)


def decode_mask(source: Path | bytes, name: str | None = None) -> np.ndarray:
    """Decode a mask: white, or any colour at its brightest, is the hole; darker blends; what is transparent is no hole.

    Returns:
        uint8 (H, W), 255 in the hole.

    Raises:
        TwoFaceError: as :func:`read_photo`.
    """

    def convert(opened: Image.Image) -> np.ndarray:
        plain = _to_plain_modes(_upright(opened))
        if plain.mode == "RGBA":
            plain = Image.alpha_composite(Image.new("RGBA", plain.size, "black"), plain)
        return soften(np.asarray(plain.convert("RGB")).max(axis=2))

    return _decode(source, name, convert)


def jpeg_options(quality: int) -> dict[str, Any]:
    """Colours at full resolution."""
    return {"quality": quality, "subsampling": 0}


def encode_jpeg(pixels: np.ndarray, quality: int = 95) -> bytes:
    """Uint8 RGB (H, W, 3) as JPEG, colours at full resolution."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **jpeg_options(quality))
    return stream.getvalue()


def write_image(path: Path, pixels: np.ndarray, quality: int = 95) -> None:
    """Write uint8 RGB (H, W, 3), atomically, in the format its suffix names."""
    jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    options = jpeg_options(quality) if jpeg else {}
    write_atomically(path, lambda temporary: Image.fromarray(pixels).save(temporary, **options))
