"""Perceptual distances: ST-LPIPS, which tolerates small shifts (Ghildyal & Liu 2022), and LPIPS (Zhang et al. 2018)."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
from torchvision.models import AlexNet_Weights

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.tensors import to_float
from twoface_pl.networks.weights import load_torch_file

BATCH = 16
REMEMBERED = 4  # batches whose features are kept: two of the truth, and the fills beside them


def _distances(
    network: Callable[[Tensor, Tensor], Tensor], device: torch.device, filled: np.ndarray, truth: np.ndarray
) -> np.ndarray:
    """Of uint8 (N, H, W, 3) twice, (N,), by a network that takes [-1, 1]."""

    def tensor(pictures: np.ndarray) -> Tensor:
        return to_float(torch.from_numpy(pictures).to(device)) * 2 - 1

    with torch.inference_mode():
        parts = [
            network(tensor(filled[at : at + BATCH]), tensor(truth[at : at + BATCH])).flatten()
            for at in range(0, len(filled), BATCH)
        ]
    return torch.cat(parts).cpu().numpy()


@contextmanager
def _stand_ins() -> Iterator[None]:
    """The package imports a shell and a printer that it does not declare and never calls here."""
    missing = {}
    for name, attribute in (("IPython", "embed"), ("torchsummary", "summary")):
        if name not in sys.modules:
            missing[name] = ModuleType(name)
            setattr(missing[name], attribute, None)
    sys.modules.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


class _Remembering(nn.Module):
    """Features of pictures; those of the last batches are not computed again, as each condition brings the truth."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._last: list[tuple[Tensor, Any]] = []

    def forward(self, pictures: Tensor) -> Any:
        there = [known for known in self._last if known[0].shape == pictures.shape and torch.equal(known[0], pictures)]
        found = there[0] if there else (pictures, self.network(pictures))
        self._last = [*(known for known in self._last if known is not found), found][-REMEMBERED:]
        return found[1]


class ShiftTolerantLPIPS:
    """Distance of pictures, photo by photo; 0 is no difference. The package brings its own weights.

    Raises:
        TwoFaceError: the package is not installed; says how to get it.
    """

    name = "st_lpips"

    def __init__(self, device: torch.device) -> None:
        try:
            with _stand_ins():
                from stlpips_pytorch import stlpips
        except ImportError as error:
            raise TwoFaceError(
                f"ST-LPIPS needs a package that is not here ({error}); pip install stlpips-pytorch"
            ) from None
        network: Any = stlpips.LPIPS(net="alex", variant="shift_tolerant", verbose=False)
        network.net = _Remembering(network.net)
        self._network = network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        self._device = device

    def __call__(self, filled: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, 3) twice to (N,)."""
        return _distances(self._network, self._device, filled, truth)


class LPIPS:
    """Distance of pictures, photo by photo, by AlexNet's features; 0 is no difference.

    Args:
        weights: torchvision's file of AlexNet's ImageNet weights.
        device: that it runs on.

    Raises:
        TwoFaceError: no such file, or weights of another network.
    """

    name = "lpips"

    def __init__(self, weights: Path, device: torch.device) -> None:
        if not weights.is_file():
            raise TwoFaceError(f"lpips={weights} is not there; it is torchvision's file of AlexNet weights")
        try:
            load_torch_file(weights, "AlexNet weights")  # the library takes any file
            with _hub_folder(weights, AlexNet_Weights.DEFAULT.url.rpartition("/")[2]):
                metric = LearnedPerceptualImagePatchSimilarity(net_type="alex")
        except Exception as error:  # whatever a file that is none of PyTorch's makes it raise
            raise TwoFaceError(f"lpips={weights} does not hold AlexNet's weights") from error
        self._network: Any = metric.net.to(device)
        self._device = device

    def __call__(self, filled: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, 3) twice to (N,)."""
        return _distances(self._network, self._device, filled, truth)


@contextmanager
def _hub_folder(weights: Path, name: str) -> Iterator[None]:
    """The library takes AlexNet from PyTorch's folder of downloads only: this stands in for it."""
    before = torch.hub.get_dir()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "checkpoints").mkdir()
        (Path(folder) / "checkpoints" / name).symlink_to(weights.resolve())
        torch.hub.set_dir(folder)
        try:
            yield
        finally:
            torch.hub.set_dir(before)
