"""Reconstruction: how far the fill is from the truth."""

from __future__ import annotations

from torch import Tensor

from twoface_pl.errors import TwoFaceError

KINDS = ("l1", "squared", "squared_2018")


def reconstruction_loss(filled: Tensor, truth: Tensor, mask: Tensor, kind: str = "l1") -> Tensor:
    """Distance of the filled image to the truth.

    Args:
        filled, truth: (N, 3, H, W) in [0, 1], alike outside the hole.
        mask: (N, 1, H, W), 1 = hole.
        kind: ``l1`` or ``squared``: the mean over the hole's pixels; ``squared_2018``: the 2018
            system's sum over the batch divided by the pixels of one image.

    Raises:
        TwoFaceError: no such kind.
    """
    difference = filled - truth
    if kind == "squared_2018":
        return difference.square().sum() / truth[0].numel()
    pixels = mask.sum().clamp(min=1) * truth.shape[1]
    if kind == "l1":
        return (difference.abs() * mask).sum() / pixels
    if kind == "squared":
        return (difference.square() * mask).sum() / pixels
    raise TwoFaceError(f"losses.reconstruction.kind={kind} is not one of {', '.join(KINDS)}")
