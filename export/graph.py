"""The graph that is exported: a generator with its pre- and post-processing, and for photos of any size the detail."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from twoface_pl.model_file import LARGEST_SIZE, SIZE_STEP
from twoface_pl.model_signature import OUTPUT, OWN_SIZE_OUTPUT
from twoface_pl.networks.full_size import FullSize
from twoface_pl.networks.generator import Generator, MatchingGenerator, composite
from twoface_pl.networks.tone import find_tones, grey_image, grey_references, in_tone

LARGER = 6 * SIZE_STEP  # pixels a side beyond the generator's, of the other size that a graph is made and checked with


def _channels_first(pictures: Tensor) -> Tensor:
    return pictures.movedim(-1, -3)


def _channels_last(filled: Tensor) -> Tensor:
    # By way of one row of pixels: otherwise onnxruntime moves the transpose up to where the hole is composited,
    # and multiplies three values at a time.
    return torch.clamp(filled, 0, 1).flatten(2).transpose(1, 2).unflatten(1, filled.shape[-2:])


class OneSizeGraph(nn.Module):
    """Channels last, as the 2018 protocol has it.

    ``masked_image`` is float32 (N, S, S, 3) in [0, 1], ``mask`` is float32 (N, S, S, 1) with 1 = hole,
    ``reference_images`` are float32 (N, R, S, S, 3) in [0, 1], S is the generator's size. What the picture holds in
    the hole is set to zero, so it cannot leak. A photo in grey, or in one tone, stays so. Returns ``filled_image``,
    float32 (N, S, S, 3) in [0, 1].
    """

    outputs: ClassVar[tuple[str, ...]] = (OUTPUT,)

    def __init__(self, generator: Generator, size: int) -> None:
        super().__init__()
        self.generator = generator
        self.sizes = (size,)  # that it is checked at; the last one is what it is traced with

    def forward(self, masked_image: Tensor, mask: Tensor, reference_images: Tensor) -> tuple[Tensor, ...]:
        image, hole, references = map(_channels_first, (masked_image, mask, reference_images))
        image = image * (1 - hole)
        tones = find_tones(image, hole)
        filled = self.generator(grey_image(tones, image), hole, grey_references(tones, references))
        return (_channels_last(composite(image, in_tone(tones, filled), hole)),)


class AnySizeGraph(FullSize):
    """As :class:`OneSizeGraph`, S any multiple of 8 from the generator's size on.

    Returns beside ``filled_image`` ``filled_at_image_size``, what the generator itself made of it.
    """

    outputs: ClassVar[tuple[str, ...]] = (OUTPUT, OWN_SIZE_OUTPUT)

    def __init__(self, generator: MatchingGenerator, size: int) -> None:
        super().__init__(generator, size)
        self.sizes = (size, size + LARGER)

    def forward(self, masked_image: Tensor, mask: Tensor, reference_images: Tensor) -> tuple[Tensor, ...]:
        image, hole, references = map(_channels_first, (masked_image, mask, reference_images))
        full, own = super().forward(image * (1 - hole), hole, references)
        return _channels_last(full), _channels_last(own)


ExportGraph = OneSizeGraph | AnySizeGraph


def export_graph(generator: Generator, size: int) -> ExportGraph:
    """The graph of a generator that works at ``size``: for any size of photo where it can be had."""
    if isinstance(generator, MatchingGenerator) and size + LARGER <= LARGEST_SIZE:
        return AnySizeGraph(generator, size)
    return OneSizeGraph(generator, size)
