"""Colour profiles: a photo's colours to sRGB, which the networks were trained on, and back."""

from __future__ import annotations

import io
import logging
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

log = logging.getLogger(__name__)

MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # Pillow's, by a profile's colour space
LARGEST = 4_000_000  # bytes of a profile; those of presses have some three million
SAME_COLOURS = 1  # levels by which two profiles may differ and be taken for one
# As photo editors do by default.
INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


def profile_mode(profile: bytes) -> str | None:
    """Pillow's mode of the pictures that a profile is for; None where it is of another kind, damaged or too large."""
    return _profile_mode(profile) if len(profile) <= LARGEST else None  # what is asked for is kept in memory


@lru_cache(maxsize=16)
def _profile_mode(profile: bytes) -> str | None:
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return MODES.get(opened.profile.xcolor_space)
    except Exception:  # Pillow's and lcms's, of any class
        return None


@lru_cache(maxsize=16)
def _transform(profile: bytes, back: bool) -> ImageCms.ImageCmsTransform | None:
    """From a profile to sRGB, or back; None where it is damaged or has no way back (a scanner's)."""
    mode = profile_mode(profile)
    assert mode is not None
    srgb = ImageCms.createProfile("sRGB")
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if back:
            return ImageCms.buildTransform(srgb, opened, "RGB", mode, INTENT, FLAGS)
        return ImageCms.buildTransform(opened, srgb, mode, "RGB", INTENT, FLAGS)
    except Exception:  # as above
        return None


def is_plain(profile: bytes | None) -> bool:
    """Whether there is nothing to convert: no profile, sRGB's own, or one that cannot be used both ways."""
    return profile is None or len(profile) > LARGEST or _is_plain(profile)


@lru_cache(maxsize=16)
def _is_plain(profile: bytes) -> bool:
    if profile_mode(profile) not in ("RGB", "L"):
        return True
    if _transform(profile, back=False) is None or _transform(profile, back=True) is None:
        log.warning("a colour profile cannot be used in both directions: the photo's colours are taken as sRGB")
        return True
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    samples = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(9, -1, 3)
    if profile_mode(profile) == "L":
        samples = np.repeat(levels[None, :, None], 3, axis=2)
    return int(np.abs(_apply(samples, profile, back=False).astype(int) - samples).max()) <= SAME_COLOURS


def _apply(pixels: np.ndarray, profile: bytes, back: bool) -> np.ndarray:
    mode = profile_mode(profile)
    transform = _transform(profile, back)
    assert transform is not None
    grey = mode == "L" and not back  # of three equal channels, one
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0]) if grey else pixels)
    converted = np.asarray(ImageCms.applyTransform(image, transform))
    return np.repeat(converted[..., None], 3, axis=2) if converted.ndim == 2 else converted


def to_srgb(pixels: np.ndarray, profile: bytes | None) -> np.ndarray:
    """A picture, uint8 (H, W, 3), from its profile's colours to sRGB."""
    return pixels if profile is None or is_plain(profile) else _apply(pixels, profile, back=False)


def from_srgb(pixels: np.ndarray, profile: bytes | None) -> np.ndarray:
    """A picture, uint8 (H, W, 3), from sRGB to a profile's colours."""
    return pixels if profile is None or is_plain(profile) else _apply(pixels, profile, back=True)


def cmyk_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """A CMYK picture to sRGB, through its profile; without a usable one as Pillow does."""
    transform = _transform(profile, back=False) if profile_mode(profile) == "CMYK" else None
    if transform is None:
        return image.convert("RGB")
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted
