"""Identity: the filled face should be the person."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from twoface_pl.errors import TwoFaceError

KINDS = ("cosine", "norm_2018")
SHIFT, SMALLEST, TURN = 0.06, 0.85, 8.0  # of a view: shares of the picture, and degrees
COARSEST = 0.5  # of a view: the size it is seen at, at the least


def identity_loss(filled: Tensor, target: Tensor, kind: str = "cosine") -> Tensor:
    """Distance between identity embeddings.

    Args:
        filled: (N, D), unit embeddings of the filled faces.
        target: (N, D), unit embeddings of the reference or of the truth.
        kind: ``cosine``: 1 - cosine, averaged; ``norm_2018``: the norm of the whole batch's
            difference, as in the 2018 system.

    Raises:
        TwoFaceError: no such kind.
    """
    if kind == "cosine":
        return (1 - (filled * target).sum(dim=1)).mean()
    if kind == "norm_2018":
        return (filled - target).norm()
    raise TwoFaceError(f"losses.identity.kind={kind} is not one of {', '.join(KINDS)}")


def random_view(faces: Tensor, random: torch.Generator) -> Tensor:
    """The faces as another glance would show them: cropped, shifted, turned, mirrored, and coarser.

    A pattern of pixels that fools a recogniser does not outlive it; a face does (after expectation over
    transformation, Athalye et al. 2018).

    Args:
        faces: (N, 3, H, W).
        random: a generator on the CPU; each face gets a crop of its own, all get one coarseness.

    Returns:
        (N, 3, H, W).
    """
    count, _, height, width = faces.shape
    unit = torch.rand(count, 5, generator=random) * 2 - 1
    angle, scale = unit[:, 0] * math.radians(TURN), (1 + SMALLEST) / 2 + unit[:, 1] * (1 - SMALLEST) / 2
    mirror = torch.where(torch.rand(count, generator=random) < 0.5, -1.0, 1.0)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [mirror * cosine, -sine, 2 * SHIFT * unit[:, 2], mirror * sine, cosine, 2 * SHIFT * unit[:, 3]]
    places = F.affine_grid(torch.stack(rows, dim=1).view(count, 2, 3), [count, 3, height, width], align_corners=False)
    seen = F.grid_sample(faces.float(), places.to(faces.device), padding_mode="reflection", align_corners=False)
    size = [round(side * (COARSEST + (1 - COARSEST) * unit[0, 4].abs().item())) for side in (height, width)]
    coarse = F.interpolate(seen, size, mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
