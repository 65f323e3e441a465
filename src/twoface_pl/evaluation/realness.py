"""Can fills be told from photos? A classifier on VGG16's features of the crop about the hole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import bounding_box
from twoface_pl.networks.tensors import to_float
from twoface_pl.networks.vgg import FrozenVGG16

FOLDS = 5
MARGIN = 0.25  # about the hole's box, as a share of its longer side
SIDE = 64  # pixels that the crop is brought to
STRENGTH = 0.1  # of the classifier: the inverse of its regularisation


class RealnessFeatures:
    """relu3_3 of VGG16, averaged over the crop about the hole: (N, 256).

    Raises:
        TwoFaceError: weights that are not VGG16's, or scikit-learn is not installed.
    """

    def __init__(self, weights: Path, device: torch.device) -> None:
        try:
            import sklearn  # noqa: F401  # told_apart needs it, once everything is measured
        except ImportError as error:
            raise TwoFaceError(f"needs a package that is not here ({error}); pip install scikit-learn") from None
        if not weights.is_file():
            raise TwoFaceError(f"vgg={weights} is not there; it is a file of VGG16's ImageNet weights")
        self._network = FrozenVGG16(str(weights), "auto").to(device)
        self._device = device

    def __call__(self, pictures: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Of uint8 (N, H, W, 3) and bool (N, H, W), True = hole."""
        crops = np.stack([_about(picture, mask) for picture, mask in zip(pictures, masks, strict=True)])
        with torch.inference_mode():
            features = self._network.layers(to_float(torch.from_numpy(crops).to(self._device)))[-1]
        return features.mean(dim=(2, 3)).cpu().numpy()


def _about(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows, columns = bounding_box(mask)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    side = (1 + 2 * MARGIN) * max(height, width)
    left, top = columns.start + width / 2 - side / 2, rows.start + height / 2 - side / 2
    return Frame(left, top, side).crop(picture, SIDE)


def told_apart(fills: np.ndarray, photos: np.ndarray, people: np.ndarray) -> float:
    """How often fills and untouched photos are told apart: 0.5 is chance, 1 always.

    A logistic regression, cross-validated over people.

    Args:
        fills, photos: (n, D) features.
        people: (n,) names.

    Raises:
        TwoFaceError: too few people.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(people)) < 2 * FOLDS:
        raise TwoFaceError(f"telling fills from photos needs {2 * FOLDS} people, here are {len(np.unique(people))}")
    features = np.concatenate([fills, photos])
    is_fill = np.repeat([1, 0], len(photos))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=2000))
    groups = np.concatenate([people, people])
    return float(cross_val_score(classifier, features, is_fill, groups=groups, cv=GroupKFold(FOLDS)).mean())
