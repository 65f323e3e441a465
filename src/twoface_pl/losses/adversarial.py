"""Adversarial: the non-saturating loss (Goodfellow et al. 2014), on logits."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What a discriminator minimises, given its logits for real and for filled pictures."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """What the generator minimises, given the logits for its fills."""
    return F.softplus(-fake).mean()
