"""Building blocks of our networks. No normalisation of feature maps: nothing depends on the batch, and the
exported graph is convolutions with what onnxruntime fuses into them (after EDSR, Lim et al. 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of every LeakyReLU


class ResidualBlock(nn.Module):
    """3x3 convolution, LeakyReLU, 3x3 convolution, beside a skip connection; the identity at first.

    Args:
        channels: of the feature maps.
        widening: channels between the two convolutions, over ``channels`` (after WDSR, Yu et al. 2018).
    """

    def __init__(self, channels: int, widening: int = 1) -> None:
        super().__init__()
        between = widening * channels
        last = nn.Conv2d(between, channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.body = nn.Sequential(nn.Conv2d(channels, between, 3, padding=1), nn.LeakyReLU(SLOPE), last)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


class TokenNorm(nn.Module):
    """Layer norm over the channels of each place of (N, C, H, W) (Ba et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, features: Tensor) -> Tensor:
        return self.norm(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Fold(nn.Module):
    """What ``PixelUnshuffle`` does, (N, C, H, W) to (N, C * side**2, H / side, W / side), as a convolution.

    The exporter writes the other one as a transpose of six dimensions, which takes onnxruntime ten times as long.
    """

    ones: Tensor

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.side = side
        ones = torch.eye(channels * side**2).view(-1, channels, side, side)
        self.register_buffer("ones", ones, persistent=False)

    def forward(self, picture: Tensor) -> Tensor:
        return F.conv2d(picture, self.ones.to(picture.dtype), stride=self.side)


def coordinates(height: int, width: int, like: Tensor) -> Tensor:
    """(2, height, width): x and y of each place's centre, in [-1, 1] from edge to edge, as ``grid_sample`` has it."""

    def centres(count: int) -> Tensor:
        return (torch.arange(count, device=like.device, dtype=like.dtype) * 2 + 1) / count - 1

    columns, rows = centres(width), centres(height)
    return torch.stack([columns[None].expand(height, width), rows[:, None].expand(height, width)])


def squared_distances(height: int, width: int, like: Tensor) -> Tensor:
    """(H*W, H*W): between any two places, in units of the picture's side."""
    places = coordinates(height, width, like).flatten(1).T / 2  # H*W, 2
    return (places[:, None] - places[None]).square().sum(dim=2)
