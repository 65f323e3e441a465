"""The placement network: where a face's landmarks are in a window of a photo with a hole."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twoface_pl.networks.blocks import SLOPE, ResidualBlock

POINTS = 5  # eyes, nose, mouth corners
SHARPEST, BROADEST = -5.0, 1.0  # logarithm of a scale, in windows


def _down(inside: int, outside: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, kernel, stride=2, padding=kernel // 2), nn.LeakyReLU(SLOPE))


class PlacementNetwork(nn.Module):
    """Five landmarks, each with a scale (Laplace likelihood, after Kendall & Gal 2017), and whether a face is there.

    Args:
        channels: of the feature maps at half, a quarter and an eighth of the window.
        blocks: residual blocks at a quarter and at an eighth.
    """

    def __init__(self, channels: tuple[int, int, int] = (16, 48, 80), blocks: tuple[int, int] = (2, 2)) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.features = nn.Sequential(
            _down(4, fine, 5),
            _down(fine, middle, 3),
            *(self._block(middle) for _ in range(blocks[0])),
            _down(middle, coarse, 3),
            *(self._block(coarse) for _ in range(blocks[1])),
        )
        self.head = nn.Sequential(
            nn.Conv2d(coarse, 24, 1), nn.LeakyReLU(SLOPE), nn.Flatten(),
            nn.Linear(24 * 8 * 8, 64), nn.LeakyReLU(SLOPE),
        )  # fmt: skip
        self.points = nn.Linear(64, 2 * POINTS)
        self.scales = nn.Linear(64, POINTS)
        self.face = nn.Linear(64, 1)

    @staticmethod
    def _block(channels: int) -> nn.Sequential:
        return nn.Sequential(ResidualBlock(channels), nn.LeakyReLU(SLOPE))

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Landmarks of a batch of windows.

        Args:
            windows: float32 (N, 4, 64, 64): RGB in [-1, 1], 0 where nothing is seen; 1 hole, 0 seen, -1 outside.

        Returns:
            (N, 5, 2) landmarks as shares of the window; (N, 5) the logarithm of each one's scale (its expected
            distance along an axis, in windows); (N,) the logit that a face lies there, upright and about as large
            as it should.
        """
        found = self.head(self.features(windows))
        points = 0.5 + self.points(found).view(-1, POINTS, 2)
        return points, self.scales(found).clamp(SHARPEST, BROADEST), self.face(found)[:, 0]


def to_windows(pixels: Tensor) -> Tensor:
    """uint8 (N, 64, 64, 4) of :class:`faces.window.Windows` as the network takes them."""
    return ((pixels.permute(0, 3, 1, 2).float() - 128) / 127).clamp(-1, 1)


def placement_loss(found: tuple[Tensor, Tensor, Tensor], points: Tensor, there: Tensor) -> Tensor:
    """Negative log-likelihood of the landmarks where there is a face, and of whether there is.

    Args:
        found: of the network.
        points: (N, 5, 2), the true landmarks as shares of the window.
        there: float32 (N,), 1 where a face is.
    """
    where, scales, face = found
    off = (where - points).abs().mean(dim=2)
    by_face = (off * torch.exp(-scales) + scales).mean(dim=1)
    likelihood = (by_face * there).sum() / there.sum().clamp(min=1)
    return likelihood + 0.5 * F.binary_cross_entropy_with_logits(face, there)


def read_placement(path: Path) -> PlacementNetwork:
    """The averaged weights of a training's checkpoint."""
    stored = torch.load(path, map_location="cpu", weights_only=True)["average"]
    network = PlacementNetwork()
    network.load_state_dict(
        {name.removeprefix("module."): value for name, value in stored.items() if name.startswith("module.")}
    )
    return network.eval()
