"""Reconstruction: how far the fill is from the truth."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from twoface_pl.errors import TwoFaceError

KINDS = ("l1", "squared", "log", "squared_2018")
LEAST = 1e-4  # squared, of ``log``: below it, 40 dB, nothing is gained


def rim_of(mask: Tensor, width: int) -> Tensor:
    """The hole's pixels that are at most ``width`` pixels from what is seen; like ``mask``, (N, 1, H, W)."""
    if width == 0:
        return mask.new_zeros(mask.shape)
    return mask * F.max_pool2d(1 - mask, 2 * width + 1, stride=1, padding=width)


def reconstruction_loss(
    filled: Tensor, truth: Tensor, mask: Tensor, kind: str = "l1", rim_weight: float = 0.0, rim_width: int = 0
) -> Tensor:
    """Distance of the filled image to the truth.

    But for ``squared_2018``, each photo's is the weighted mean over its own hole, and every photo counts alike,
    however large its hole.

    Args:
        filled, truth: (N, 3, H, W) in [0, 1], alike outside the hole.
        mask: (N, 1, H, W), 1 = hole.
        kind: ``l1``; ``squared``; ``log``: half the logarithm of ``squared``, which is PSNR in units of -8.7 dB
            (as NAFNet's loss, Chen et al. 2022); ``squared_2018``: the 2018 system's sum over the batch divided by
            the values of one image.
        rim_weight: added to the weight 1 of pixels in the rim, where a seam would show.
        rim_width: pixels that the rim reaches into the hole.

    Raises:
        TwoFaceError: no such kind.
    """
    if kind not in KINDS:
        raise TwoFaceError(f"losses.reconstruction.kind={kind} is not one of {', '.join(KINDS)}")
    difference = filled - truth
    if kind == "squared_2018":
        return difference.square().sum() / truth[0].numel()
    weight = mask + rim_weight * rim_of(mask, rim_width) if rim_weight else mask
    distance = difference.abs() if kind == "l1" else difference.square()
    each = (distance.mean(dim=1, keepdim=True) * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp(min=1)
    return ((each + LEAST).log() / 2 if kind == "log" else each).mean()
