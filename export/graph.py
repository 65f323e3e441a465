"""The graph that is exported: the generator with its pre- and post-processing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twoface_pl.networks.generator import Generator


class ExportGraph(nn.Module):
    """Channels last, as the 2018 protocol has it.

    ``masked_image`` is float32 (N, H, W, 3) in [0, 1], ``mask`` is float32 (N, H, W, 1) with 1 = hole,
    ``reference_images`` are float32 (N, R, H, W, 3) in [0, 1]. What the picture holds in the hole is set to
    zero, so it cannot leak.
    Returns ``filled_image``, float32 (N, H, W, 3) in [0, 1].
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, masked_image: Tensor, mask: Tensor, reference_images: Tensor) -> Tensor:
        image, hole, references = (tensor.movedim(-1, -3) for tensor in (masked_image, mask, reference_images))
        filled = self.generator(image * (1 - hole), hole, references)
        # By way of one row of pixels: otherwise onnxruntime moves the transpose up to where the hole is composited,
        # and multiplies three values at a time.
        return torch.clamp(filled, 0, 1).flatten(2).transpose(1, 2).unflatten(1, filled.shape[-2:])
