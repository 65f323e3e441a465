"""Perceptual: distance of features that VGG16 sees (Johnson et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Features = Callable[[Tensor], list[Tensor]]


def perceptual_loss(filled: Tensor, truth: Tensor, features: Features) -> Tensor:
    """The mean absolute difference of features, each layer in units of what the truth has there.

    Args:
        filled, truth: (N, 3, H, W) in [0, 1], such as the holes' boxes.
        features: a frozen network that gives the feature maps of some layers.
    """
    wanted = [layer.detach() for layer in features(truth)]
    found = features(filled)
    distances = [(a - b).abs().mean() / b.abs().mean().clamp(min=1e-6) for a, b in zip(found, wanted, strict=True)]
    return sum(distances[1:], start=distances[0]) / len(distances)
