"""Discriminators: the global one sees the whole image, the local one a square crop around the hole."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from twoface_pl.errors import TwoFaceError, call_with_options, name_and_options, require
from twoface_pl.networks.crops import crop, hole_boxes
from twoface_pl.networks.options import require_number, require_whole
from twoface_pl.networks.seed import IMAGE_SIZE, SeedGlobalDiscriminator, SeedLocalDiscriminator, require_hole

GLOBAL_FOLD = 4
LAYERS = 4
WIDEST = 256  # channels of the first layer: a gigabyte in all
LOCAL_SIZES = (2**LAYERS, 1024)  # pixels; below, nothing is left for the last layer


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

    Args:
        global_, local: the two networks.
        local_size: side of the local one's crop, in pixels.
        margin: added around the hole for it, as a share of its box.
        sizes: least and largest image size that the global one works at, in pixels.
    """

    def __init__(
        self,
        global_: nn.Module,
        local: nn.Module,
        local_size: int,
        margin: float = 0.0,
        sizes: tuple[int, float] = (1, math.inf),
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.global_discriminator = global_
        self.local_discriminator = local
        self.local_size = local_size
        self.margin = margin

    def check(self, image_size: int) -> None:
        """Refuse a size that the global one cannot work at.

        Raises:
            TwoFaceError: says which it can.
        """
        least, most = self.sizes
        require(
            least <= image_size <= most,
            f"these discriminators work at {least} px{'' if least == most else ' or more'}, not at {image_size}; "
            "choose another image_size or discriminator, or losses=reconstruction",
        )

    def views(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What the two are shown: the image (N, 3, H, W), and the crop around the hole."""
        return image, crop(image, hole_boxes(mask, self.margin), self.local_size)

    def judge(self, views: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The two logits, (N, 1) each, of what :meth:`views` gave."""
        return self.global_discriminator(views[0]), self.local_discriminator(views[1])

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return self.judge(self.views(image, mask))


def _build_seed(hole: int = 32, vgg_weights: str = "torchvision", vgg_preprocess: str = "raw") -> Discriminators:
    require_hole("discriminator", hole)
    local = SeedLocalDiscriminator(hole, vgg_weights, vgg_preprocess)
    whole = SeedGlobalDiscriminator(vgg_weights, vgg_preprocess)
    return Discriminators(whole, local, local_size=hole, sizes=(IMAGE_SIZE, IMAGE_SIZE))


def _build_conv(width: int = 48, local_size: int = 48, margin: float = 0.125) -> Discriminators:
    require_whole("discriminator.width", width, 1, WIDEST)
    require_whole("discriminator.local_size", local_size, *LOCAL_SIZES)
    require_number("discriminator.margin", margin, 0, 1)
    whole, local = ConvDiscriminator(width, LAYERS, GLOBAL_FOLD), ConvDiscriminator(width, LAYERS)
    # Folding replaces the first layer's halving.
    least = GLOBAL_FOLD * 2 ** (LAYERS - 1)
    return Discriminators(whole, local, local_size, margin, (least, math.inf))


KINDS: dict[str, Callable[..., Discriminators]] = {"conv": _build_conv, "seed": _build_seed}


def build_discriminators(options: dict[str, Any]) -> Discriminators:
    """Both discriminators from ``{"name": "conv" or "seed", **options}``.

    Raises:
        TwoFaceError: no such kind or option, or weights that cannot be had.
    """
    name, arguments = name_and_options("discriminator", options)
    build = KINDS.get(name) if isinstance(name, str) else None
    if build is None:
        raise TwoFaceError(f"discriminator '{name}' is not known; there are: {', '.join(KINDS)}")
    return call_with_options(f"discriminator '{name}'", build, arguments)
