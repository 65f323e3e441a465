"""The graph that is exported: the generator at every size of photo, with its pre- and post-processing."""

from __future__ import annotations

import torch
from torch import Tensor

from twoface_pl.networks.full_size import FullSize


def _channels_last(filled: Tensor) -> Tensor:
    # By way of one row of pixels: otherwise onnxruntime moves the transpose up to where the hole is composited,
    # and multiplies three values at a time.
    return torch.clamp(filled, 0, 1).flatten(2).transpose(1, 2).unflatten(1, filled.shape[-2:])


class ExportGraph(FullSize):
    """Channels last, as the 2018 protocol has it.

    ``masked_image`` is float32 (N, S, S, 3) in [0, 1], ``mask`` is float32 (N, S, S, 1) with 1 = hole,
    ``reference_images`` are float32 (N, R, S, S, 3) in [0, 1]. What the picture holds in the hole is set to
    zero, so it cannot leak. S is the generator's size, or of one that matches any multiple of 8 from there on.
    Returns ``filled_image``, float32 (N, S, S, 3) in [0, 1], and of one that matches ``filled_at_image_size``, what
    the generator itself made of it.
    """

    def forward(self, masked_image: Tensor, mask: Tensor, reference_images: Tensor) -> tuple[Tensor, ...]:
        image, hole, references = (tensor.movedim(-1, -3) for tensor in (masked_image, mask, reference_images))
        masked = image * (1 - hole)
        if not self.generator.matches:
            return (_channels_last(self.generator(masked, hole, references)),)
        full, own = super().forward(masked, hole, references)
        return _channels_last(full), _channels_last(own)
