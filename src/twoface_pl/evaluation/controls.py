"""Controls: what a figure must be held against."""

from __future__ import annotations

import cv2
import numpy as np

OPENCV_METHODS = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}
OPENCV_RADIUS = 3


def opencv_fill(photos: np.ndarray, masks: np.ndarray, method: str) -> np.ndarray:
    """OpenCV's own inpainting, which sees no reference.

    Args:
        photos: uint8 (N, H, W, 3).
        masks: bool (N, H, W), True = hole.
        method: ``telea`` (Telea 2004) or ``navier_stokes`` (Bertalmio et al. 2001).

    Returns:
        uint8 (N, H, W, 3).
    """
    return np.stack(
        [
            cv2.inpaint(photo * ~mask[..., None], mask.astype(np.uint8), OPENCV_RADIUS, OPENCV_METHODS[method])
            for photo, mask in zip(photos, masks, strict=True)
        ]
    )
