"""Figures of a fill, on the uint8 result: inside the hole and at its edge."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

LEAST_ENERGY = 1e-3  # of what is divided by


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


def energy_above(picture: np.ndarray, mask: np.ndarray, size: int) -> float:
    """Mean square in the hole of what a picture has above the band of ``size`` pixels a side, in levels of 255.

    Its part in that band is the picture brought to that size, by area, and back, by a cubic. Pixels at the hole's
    very edge are left out where the hole has others.

    Args:
        picture: uint8 (S, S, 3).
        mask: bool (S, S), True = hole.
        size: pixels a side.
    """
    values = picture.astype(np.float32)
    small = cv2.resize(values, (size, size), interpolation=cv2.INTER_AREA)
    above = values - cv2.resize(small, mask.shape[::-1], interpolation=cv2.INTER_CUBIC)
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return float((above[inner if inner.any() else mask] ** 2).mean()) + LEAST_ENERGY


def rim_gradient(picture: np.ndarray, mask: np.ndarray) -> float:
    """Mean difference of pixels that lie beside each other across the hole's edge, in levels of 255.

    Args:
        picture: uint8 (S, S, 3).
        mask: bool (S, S), True = hole.
    """
    values = picture.astype(np.float32)
    steps = [
        np.abs(np.diff(values, axis=axis)).mean(axis=2)[np.diff(mask.astype(np.int8), axis=axis) != 0]
        for axis in (0, 1)
    ]
    return float(np.concatenate(steps).mean()) + LEAST_ENERGY if any(len(part) for part in steps) else 1.0
