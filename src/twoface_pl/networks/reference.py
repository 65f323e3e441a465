"""How a generator looks at references: gathering features by attention, and warping pixels.

Both start from what the frame gives: the same place of the other photo. From there they learn to look
elsewhere, so that a turned head or another expression is followed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twoface_pl.networks.blocks import TokenNorm, coordinates, squared_distances

NEAREST = 16.0  # locality of the nearest-sighted head: a standard deviation of 1/16 of the picture's side
FARTHEST = 40.0  # what distance takes from a fit at the most: exp(-40) is nothing beside 1, and yet a normal number


def nearness(height: int, width: int, locality: Tensor) -> Tensor:
    """(..., H*W, H*W) of a locality (..., 1, 1): what distance takes from the fit of any two places, 0 to -40.

    It stops there since a softmax would else be full of denormal numbers, with which CPUs are slow: they made
    onnxruntime take twice as long for the whole network.
    """
    return -(locality.square() * squared_distances(height, width, locality) / 2).clamp(max=FARTHEST)


class ReferenceAttention(nn.Module):
    """Each place of the picture gathers what fits it from all references (Vaswani et al. 2017).

    From the empty set it gathers nothing: zeros.

    Args:
        channels: of the feature maps.
        heads: attention heads; the first ones look near the same place at first, the last one anywhere.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = TokenNorm(channels)
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        steps = torch.arange(heads)
        self.locality = nn.Parameter(torch.where(steps < heads - 1, NEAREST / 2**steps, 0.0).view(1, heads, 1, 1))

    def start_as_identity(self) -> None:
        """What is gathered counts nothing at first."""
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def _heads(self, features: Tensor, batch: int) -> Tensor:
        """(N * R, C, H, W) to (N, heads, C/heads, R*H*W)."""
        sets = features.unflatten(0, (batch, -1)).unflatten(2, (self.heads, -1)).flatten(4)  # N, R, heads, c, H*W
        return sets.permute(0, 2, 3, 1, 4).flatten(3)  # N, heads, c, R*H*W

    def forward(self, features: Tensor, references: Tensor) -> Tensor:
        """(N, C, H, W) and (N * R, C, H, W), normed, to (N, C, H, W)."""
        batch, channels, height, width = features.shape
        query = self._heads(self.query(self.norm(features)), batch)
        key, value = (self._heads(layer(references), batch) for layer in (self.key, self.value))
        near = nearness(height, width, self.locality).repeat(1, 1, 1, references.shape[0] // batch)
        # Not the fused kernel: on CPUs it is slower than this once the bias is learnt. fit: N, heads, H*W, R*H*W
        fit = query.transpose(2, 3) @ (key * (channels // self.heads) ** -0.5) + near.to(query.dtype)
        # N, heads, c, H*W; channels first throughout, so that nothing is moved in memory
        gathered = value @ fit.softmax(dim=3).transpose(2, 3)
        return features + self.out(gathered.flatten(1, 2).unflatten(2, (height, width)))


class ReferenceWarp(nn.Module):
    """Brings the references' pixels to the places of the picture they fit, and blends them by how well they do.

    The displacement of a place is the mean of all places of a reference, weighted by their likeness to it
    (soft-argmax, after Zhang et al. 2020, CoCosNet); it is smooth, so pixels stay sharp.

    Args:
        channels: of the feature maps.
        width: of the descriptors that are compared.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = TokenNorm(channels)
        self.query = nn.Conv2d(channels, width, 1)
        self.key = nn.Conv2d(channels, width, 1)
        self.locality = nn.Parameter(torch.tensor(NEAREST / 2))

    def forward(self, features: Tensor, references: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, C, H', W') and (N * R, C, H', W'), normed; pictures (N, R, 3, H, W).

        Returns:
            (N, 3, H, W), and the displacements (N, R, 2, H', W') of :class:`Match`.
        """
        batch, _, height, width = features.shape
        query = self.query(self.norm(features)).flatten(2).transpose(1, 2).float()[:, None]  # N, 1, T, c
        key = self.key(references).unflatten(0, (batch, -1)).flatten(3).float()  # N, R, c, T
        # In float32: half precision would put pixels half a pixel off.
        with torch.autocast(features.device.type, enabled=False):
            fit = query @ key / key.shape[2] ** 0.5 + nearness(height, width, self.locality.float())  # N, R, T, T
            grid = coordinates(height, width, query).flatten(1)  # 2, T
            # N, R, T, 2 to N, R, 2, H', W'
            shift = (fit.softmax(dim=3) @ grid.T - grid.T).transpose(2, 3).unflatten(3, (height, width))
            weight = fit.logsumexp(dim=3).softmax(dim=1)  # N, R, T
            warped = self._sample(shift, pictures.float())  # N * R, 3, H, W
            weight = F.interpolate(weight.unflatten(2, (height, width)).flatten(0, 1)[:, None], pictures.shape[-2:])
            return (warped * weight).unflatten(0, (batch, -1)).sum(dim=1), shift

    def _sample(self, shift: Tensor, pictures: Tensor) -> Tensor:
        """(N, R, 2, H', W') and (N, R, 3, H, W) to (N * R, 3, H, W)."""
        coarse = shift.flatten(0, 1)
        fine = F.interpolate(coarse, pictures.shape[-2:], mode="bilinear", align_corners=False)
        where = fine + coordinates(pictures.shape[3], pictures.shape[4], fine)
        if self.training:
            # The backward pass of a NaN grid reads outside the pictures on a CPU. The blending weights have the
            # same NaN, so it still reaches the loss.
            where = torch.nan_to_num(where)
        return F.grid_sample(
            pictures.flatten(0, 1), where.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
        )
