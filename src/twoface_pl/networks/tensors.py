"""uint8 pictures to float tensors and back: the one place that does it for torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from twoface_pl.errors import require


def to_float(images: Tensor) -> Tensor:
    """uint8 (..., H, W, 3) to float32 (..., 3, H, W) in [0, 1], in channels_last memory."""
    return images.movedim(-1, -3).to(torch.float32) / 255


def to_uint8(images: Tensor) -> np.ndarray:
    """Float (N, 3, H, W) in [0, 1] to uint8 (N, H, W, 3), rounded; a value that was k/255 stays k.

    Raises:
        TwoFaceError: a value that is not finite, which would become an ordinary pixel.
    """
    require(
        bool(torch.isfinite(images).all()),
        "the generator's fill holds numbers that are not finite (NaN or infinite): its weights are broken; "
        "go back to an earlier checkpoint, or train anew",
    )
    pixels = (images.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
