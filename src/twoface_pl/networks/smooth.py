"""The hole filled smoothly from what surrounds it: where a fill starts from, in tone and shading."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST = 1e-12  # share of seen pixels that is divided by; less than any single pixel is
SWEEPS = 4  # of smoothing at each level


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
    seen = 1 - mask
    levels = [torch.cat([image * seen, seen], dim=1)]
    while max(levels[-1].shape[-2:]) > 1:
        levels.append(F.avg_pool2d(levels[-1], 2, ceil_mode=True, count_include_pad=False))
    top = levels.pop()
    fill = top[:, :-1] / top[:, -1:].clamp(min=LEAST)
    for level in reversed(levels):
        # A place seen in part takes that part's share of its own mean.
        known, unseen = level[:, :-1], 1 - level[:, -1:]
        fill = known + unseen * F.interpolate(fill, level.shape[-2:], mode="bilinear", align_corners=False)
        for _ in range(SWEEPS):
            fill = known + unseen * F.avg_pool2d(fill, 3, stride=1, padding=1, count_include_pad=False)
    return fill
