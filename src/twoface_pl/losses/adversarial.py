"""Adversarial: what generator and discriminators minimise, on logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from twoface_pl.errors import TwoFaceError

KINDS = ("non_saturating", "hinge", "least_squares")


def _unknown(kind: str) -> TwoFaceError:
    return TwoFaceError(f"losses.adversarial.kind={kind} is not one of {', '.join(KINDS)}")


def discriminator_loss(real: Tensor, fake: Tensor, kind: str = "non_saturating") -> Tensor:
    """What a discriminator minimises, given its logits (N, 1) for real and for filled pictures.

    Args:
        real, fake: (N, 1) logits.
        kind: ``non_saturating`` (Goodfellow et al. 2014), ``hinge`` (Lim & Ye 2017) or ``least_squares``
            (Mao et al. 2017).

    Raises:
        TwoFaceError: no such kind.
    """
    if kind == "non_saturating":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "least_squares":
        return ((real - 1).square().mean() + fake.square().mean()) / 2
    raise _unknown(kind)


def generator_loss(fake: Tensor, kind: str = "non_saturating") -> Tensor:
    """What the generator minimises, given the logits (N, 1) for its fills; kinds as above."""
    if kind == "non_saturating":
        return F.softplus(-fake).mean()
    if kind == "hinge":
        return -fake.mean()
    if kind == "least_squares":
        return (fake - 1).square().mean() / 2
    raise _unknown(kind)


def r1_penalty(logits: list[Tensor], real: Tensor) -> Tensor:
    """R1: half the squared gradient of the logits at real pictures, by picture (Mescheder et al. 2018).

    Args:
        logits: of each discriminator, (N, 1), computed from ``real``.
        real: (N, 3, H, W), requiring gradients.
    """
    (slope,) = torch.autograd.grad(torch.cat(logits, dim=1).sum(), real, create_graph=True)
    return slope.float().square().flatten(1).sum(dim=1).mean() / 2
