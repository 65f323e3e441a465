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


def r1_penalty(logits: tuple[Tensor, Tensor], real: tuple[Tensor, Tensor]) -> Tensor:
    """R1: half the squared gradient of logits at what is real, by picture (Mescheder et al. 2018).

    Args:
        logits: of the global and of the local discriminator, (N, 1) each.
        real: what each of them saw, (N, 3, H, W), requiring gradients.
    """
    slopes = torch.autograd.grad(torch.cat(logits, dim=1).sum(), real, create_graph=True)
    return torch.stack([slope.float().square().flatten(1).sum(dim=1).mean() for slope in slopes]).sum() / 2
