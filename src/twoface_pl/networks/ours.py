"""Our generator: looks across from the hole to the fitting parts of the references, wherever they are.

A space-to-depth stem folds 4x4 pixels into channels, so full resolution costs little. One encoder sees the
picture and the references, so that their features can be compared, and knows what is usual at each place of an
aligned face; attention gathers features, and a warp brings the references' own pixels to where they fit.

A fill starts from the picture's surroundings spread smoothly into the hole. What the warped references show
above the same smoothing of themselves is added to it, as far as a gate lets it through (seamless cloning,
Pérez et al. 2003, with a gate that is learnt); the decoder adds the rest. Each cell of the decoder paints 4x4
pixels; a last block at full size sees over their edges, so that no grid is left.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twoface_pl.errors import require
from twoface_pl.networks.blocks import SLOPE, Fold, ResidualBlock, TokenNorm, coordinates
from twoface_pl.networks.generator import Generator, Match, MatchingGenerator, composite
from twoface_pl.networks.options import require_whole
from twoface_pl.networks.reference import ReferenceAttention, ReferenceWarp
from twoface_pl.networks.smooth import smooth_fill

FOLD = 4  # pixels a side that the stem folds into channels
PLACES = 16  # a side of the map of what is usual where in an aligned face
DESCRIPTORS = 64  # channels compared by the warp
WIDENING = 2  # of the blocks that paint: details want more channels than the skip connection has
PAINTED = 4  # channels of a pixel that is painted: three of colour, one of the gate
FINISH = 4  # widening of the block at full size
# Of the options: far beyond what is worth training, and still a few gigabytes at the most.
BOUNDS = {
    "width": (1, 1024),
    "fine_width": (1, 512),
    "depth": (0, 32),
    "fine_blocks": (0, 32),
    "blocks": (0, 32),
    "heads": (1, 64),
}


class Encoder(nn.Module):
    """(N, 4, H, W), a picture in [-1, 1] and its mask, to features at a quarter and an eighth of its size."""

    def __init__(self, fine_width: int, width: int, depth: int) -> None:
        super().__init__()
        self.fold = Fold(4, FOLD)
        self.stem = nn.Conv2d(4 * FOLD**2 + 2, fine_width, 3, padding=1)
        self.down = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Conv2d(fine_width, width, 3, stride=2, padding=1))
        self.place = nn.Parameter(torch.zeros(1, width, PLACES, PLACES))
        self.coarse = nn.Sequential(*[ResidualBlock(width) for _ in range(depth)])

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        folded = self.fold(picture)
        places = coordinates(folded.shape[2], folded.shape[3], folded).expand(folded.shape[0], -1, -1, -1)
        fine = self.stem(torch.cat([folded, places], dim=1))
        coarse = self.down(fine)
        usual = F.interpolate(self.place, coarse.shape[-2:], mode="bilinear", align_corners=False)
        return fine, self.coarse(coarse + usual)


class AttentionGenerator(MatchingGenerator):
    """Masked image + mask + any number of references to the whole image, hole composited.

    Args:
        width: channels at an eighth of the image size, where most of the work is done.
        fine_width: channels at a quarter of the image size.
        depth: residual blocks of the encoder at an eighth of the image size.
        fine_blocks: wide residual blocks of the decoder at a quarter of the image size.
        blocks: pairs of attention and residual block in the middle.
        heads: attention heads.

    Raises:
        TwoFaceError: an option that is no whole number within its bounds, heads that do not divide the width.
    """

    name: ClassVar[str] = "ours"
    grows: ClassVar[tuple[str, ...]] = ("blocks", "fine_blocks")
    size_step = 2 * FOLD

    def __init__(
        self,
        width: int = 160,
        fine_width: int = 48,
        depth: int = 1,
        fine_blocks: int = 3,
        blocks: int = 3,
        heads: int = 4,
    ) -> None:
        super().__init__()
        given = locals()
        for name, (least, most) in BOUNDS.items():
            require_whole(f"generator.{name}", given[name], least, most)
        require(width % heads == 0, f"generator.heads={heads} does not divide {width} channels")
        self.fine_blocks = fine_blocks
        self.encoder = Encoder(fine_width, width, depth)
        self.reference_norm = TokenNorm(width)
        self.attention = nn.ModuleList(ReferenceAttention(width, heads) for _ in range(blocks))
        self.middle = nn.ModuleList(ResidualBlock(width) for _ in range(blocks))
        self.warp = ReferenceWarp(width, DESCRIPTORS)
        self.up = nn.Sequential(nn.Conv2d(width, 4 * fine_width, 1), nn.PixelShuffle(2))
        last = nn.Conv2d(fine_width, PAINTED * FOLD**2, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.fold = Fold(3, FOLD)
        self.decoder = nn.Sequential(
            nn.Conv2d(2 * fine_width + 3 * FOLD**2, fine_width, 3, padding=1),
            *[ResidualBlock(fine_width, WIDENING) for _ in range(fine_blocks)],
            nn.LeakyReLU(SLOPE),
            last,
            nn.PixelShuffle(FOLD),
            ResidualBlock(PAINTED, FINISH),
        )

    def grow_from(self, smaller: Generator) -> None:
        assert isinstance(smaller, AttentionGenerator)
        for attention in self.attention[len(smaller.attention) :]:
            assert isinstance(attention, ReferenceAttention)
            attention.start_as_identity()
        taken = {}
        for name, weight in smaller.state_dict().items():
            part, *rest = name.split(".")
            if part == "decoder" and int(rest[0]) > smaller.fine_blocks:  # what follows its blocks
                rest[0] = str(int(rest[0]) + self.fine_blocks - smaller.fine_blocks)
            taken[".".join([part, *rest])] = weight
        self.load_state_dict({**self.state_dict(), **taken})

    def match(self, masked_image: Tensor, mask: Tensor, references: Tensor) -> Match:
        # The networks see [-1, 1].
        batch = masked_image.shape[0]
        smooth = smooth_fill(masked_image, mask)
        seen = torch.cat([smooth * 2 - 1, mask], dim=1)
        others = references.flatten(0, 1) * 2 - 1  # N * R, 3, H, W
        others = torch.cat([others, torch.zeros_like(others[:, :1])], dim=1)
        fine, coarse = self.encoder(torch.cat([seen, others]))  # N * (1 + R), photos first; H/4 and H/8
        fine, features, looked_at = fine[:batch], coarse[:batch], self.reference_norm(coarse[batch:])
        for attention, block in zip(self.attention, self.middle, strict=True):
            features = block(attention(features, looked_at))
        warped, shift = self.warp(features, looked_at, references)
        detail = warped - smooth_fill(warped, mask)
        decoded = self.decoder(torch.cat([self.up(features), fine, self.fold(detail).to(fine.dtype)], dim=1))
        fill = smooth + detail * torch.sigmoid(decoded[:, 3:]) + decoded[:, :3]
        return Match(composite(masked_image, fill.clamp(0, 1), mask), shift)
