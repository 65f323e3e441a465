"""Is the fill of the person's colour? CIEDE2000 of what is left of fill and truth without detail, by skin tone."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.statistics import bootstrap_mean
from twoface_pl.faces.face import MEAN_LANDMARKS

LOW_PASS = 1 / 32  # of the picture's side: the standard deviation of the blur, so that shading and blotches count
HIGH = 95  # the percentile of a hole's pixels that tells of blotches
COLOUR_FIGURES = ("ciede2000", "ciede2000_p95")
TERCILES = ("dark", "middle", "light")  # of the photos, by ITA
LEAST_CHROMA = 3.0  # in CIELAB; below it a photo is black and white
FACE = (1.0, 1.35)  # half axes of the oval that skin is looked for in, in eye distances


class Colours:
    """Colours as people tell them apart.

    Raises:
        TwoFaceError: scikit-image is not installed.
    """

    def __init__(self) -> None:
        try:
            from skimage.color import deltaE_ciede2000, rgb2lab
        except ImportError as error:
            raise TwoFaceError(f"needs a package that is not here ({error}); pip install scikit-image") from None
        self._difference: Any = deltaE_ciede2000
        self._lab: Any = rgb2lab

    def _smooth(self, pictures: np.ndarray) -> np.ndarray:
        sigma = LOW_PASS * pictures.shape[1]
        smooth = [cv2.GaussianBlur(picture.astype(np.float32) / 255, (0, 0), sigma) for picture in pictures]
        return np.asarray(self._lab(np.stack(smooth)))

    def difference(self, filled: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """CIEDE2000 (Sharma et al. 2005) of the low-passed pictures in the hole, photo by photo.

        Args:
            filled, truth: uint8 (N, H, W, 3).
            mask: bool (N, H, W), True = hole.

        Returns:
            float64 (N,) twice: the mean over the hole, and the 95th percentile. 1 is about what is just seen.
        """
        differences = self._difference(self._smooth(truth), self._smooth(filled))
        in_holes = [of_photo[hole] for of_photo, hole in zip(differences, mask, strict=True)]
        mean = np.array([values.mean() for values in in_holes])
        return mean, np.array([np.percentile(values, HIGH) for values in in_holes])

    def skin_tone(self, photo: np.ndarray, mask: np.ndarray, landmarks: np.ndarray) -> float:
        """The individual typology angle (Chardon et al. 1991) of the skin that is visible, in degrees; dark is low.

        Args:
            photo: uint8 (H, W, 3).
            mask: bool (H, W), True = hole.
            landmarks: (5, 2), shares of the picture.

        Returns:
            -90 to 90; NaN where nothing of the face is visible, or it is grey.
        """
        size = np.array(photo.shape[1::-1])
        eyes, mouth = landmarks[:2].mean(axis=0) * size, landmarks[3:].mean(axis=0) * size
        # an eye distance, also of a face that is turned away
        unit = max(float(np.hypot(*(mouth - eyes))) / MEAN_LANDMARKS[3, 1], 1.0)
        y, x = np.ogrid[: photo.shape[0], : photo.shape[1]]
        middle = (eyes + mouth) / 2
        oval = ((x - middle[0]) / (FACE[0] * unit)) ** 2 + ((y - middle[1]) / (FACE[1] * unit)) ** 2 < 1
        visible = photo[oval & ~mask]
        if not len(visible):
            return float("nan")
        lightness, red, yellow = np.median(self._lab(visible[None] / 255)[0], axis=0)
        if np.hypot(red, yellow) < LEAST_CHROMA:
            return float("nan")
        return float(np.degrees(np.arctan2(lightness - 50, abs(yellow))))


def by_skin_tone(
    figures: dict[str, dict[str, np.ndarray]], people: np.ndarray, tones: np.ndarray, names: list[str]
) -> dict[str, Any]:
    """Colour figures of the named conditions, by tercile of skin tone (n,); photos without any are left out."""
    known = np.isfinite(tones)
    edges = np.quantile(tones[known], [1 / 3, 2 / 3]) if known.any() else np.zeros(2)
    tercile = np.where(known, np.searchsorted(edges, np.nan_to_num(tones), side="right"), -1)
    result = {}
    for number, name in enumerate(TERCILES):
        chosen = tercile == number
        if chosen.any():
            result[name] = {
                "photos": int(chosen.sum()),
                "ita": [round(float(tones[chosen].min()), 1), round(float(tones[chosen].max()), 1)],
                "conditions": {
                    condition: {
                        figure: bootstrap_mean(figures[condition][figure][chosen], people[chosen]).rounded()
                        for figure in COLOUR_FIGURES
                    }
                    for condition in names
                },
            }
    return result
