"""Figures of a fill, on the uint8 result: PSNR and SSIM inside the hole."""

from __future__ import annotations

import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure


def psnr_in_hole(filled: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """PSNR in dB inside the hole, photo by photo.

    Args:
        filled, truth: uint8 (N, H, W, 3).
        mask: bool (N, H, W), True = hole.

    Returns:
        float64 (N,); a perfect fill counts as 99 dB.
    """
    squared = (filled.astype(np.float64) - truth.astype(np.float64)) ** 2
    error = (squared * mask[..., None]).sum(axis=(1, 2, 3)) / (3 * mask.sum(axis=(1, 2)))
    return 10 * np.log10(255**2 / np.maximum(error, 255**2 / 10**9.9))


def ssim_in_hole(filled: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The SSIM map (Wang et al. 2004) averaged inside the hole, photo by photo.

    Args and returns as :func:`psnr_in_hole`, the figure in [-1, 1].
    """

    def as_tensor(images: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255

    # float32 whatever a training's autocast says: variances in bfloat16 are mostly rounding
    with torch.autocast("cpu", enabled=False):
        _, similarity = structural_similarity_index_measure(
            as_tensor(filled), as_tensor(truth), data_range=1.0, reduction="none", return_full_image=True
        )
    by_pixel = similarity.mean(dim=1).numpy()
    return np.asarray((by_pixel * mask).sum(axis=(1, 2)) / mask.sum(axis=(1, 2)))
