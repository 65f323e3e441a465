"""The 2018 Two-Face networks, faithfully: generator, global and local discriminator."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twoface_pl.errors import require
from twoface_pl.masks import CenterSquare
from twoface_pl.networks.generator import Generator, composite
from twoface_pl.networks.vgg import FrozenVGG16

IMAGE_SIZE = 128
HOLES = (32, 64)
ENCODED = 8  # side of the encodings


def _glorot(module: nn.Module) -> None:
    """Keras' default initialisation, for what is trained."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and module.weight.requires_grad:
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _keras_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)  # Keras' momentum 0.99 in torch's sense


def _conv(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        _keras_norm(out_channels),
        nn.LeakyReLU(0.3),
    ]


def require_hole(network: str, hole: object) -> None:
    """Refuse a hole that the 2018 networks do not have.

    Raises:
        TwoFaceError: names the option.
    """
    require(
        type(hole) is int and hole in HOLES,
        f"{network}.hole={hole!s:.80}: 'seed' makes a patch of {HOLES[0]} or {HOLES[1]} pixels",
    )


class ChannelwiseLinear(nn.Module):
    """Per channel its own matrix over all places, no bias (Pathak et al. 2016, context encoders)."""

    def __init__(self, channels: int, places: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, places, places))
        limit = (6 / (2 * places)) ** 0.5
        nn.init.uniform_(self.weight, -limit, limit)

    def forward(self, features: Tensor) -> Tensor:
        by_channel = features.flatten(2).transpose(0, 1)  # (C, N, H*W)
        mixed = torch.bmm(by_channel, self.weight.to(by_channel.dtype))  # C, N, H*W
        return mixed.transpose(0, 1).unflatten(2, features.shape[-2:])


def _encoder(vgg: FrozenVGG16) -> nn.Sequential:
    return nn.Sequential(vgg, *_conv(256, 512), *_conv(512, 512), nn.MaxPool2d(2))


def _up(in_channels: int, out_channels: int) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(in_channels, out_channels, 3, padding=1, bias=False)
    return [convolution, _keras_norm(out_channels), nn.LeakyReLU(0.3)]


class SeedGenerator(Generator):
    """Two VGG16 encoders, a channel-wise fully connected layer, a decoder for the patch in the centre.

    Args:
        hole: side of the patch: 32 as in 2018, or 64 by one more doubling and 3x3 stage.
        vgg_weights, vgg_preprocess: see :class:`FrozenVGG16`.

    Raises:
        TwoFaceError: another hole, or weights that cannot be had.
    """

    name: ClassVar[str] = "seed"
    only_size = IMAGE_SIZE
    only_references = 1

    def __init__(self, hole: int = 32, vgg_weights: str = "torchvision", vgg_preprocess: str = "raw") -> None:
        super().__init__()
        require_hole("generator", hole)
        self.only_hole = CenterSquare(hole)
        self.encoder = _encoder(FrozenVGG16(vgg_weights, vgg_preprocess))
        self.reference_encoder = _encoder(FrozenVGG16(vgg_weights, vgg_preprocess))
        self.channelwise = ChannelwiseLinear(1024, ENCODED**2)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(1024, 512, 3, padding=1, bias=False),
            nn.ConvTranspose2d(512, 256, 3, padding=1, bias=False),
            nn.Upsample(scale_factor=2),
            *_up(256, 128),
            *_up(128, 64),
            nn.Upsample(scale_factor=2),
            *([*_up(64, 64), nn.Upsample(scale_factor=2)] if hole == HOLES[1] else []),
            nn.ConvTranspose2d(64, 3, 3, padding=1, bias=False),
            nn.Sigmoid(),
        )
        self.apply(_glorot)

    def forward(self, masked_image: Tensor, mask: Tensor, references: Tensor) -> Tensor:
        encoded = torch.cat([self.encoder(masked_image), self.reference_encoder(references[:, 0])], dim=1)
        patch = self.decoder(self.channelwise(encoded))
        margin = (IMAGE_SIZE - patch.shape[-1]) // 2
        return composite(masked_image, F.pad(patch, (margin,) * 4), mask)


def _head(places: int) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(64 * places, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1)]


class SeedGlobalDiscriminator(nn.Sequential):
    """(N, 3, 128, 128) in [0, 1] to logits (N, 1)."""

    def __init__(self, vgg_weights: str = "torchvision", vgg_preprocess: str = "raw") -> None:
        super().__init__(
            FrozenVGG16(vgg_weights, vgg_preprocess),
            *_conv(256, 256),
            *_conv(256, 128),
            nn.MaxPool2d(2),
            *_conv(128, 64),
            nn.MaxPool2d(2),
            *_head(16),
        )
        self.apply(_glorot)


class SeedLocalDiscriminator(nn.Sequential):
    """The patch (N, 3, hole, hole) in [0, 1] to logits (N, 1)."""

    def __init__(self, hole: int = 32, vgg_weights: str = "torchvision", vgg_preprocess: str = "raw") -> None:
        super().__init__(
            FrozenVGG16(vgg_weights, vgg_preprocess),
            *_conv(256, 128),
            *_conv(128, 64),
            nn.MaxPool2d(2),
            *_head((hole // 16) ** 2),
        )
        self.apply(_glorot)
