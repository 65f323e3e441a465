"""The hole filled smoothly from what surrounds it: where a fill starts from, in tone and shading."""

from __future__ import annotations

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from twoface_pl.networks.resample import Resampler

LEAST = 1e-12  # share of seen pixels that is divided by; less than any single pixel is
SWEEPS = 4  # of smoothing at each level
HALVINGS = 3  # of a picture of any size, whose number of levels must not depend on it
Level = tuple[Tensor, Tensor]  # pixels times the share that is seen of them, and that share


def _sums(picture: Tensor, ones: Tensor) -> Tensor:
    """Sums over 3x3 pixels; as a convolution, which onnxruntime does eight times as fast as its pooling.

    Args:
        picture: (N, C, H, W).
        ones: (C, 1, 3, 3).
    """
    # Not in a training's bfloat16, which has fewer steps than a picture. Without it there is nothing to switch off, and
    # to trace that a hundred times takes an eighth of an export.
    kind = picture.device.type
    with torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext():
        return F.conv2d(picture, ones, padding=1, groups=len(ones))


def _halve(level: Level) -> Level:
    """Means over 2x2 pixels; an odd side's last ones over what there is."""
    known, seen = (F.avg_pool2d(part, 2, ceil_mode=True, count_include_pad=False) for part in level)
    return known, seen


def _finest(image: Tensor, mask: Tensor) -> Level:
    seen = 1 - mask
    return image * seen, seen


def _mean_of_seen(level: Level) -> Tensor:
    return level[0] / level[1].clamp(min=LEAST)


def _refine(fill: Tensor, level: Level, ones: Tensor) -> Tensor:
    """A coarser level's field in the unseen part of a finer one, smoothed there; ``ones`` of :func:`_sums`."""
    # A place seen in part takes that part's share of its own mean.
    known, unseen = level[0], 1 - level[1]
    fill = known + unseen * F.interpolate(fill, known.shape[-2:], mode="bilinear", align_corners=False)
    share = unseen / _sums(torch.ones_like(unseen[:1]), ones[:1])  # what is beyond the edge does not count
    for _ in range(SWEEPS):
        fill = known + share * _sums(fill, ones)
    return fill


def _spread(fill: Tensor, levels: list[Level]) -> Tensor:
    """A field coarser than all levels, finest first, brought up through them."""
    ones = fill.new_ones(fill.shape[1], 1, 3, 3)
    for level in reversed(levels):
        fill = _refine(fill, level, ones)
    return fill


def smooth_fill(image: Tensor, mask: Tensor) -> Tensor:
    """Seen pixels averaged down level by level, then spread up into the hole and smoothed there.

    Pull-push interpolation (Gortler et al. 1996) with sweeps of averaging at each level, which bring it near to
    the membrane that fits the hole's edge (Pérez et al. 2003): without them the farthest pixels count as much as
    the nearest.

    Args:
        image: (N, C, H, W); what it holds in the hole is not used.
        mask: (N, 1, H, W), 1 = hole.

    Returns:
        (N, C, H, W): ``image`` outside of the hole, a smooth field inside; zeros where all is hole.
    """
    levels = [_finest(image, mask)]
    while max(levels[-1][0].shape[-2:]) > 1:
        levels.append(_halve(levels[-1]))
    return _spread(_mean_of_seen(levels.pop()), levels)


def smooth_fill_any_size(image: Tensor, mask: Tensor, coarse: int) -> Tensor:
    """As :func:`smooth_fill`, of squares whose side is a multiple of 8 and at least eight times ``coarse``, the side
    that they are brought to; an exported graph of it takes every such size."""
    levels = [_finest(image, mask)]
    for _ in range(HALVINGS):
        levels.append(_halve(levels[-1]))
    between = Resampler(levels[-1][0].shape[-1], coarse, image)
    known, seen = (between.shrink(part) for part in levels[-1])
    return _spread(between.grow(smooth_fill(_mean_of_seen((known, seen)), 1 - seen)), levels)
