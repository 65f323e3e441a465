"""Mask policies: where the hole is. In every mask True (1, white) is the hole."""

from twoface_pl.masks.policies import CenterSquare, MaskPolicy, RandomBox, build_mask_policy

__all__ = ["CenterSquare", "MaskPolicy", "RandomBox", "build_mask_policy"]
