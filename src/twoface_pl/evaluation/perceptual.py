"""ST-LPIPS: perceptual distance that tolerates small shifts (Ghildyal & Liu 2022); never called LPIPS."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.tensors import to_float

BATCH = 16


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
        self._network = network.to(device).eval().requires_grad_(False)
        self._device = device

    def __call__(self, filled: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, 3) twice to (N,)."""

        def tensor(pictures: np.ndarray) -> Tensor:
            return to_float(torch.from_numpy(pictures).to(self._device)) * 2 - 1

        with torch.inference_mode():
            parts = [
                self._network(tensor(filled[at : at + BATCH]), tensor(truth[at : at + BATCH])).flatten()
                for at in range(0, len(filled), BATCH)
            ]
        return torch.cat(parts).cpu().numpy()
