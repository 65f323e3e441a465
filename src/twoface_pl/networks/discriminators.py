"""Discriminators: the global one sees the whole image, the local one a square crop around the hole."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.crops import crop, hole_boxes
from twoface_pl.networks.seed import SeedGlobalDiscriminator, SeedLocalDiscriminator

GLOBAL_FOLD = 4


class ConvDiscriminator(nn.Module):
    """(N, 3, H, W) in [0, 1] to logits (N, 1); spectral norm (Miyato et al. 2018) needs no batch statistics.

    Args:
        width: channels of the first layer; doubled at each of the next.
        layers: convolutions, each halving the size.
        fold: pixels a side that are folded into channels first, instead of the first layer's halving: full
            resolution would cost more than all the rest.
    """

    def __init__(self, width: int, layers: int, fold: int = 1) -> None:
        super().__init__()
        body: list[nn.Module] = [nn.PixelUnshuffle(fold)] if fold > 1 else []
        channels = 3 * fold**2
        for layer in range(layers):
            wider = width * 2 ** min(layer, 3)
            kernel, stride = (3, 1) if fold > 1 and layer == 0 else (4, 2)
            body += [spectral_norm(nn.Conv2d(channels, wider, kernel, stride, 1)), nn.LeakyReLU(0.2)]
            channels = wider
        self.body = nn.Sequential(*body)
        self.head = spectral_norm(nn.Linear(channels, 1))

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.body(image * 2 - 1).mean(dim=(2, 3)))


class Discriminators(nn.Module):
    """The global and the local discriminator.

    ``forward(image, mask)`` gives their logits, (N, 1) each.
    """

    def __init__(self, global_: nn.Module, local: nn.Module, local_size: int, margin: float = 0.0) -> None:
        super().__init__()
        self.global_discriminator = global_
        self.local_discriminator = local
        self.local_size = local_size
        self.margin = margin

    def views(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What the two are shown: the image (N, 3, H, W), and the crop around the hole."""
        return image, crop(image, hole_boxes(mask, self.margin), self.local_size)

    def judge(self, views: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The two logits, (N, 1) each, of what :meth:`views` gave."""
        return self.global_discriminator(views[0]), self.local_discriminator(views[1])

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return self.judge(self.views(image, mask))


def build_discriminators(options: dict[str, Any]) -> Discriminators:
    """Both discriminators from ``{"name": "conv" or "seed", **options}``.

    Raises:
        TwoFaceError: no such kind or option, or weights that cannot be had.
    """
    arguments = dict(options)
    name = arguments.pop("name", None)
    try:
        if name == "seed":
            hole = arguments.pop("hole", 32)
            local = SeedLocalDiscriminator(hole, **arguments)
            return Discriminators(SeedGlobalDiscriminator(**arguments), local, local_size=hole)
        if name == "conv":
            return _build_conv(**arguments)
    except TypeError as error:
        raise TwoFaceError(f"discriminator '{name}': {error}") from None
    raise TwoFaceError(f"discriminator '{name}' is not known; there are: conv, seed")


def _build_conv(width: int = 48, local_size: int = 48, margin: float = 0.125) -> Discriminators:
    return Discriminators(ConvDiscriminator(width, 4, GLOBAL_FOLD), ConvDiscriminator(width, 4), local_size, margin)
