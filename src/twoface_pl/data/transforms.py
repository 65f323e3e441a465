"""The transforms, on albumentations; known in this module only, and imported where something is augmented.

Two are ours, in albumentations' own form, for speed: its affine and colour transforms take two and four times
as long on small pictures, and feeding must not be what a GPU waits for.
"""

from __future__ import annotations

import math
import os
from typing import Any

import cv2
import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else it asks the network at import

import albumentations as A

from twoface_pl.data.augment_options import AugmentOptions

GREY = np.array([0.299, 0.587, 0.114])  # of RGB, ITU-R BT.601
TO_YIQ = np.array([GREY, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
FROM_YIQ = np.linalg.inv(TO_YIQ)


class SmallAffine(A.DualTransform):
    """A small turn, shift and change of size about the middle; over the edge the picture is reflected."""

    _targets = (A.core.type_definitions.Targets.IMAGE, A.core.type_definitions.Targets.KEYPOINTS)

    def __init__(self, degrees: float, shift: float, scale: float, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.degrees, self.shift, self.scale = degrees, shift, scale

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        draw = self.py_random.uniform
        height, width = data["image"].shape[:2]
        angle, scale = math.radians(draw(-self.degrees, self.degrees)), draw(1 - self.scale, 1 + self.scale)
        cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
        x, y = (width - 1) / 2, (height - 1) / 2
        right = x + width * draw(-self.shift, self.shift) - cosine * x + sine * y
        down = y + height * draw(-self.shift, self.shift) - sine * x - cosine * y
        return {"matrix": np.array([(cosine, -sine, right), (sine, cosine, down)])}

    def apply(self, img: np.ndarray, matrix: np.ndarray, **_: Any) -> np.ndarray:
        # OpenCV warps four channels in half the time of three.
        four = cv2.cvtColor(img, cv2.COLOR_RGB2RGBA)
        warped = cv2.warpAffine(
            four, matrix, img.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        return cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB)

    def apply_to_keypoints(self, keypoints: np.ndarray, matrix: np.ndarray, **_: Any) -> np.ndarray:
        moved = keypoints.copy()
        moved[:, :2] = keypoints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        return moved


class ColourMatrix(A.ImageOnlyTransform):
    """Another brightness, contrast, saturation and hue, as one matrix (as in StyleGAN2-ADA, Karras et al. 2020).

    Contrast changes about mid-grey; hue turns the colour plane of YIQ.
    """

    def __init__(self, brightness: float, contrast: float, saturation: float, hue: float, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue

    def get_params(self) -> dict[str, Any]:
        draw = self.py_random.uniform
        bright = draw(1 - self.brightness, 1 + self.brightness)
        contrast = draw(1 - self.contrast, 1 + self.contrast)
        saturation = draw(1 - self.saturation, 1 + self.saturation)
        turn = 2 * math.pi * draw(-self.hue, self.hue)
        cosine, sine = saturation * math.cos(turn), saturation * math.sin(turn)
        colour = FROM_YIQ @ np.array([(1, 0, 0), (0, cosine, -sine), (0, sine, cosine)]) @ TO_YIQ
        offset = np.full((3, 1), 127.5 * (1 - contrast))
        return {"matrix": np.concatenate([bright * contrast * colour, offset], axis=1)}

    def apply(self, img: np.ndarray, matrix: np.ndarray, **_: Any) -> np.ndarray:
        return cv2.transform(img, matrix)


def build_transforms(at: AugmentOptions) -> list[tuple[float, Any]]:
    """The transforms that have a chance, each with its chance."""
    transforms = [
        (at.flip, A.HorizontalFlip(p=1)),
        (at.affine, SmallAffine(at.degrees, at.shift, at.scale)),
        (at.colour, ColourMatrix(at.brightness, at.contrast, at.saturation, at.hue)),
        (at.blur, A.GaussianBlur(blur_limit=0, sigma_limit=tuple(at.blur_sigma), p=1)),
        (at.jpeg, A.ImageCompression(quality_range=tuple(at.jpeg_quality), p=1)),
    ]
    return [(chance, transform) for chance, transform in transforms if chance > 0]
