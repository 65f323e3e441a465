"""The figures of a validation."""

from __future__ import annotations

import math

import numpy as np

from twoface_pl.data.triples import Triple
from twoface_pl.evaluation.controls import OPENCV_METHODS, opencv_fill
from twoface_pl.evaluation.metrics import psnr_in_hole, ssim_in_hole

FIGURES = (
    "validation/psnr_in_hole",
    "validation/ssim_in_hole",
    "validation/db_above_opencv",
    "validation/db_right_above_wrong_reference",
)


def validation_figures(batch: Triple, filled: np.ndarray, from_wrong: np.ndarray | None) -> dict[str, float]:
    """A batch's figures, by their names; NaN where there is nobody else's reference.

    Args:
        batch: of validation.
        filled: its fills, uint8 (N, H, W, 3).
        from_wrong: those by somebody else's references.
    """
    photos, masks = batch["photo"].cpu().numpy(), batch["mask"].cpu().numpy()
    psnr = psnr_in_hole(filled, photos, masks)
    above_wrong = math.nan  # of one person
    if from_wrong is not None:
        above_wrong = (psnr - psnr_in_hole(from_wrong, photos, masks)).mean()
    opencv = [psnr_in_hole(opencv_fill(photos, masks, method), photos, masks).mean() for method in OPENCV_METHODS]
    values = (
        psnr.mean(),
        ssim_in_hole(filled, photos, masks).mean(),
        psnr.mean() - max(opencv),
        above_wrong,
    )
    return {name: float(value) for name, value in zip(FIGURES, values, strict=True)}
