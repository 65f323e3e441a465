"""FID and KID: how far all fills together are from all photos together, by Inception's features."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3
from torchmetrics.image.kid import KernelInceptionDistance

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.weights import load_torch_file

FEATURES = 2048
SUBSETS = 100  # of KID, each of half of the photos, at most 1000


class InceptionFeatures:
    """Inception's features of pictures (Heusel et al. 2017).

    Args:
        weights: torch-fidelity's file of the Inception network that FID is defined by.
        device: that it runs on.

    Raises:
        TwoFaceError: no such file, weights of another network, or a package that is not installed.
    """

    def __init__(self, weights: Path, device: torch.device) -> None:
        if not weights.is_file():
            raise TwoFaceError(f"inception={weights} is not there; it is torch-fidelity's file of Inception weights")
        try:
            load_torch_file(weights, "Inception weights")  # nothing but tensors may be in it
            network = NoTrainInceptionV3("inception-v3-compat", [str(FEATURES)], str(weights))
        except ModuleNotFoundError:
            raise TwoFaceError("FID and KID need a package that is not here; pip install torch-fidelity") from None
        except Exception as error:  # whatever a file that is none of PyTorch's makes it raise
            raise TwoFaceError(f"inception={weights} does not hold torch-fidelity's Inception weights") from error
        self._network = network.to(device)
        self._device = device

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, 3) to (N, 2048)."""
        features: Tensor = self._network(torch.from_numpy(pictures).permute(0, 3, 1, 2).to(self._device))
        return features.cpu().numpy()


class _AsTheyAre(nn.Module):
    """Features stand for themselves."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.num_features = count

    def forward(self, features: Tensor) -> Tensor:
        return features


def distances(fills: np.ndarray, photos: np.ndarray, seed: int = 0) -> dict[str, float]:
    """FID, and KID's mean (Binkowski et al. 2018), unbiased and so fit for few photos, of features (N, D) twice.

    Raises:
        TwoFaceError: too few photos.
    """
    if len(photos) < 4:
        raise TwoFaceError(f"FID and KID need 4 photos or more, not {len(photos)}")
    features = _AsTheyAre(photos.shape[1])
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*save all extracted features in buffer")  # they are here already
        torch.manual_seed(seed)
        metrics: dict[str, Any] = {
            "fid": FrechetInceptionDistance(features),
            "kid": KernelInceptionDistance(features, subsets=SUBSETS, subset_size=min(1000, len(photos) // 2)),
        }
        for metric in metrics.values():
            metric.update(torch.from_numpy(photos), real=True)
            metric.update(torch.from_numpy(fills), real=False)
        return {"fid": float(metrics["fid"].compute()), "kid": float(metrics["kid"].compute()[0])}
