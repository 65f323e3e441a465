"""Controls: what a figure must be held against."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.metrics import psnr_in_hole

OPENCV_METHODS = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}
OPENCV_RADIUS = 3
OPENCV, PATCHMATCH = "opencv ", "patchmatch"  # conditions; the first with its method
PATCH_RADIUS = 3
RIM = 0.06  # of the picture: how far around the hole colours are compared
MOST_SPREAD = 2.0  # by which contrast is changed at the most


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


def opencv_name(method: str) -> str:
    """The condition's name."""
    return f"{OPENCV}{method}"


def patchmatch_fill(photos: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """PatchMatch (Barnes et al. 2009), which takes patches from elsewhere in the photo; arguments as above.

    Raises:
        TwoFaceError: pypatchmatch is not installed, or has no program for this machine.
    """
    try:
        from patchmatch import patch_match
    except (ImportError, OSError) as error:
        raise TwoFaceError(f"needs a package that is not here ({error}); pip install pypatchmatch") from None
    patch_match.set_random_seed(0)
    return np.stack(
        [
            patch_match.inpaint(photo * ~mask[..., None], mask.astype(np.uint8), patch_size=PATCH_RADIUS)
            for photo, mask in zip(photos, masks, strict=True)
        ]
    )


def fill_without_reference(photos: np.ndarray, masks: np.ndarray, name: str) -> np.ndarray:
    """By a condition's name: OpenCV's methods, or PatchMatch."""
    return (
        patchmatch_fill(photos, masks) if name == PATCHMATCH else opencv_fill(photos, masks, name.removeprefix(OPENCV))
    )


def better_opencv_method(batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> str:
    """The method whose mean PSNR in the hole is higher, over batches of photos and masks as above."""
    found: dict[str, list[np.ndarray]] = {method: [] for method in OPENCV_METHODS}
    for photos, masks in batches:
        for method, figures in found.items():
            figures.append(psnr_in_hole(opencv_fill(photos, masks, method), photos, masks))
    return max(found, key=lambda method: float(np.concatenate(found[method]).mean()))


def pasted_reference(photos: np.ndarray, masks: np.ndarray, references: np.ndarray) -> np.ndarray:
    """The reference's own pixels in the hole, at the same place of the frame, in the photo's colours.

    Each channel's mean and spread around the hole are brought to what the photo has there
    (after Reinhard et al. 2001).

    Args:
        photos, references: uint8 (N, H, W, 3).
        masks: bool (N, H, W), True = hole.

    Returns:
        uint8 (N, H, W, 3).
    """
    return np.stack([_paste(*entry) for entry in zip(photos, masks, references, strict=True)])


def _paste(photo: np.ndarray, mask: np.ndarray, reference: np.ndarray) -> np.ndarray:
    reach = max(1, round(RIM * len(photo)))
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    rim = cv2.dilate(mask.astype(np.uint8), kernel).astype(bool) & ~mask
    matched = reference.astype(np.float64)
    if rim.any():
        wanted, found = photo[rim].astype(np.float64), reference[rim].astype(np.float64)
        spread = np.clip((wanted.std(axis=0) + 1) / (found.std(axis=0) + 1), 1 / MOST_SPREAD, MOST_SPREAD)
        matched = (matched - found.mean(axis=0)) * spread + wanted.mean(axis=0)
    pasted = photo.copy()
    pasted[mask] = np.clip(np.round(matched), 0, 255).astype(np.uint8)[mask]
    return pasted
