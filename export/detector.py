"""facenet-pytorch's MTCNN networks to ONNX: how the files that the face detector ships with were made.

make export-detector
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from torch import Tensor, nn

from twoface_pl.export.trace import trace
from twoface_pl.faces.detector import NETWORKS
from twoface_pl.faces.files import write_atomically

SOURCE = "facenet-pytorch 2.5.3 (MIT), after MTCNN by Zhang et al. 2016"


class _Detector(nn.Module):
    """One network with its preprocessing: (N, H, W, 3) in 0..255, and only the face's probability."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        *others, probability = self.network((pixels.permute(0, 3, 1, 2) - 127.5) * 0.0078125)
        return (*others, probability[:, 1])


def _write(network: nn.Module, side: int | None, outputs: list[str], path: Path) -> None:
    # P-Net takes one picture of any size; the others any number of small ones.
    example = torch.zeros(2, side, side, 3) if side else torch.zeros(1, 40, 50, 3)
    dynamic = {0: torch.export.Dim("batch")} if side else {1: torch.export.Dim("height"), 2: torch.export.Dim("width")}

    def write(temporary: Path) -> None:
        model = trace(_Detector(network).eval(), (example,), ["pixels"], outputs, (dynamic,), temporary)
        onnx.helper.set_model_props(model, {"source": SOURCE})
        onnx.checker.check_model(model)
        onnx.save(model, temporary)

    write_atomically(path, write)


def export_detector(folder: Path = NETWORKS) -> list[Path]:
    """Write ``pnet.onnx``, ``rnet.onnx`` and ``onet.onnx``; returns their paths."""
    paths = []
    for network, side, outputs in (
        (PNet, None, ["regression", "face"]),
        (RNet, 24, ["regression", "face"]),
        (ONet, 48, ["regression", "landmarks", "face"]),
    ):
        paths.append(folder / f"{network.__name__.lower()}.onnx")
        _write(network(), side, outputs, paths[-1])
    return paths


if __name__ == "__main__":
    for written in export_detector():
        print(f"{written} ({written.stat().st_size / 1e6:.2f} MB)")
