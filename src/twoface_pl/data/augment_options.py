"""What augmentation changes, how often and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twoface_pl.errors import call_with_options, require

STRENGTHS = {
    "degrees": 180, "shift": 0.5, "scale": 0.9, "brightness": 1, "contrast": 1, "saturation": 1, "hue": 0.5,
}  # fmt: skip


@dataclass(frozen=True)
class AugmentOptions:
    """Chances of each change, and how strong it is."""

    flip: float = 0.0  # left to right
    affine: float = 0.0
    colour: float = 0.0
    blur: float = 0.0
    jpeg: float = 0.0
    degrees: float = 4.0  # of affine: largest turn
    shift: float = 0.02  # of affine: largest shift, as a share of the picture
    scale: float = 0.04  # of affine: largest change of size, as a share
    brightness: float = 0.2  # of colour: largest change, as a share
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.02  # of colour: as a share of the circle
    blur_sigma: Sequence[float] = (0.5, 1.5)  # of blur: smallest and largest, in pixels
    jpeg_quality: Sequence[int] = (50, 95)  # of jpeg: smallest and largest

    def __post_init__(self) -> None:
        for name in ("flip", "affine", "colour", "blur", "jpeg"):
            value = getattr(self, name)
            require(isinstance(value, int | float) and 0 <= value <= 1, f"augment: {name}={value} is no chance, 0 to 1")
        for name in ("blur_sigma", "jpeg_quality"):
            value = getattr(self, name)
            pair = isinstance(value, list | tuple) and len(value) == 2 and 0 < value[0] <= value[1]
            require(pair, f"augment: {name}={value} is not [smallest,largest]")
        require(self.jpeg_quality[1] <= 100, f"augment: jpeg_quality={self.jpeg_quality} goes beyond 100")
        for name, most in STRENGTHS.items():
            value = getattr(self, name)
            good = isinstance(value, int | float) and 0 <= value <= most
            require(good, f"augment: {name}={value} is not a number from 0 to {most}")

    @classmethod
    def build(cls, options: dict[str, Any]) -> AugmentOptions:
        """From plain options.

        Raises:
            TwoFaceError: an option that is not known or out of its range.
        """
        return call_with_options("augment", cls, options)
