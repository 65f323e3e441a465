"""Pictures made smaller and larger by any factor, as products with two matrices.

Interpolation and pooling of an exported graph differ from one runtime to another and are slow in some; products are
the same everywhere, and fast.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHARPNESS = -0.5  # of the cubic (Keys 1981)


def _places(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, device=like.device, dtype=torch.float32)


def _number(count: int, like: Tensor) -> Tensor:
    """A count as a tensor: an exported graph then knows it as one that varies."""
    return like.new_ones(count, dtype=torch.float32).sum()


def _area_weights(large: int, small: int, like: Tensor) -> Tensor:
    """(small, large): the share that each pixel has in each larger one."""
    scale = _number(large, like) / small
    pixels, means = _places(large, like)[None], _places(small, like)[:, None]
    overlap = torch.minimum(pixels + 1, (means + 1) * scale) - torch.maximum(pixels, means * scale)
    return overlap.clamp(min=0) / scale


def _cubic_weights(small: int, large: int, like: Tensor) -> Tensor:
    """(large, small): Keys' cubic about each pixel; at the edge what is beyond it counts nothing."""
    scale = small / _number(large, like)
    distance = ((_places(small, like)[None] + 0.5) - (_places(large, like)[:, None] + 0.5) * scale).abs()
    near = ((SHARPNESS + 2) * distance - (SHARPNESS + 3)) * distance.square() + 1
    far = ((distance - 5) * distance + 8) * distance * SHARPNESS - 4 * SHARPNESS
    weights = torch.where(distance < 1, near, torch.where(distance < 2, far, torch.zeros_like(far)))
    return weights / weights.sum(dim=1, keepdim=True)


class Resampler:
    """Between pictures of one size and of a smaller one; ``factor`` is by how much, as a tensor. Its matrices are made
    once, for all that is resampled.

    Args:
        large, small: pixels a side, large >= small; where they are the same, nothing changes.
        like: of the device and the type.
    """

    def __init__(self, large: int, small: int, like: Tensor) -> None:
        self.factor = _number(large, like) / small
        self.down = _area_weights(large, small, like)
        self.up = _cubic_weights(small, large, like)

    def shrink(self, picture: Tensor) -> Tensor:
        """(..., large, large) to (..., small, small): each pixel the mean of what it covers."""
        return mean_over(picture, self.down)

    def grow(self, picture: Tensor) -> Tensor:
        """(..., small, small) to (..., large, large), by a cubic."""
        return (self.up @ picture) @ self.up.T  # in this order the first product is the smaller one


def window(size: int, sigma: float) -> Tensor:
    """(size, size): means over a Gaussian window along a side, whose part beyond the edge counts nothing."""
    places = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-((places[:, None] - places[None]) / sigma).square() / 2)
    return weights / weights.sum(dim=1, keepdim=True)


def mean_over(picture: Tensor, weights: Tensor) -> Tensor:
    """Means of (..., S, S) by weights along a side, as those of a :func:`window`."""
    return weights @ (picture @ weights.T)
