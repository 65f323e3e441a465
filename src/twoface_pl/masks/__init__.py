"""Mask policies: where the hole is. In every mask True (1, white) is the hole."""

from twoface_pl.masks.build import build_mask_policy
from twoface_pl.masks.policy import Drawing, MaskPolicy
from twoface_pl.masks.shapes import CenterSquare, RandomBox

__all__ = ["CenterSquare", "Drawing", "MaskPolicy", "RandomBox", "build_mask_policy"]
