"""A trained placement network to the ONNX file that comes with the package.

python -m twoface_pl.export.placement --checkpoint placement.ckpt
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from twoface_pl.errors import TwoFaceError
from twoface_pl.export.half import round_weights, store_half
from twoface_pl.export.trace import trace
from twoface_pl.faces.files import write_atomically
from twoface_pl.faces.placer import FILE, open_network
from twoface_pl.faces.window import SIZE
from twoface_pl.networks.placement import PlacementNetwork, read_placement, to_windows

INPUT, OUTPUTS = "windows", ["landmarks", "log_scales", "face"]
PARITY_BATCHES = (1, 2, 5)
PARITY_LIMIT = 1e-3


class _Graph(nn.Module):
    """The network with its preprocessing: uint8 (N, 64, 64, 4)."""

    def __init__(self, network: PlacementNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor) -> tuple[Tensor, ...]:
        return self.network(to_windows(windows))


def _windows(count: int) -> Tensor:
    source = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, SIZE, SIZE, 4), dtype=torch.uint8, generator=source)


def _check_parity(path: Path, graph: nn.Module) -> None:
    network = open_network(file=path)
    for count in PARITY_BATCHES:
        with torch.inference_mode():
            expected = graph(_windows(count))
        found = network(_windows(count).numpy())
        off = max(float(np.abs(one - other.numpy()).max()) for one, other in zip(found, expected, strict=True))
        if not off <= PARITY_LIMIT:
            raise TwoFaceError(f"the ONNX graph differs from torch by {off:.2e} at batch {count}; nothing was written")


def export_placement(checkpoint: Path, path: Path = FILE) -> None:
    """Write it, with weights in half precision.

    Raises:
        TwoFaceError: it differs from torch.
    """
    network = read_placement(checkpoint)
    round_weights(network)
    graph = _Graph(network).eval()

    def write(temporary: Path) -> None:
        batch = {0: torch.export.Dim("batch", min=1, max=1024)}
        model = trace(graph, (_windows(2),), [INPUT], OUTPUTS, (batch,), temporary)
        store_half(model)
        onnx.checker.check_model(model)
        onnx.save(model, temporary)
        _check_parity(temporary, graph)

    write_atomically(path, write)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="of a training of the placement network")
    parser.add_argument("--output", type=Path, default=FILE, help="the ONNX file (%(default)s)")
    given = parser.parse_args()
    export_placement(given.checkpoint, given.output)
    print(f"{given.output} ({given.output.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
