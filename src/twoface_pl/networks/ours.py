"""Our generator: looks across from the hole to the fitting parts of the reference, wherever they are.

A space-to-depth stem folds 4x4 pixels into channels, so that full resolution costs little; attention
from the picture's tokens to the reference's carries identity over. First version of the design.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twoface_pl.errors import require
from twoface_pl.networks.generator import Generator, composite

FOLD = 4  # pixels a side that the stem folds into channels
NORM_GROUPS = 8


def _coordinates(like: Tensor) -> Tensor:
    """Two channels of coordinates in [-1, 1] for a feature map (N, C, H, W)."""
    height, width = like.shape[-2:]
    rows = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)
    columns = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)
    grid = torch.stack([rows[:, None].expand(height, width), columns[None].expand(height, width)])
    return grid[None].expand(like.shape[0], -1, -1, -1)


class ResidualBlock(nn.Module):
    """Norm, SiLU, 3x3 convolution, twice, beside a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(NORM_GROUPS, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(NORM_GROUPS, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


class ReferenceAttention(nn.Module):
    """Each place of the picture gathers what fits it from the reference (multi-head cross-attention).

    Keys and queries see coordinates: in a common frame, where something is says much of what it is.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(NORM_GROUPS, channels)
        self.query = nn.Conv2d(channels + 2, channels, 1)
        self.key = nn.Conv2d(channels + 2, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def _tokens(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, heads, H*W, C/heads)."""
        split = features.flatten(2).unflatten(1, (self.heads, features.shape[1] // self.heads))
        return split.transpose(2, 3)

    def forward(self, features: Tensor, reference: Tensor) -> Tensor:
        normed = self.norm(features)
        query = self.query(torch.cat([normed, _coordinates(normed)], dim=1))
        key = self.key(torch.cat([reference, _coordinates(reference)], dim=1))
        gathered = F.scaled_dot_product_attention(
            self._tokens(query), self._tokens(key), self._tokens(self.value(reference))
        )
        merged = gathered.transpose(2, 3).flatten(1, 2).unflatten(2, features.shape[-2:])
        return features + self.out(merged)


class Encoder(nn.Module):
    """(N, C, H, W) picture to features at a quarter and an eighth of its size."""

    def __init__(self, in_channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.PixelUnshuffle(FOLD), nn.Conv2d(in_channels * FOLD**2 + 2, width, 3, padding=1))
        self.fine = ResidualBlock(width)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.coarse = nn.Sequential(*[ResidualBlock(2 * width) for _ in range(depth)])

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        folded = self.stem[0](picture)
        fine = self.fine(self.stem[1](torch.cat([folded, _coordinates(folded)], dim=1)))
        return fine, self.coarse(self.down(fine))


class AttentionGenerator(Generator):
    """Masked image + mask + reference to the whole image, hole composited.

    Args:
        width: channels at a quarter of the image size; twice as many at an eighth.
        depth: residual blocks of each encoder at an eighth of the image size.
        blocks: pairs of attention and residual block in the middle.
        heads: attention heads.
    """

    name: ClassVar[str] = "ours"
    size_step = 2 * FOLD

    def __init__(self, width: int = 96, depth: int = 2, blocks: int = 3, heads: int = 4) -> None:
        super().__init__()
        require(width > 0 and width % NORM_GROUPS == 0, f"generator.width={width} is not divisible by {NORM_GROUPS}")
        require(heads > 0 and 2 * width % heads == 0, f"generator.heads={heads} does not divide {2 * width} channels")
        self.encoder = Encoder(4, width, depth)
        self.reference_encoder = Encoder(3, width, depth)
        self.merge = nn.Conv2d(4 * width, 2 * width, 1)
        self.attention = nn.ModuleList(ReferenceAttention(2 * width, heads) for _ in range(blocks))
        self.middle = nn.ModuleList(ResidualBlock(2 * width) for _ in range(blocks))
        self.up = nn.Sequential(nn.Conv2d(2 * width, 4 * width, 1), nn.PixelShuffle(2))
        self.decoder = nn.Sequential(
            nn.Conv2d(2 * width, width, 3, padding=1), ResidualBlock(width), ResidualBlock(width)
        )
        self.to_pixels = nn.Sequential(
            nn.GroupNorm(NORM_GROUPS, width),
            nn.SiLU(),
            nn.Conv2d(width, 3 * FOLD**2, 3, padding=1),
            nn.PixelShuffle(FOLD),
        )

    def forward(self, masked_image: Tensor, mask: Tensor, reference: Tensor) -> Tensor:
        # The networks see [-1, 1]; the hole is mid-grey there, neither dark nor bright.
        centred = (masked_image * 2 - 1) * (1 - mask)
        fine, features = self.encoder(torch.cat([centred, mask], dim=1))
        _, looked_at = self.reference_encoder(reference * 2 - 1)
        # Both pictures share a frame: what lies at the same place is a first guess, attention finds better.
        features = self.merge(torch.cat([features, looked_at], dim=1))
        for attention, block in zip(self.attention, self.middle, strict=True):
            features = block(attention(features, looked_at))
        decoded = self.decoder(torch.cat([self.up(features), fine], dim=1))
        fill = torch.sigmoid(self.to_pixels(decoded))
        return composite(masked_image, fill, mask)
