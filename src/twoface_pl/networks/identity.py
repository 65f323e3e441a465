"""Identity networks: a face to an identity embedding. Frozen; one interface for all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.networks.weights import load_state, offline_error

PRETRAINED = ("casia-webface", "vggface2")
WITHOUT = "identity=none, and of a training's losses losses.identity.weight=0"


class IdentityNetwork(nn.Module, ABC):
    """``forward(faces)``: (N, 3, H, W) in [0, 1] to unit identity embeddings (N, D).

    Gradients reach the faces; the weights never move and the network never leaves eval mode.
    """

    def __init__(self, network: nn.Module, name: str) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()
        self.name = name
        self._range_checked = False

    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode whatever its parent does: batch norm must not wake up."""
        return super().train(False)

    @abstractmethod
    def _preprocess(self, faces: Tensor) -> Tensor:
        """[0, 1] to what the network was trained on."""

    def forward(self, faces: Tensor) -> Tensor:
        if not self._range_checked:  # once: reading values back would stall a GPU at each step
            low, high = (float(value) for value in faces.detach().aminmax())
            if low < -0.01 or high > 1.01:
                raise ValueError(f"identity network '{self.name}' wants faces in [0, 1], got [{low}, {high}]")
            self._range_checked = True
        return F.normalize(self.network(self._preprocess(faces)).float(), dim=1)


class FaceNet(IdentityNetwork):
    """facenet-pytorch's InceptionResnetV1 (Schroff et al. 2015): 512-d, 160x160, and 128x128 works."""

    def _preprocess(self, faces: Tensor) -> Tensor:
        return (faces * 255 - 127.5) / 128


class SmallIdentityNetwork(nn.Sequential):
    """A small convolutional network, (N, 3, 64, 64) in [-1, 1] to (N, 64); for synthetic faces."""

    def __init__(self, width: int = 24) -> None:
        layers: list[nn.Module] = []
        channels = 3
        for step in range(4):
            wider = width * 2 ** min(step, 2)
            layers += [nn.Conv2d(channels, wider, 3, 2, 1), nn.GroupNorm(8, wider), nn.SiLU()]
            channels = wider
        super().__init__(*layers, nn.Flatten(), nn.Linear(channels * 16, 64))


class SyntheticIdentity(IdentityNetwork):
    """The small network fitted to synthetic identities, behind FaceNet's interface."""

    def _preprocess(self, faces: Tensor) -> Tensor:
        return F.interpolate(faces, (64, 64), mode="bilinear", antialias=True) * 2 - 1


def _load_facenet(weights: str | None, sha256: str | None, pretrained: str) -> FaceNet:
    from facenet_pytorch import InceptionResnetV1

    if not weights:  # an environment variable that is set to nothing too
        require(sha256 is None, "identity.sha256 is checked on a local file; give identity.weights too")
        require(pretrained in PRETRAINED, f"identity.pretrained={pretrained} is not one of {', '.join(PRETRAINED)}")
        try:
            network = InceptionResnetV1(pretrained=pretrained)
        except OSError as error:
            raise offline_error(f"FaceNet ({pretrained})", "identity.weights", WITHOUT, error) from None
        except Exception as error:  # a download that was cut off fails in any way
            raise TwoFaceError(f"FaceNet's downloaded file is damaged ({error}); `twoface doctor` says where") from None
        return FaceNet(network, "facenet")
    state = load_state(Path(weights), "FaceNet", sha256)
    # The classifier's layer is not part of the embedding; files come with and without it.
    kept = {key: value for key, value in state.items() if not key.startswith("logits.")}
    network = InceptionResnetV1(pretrained=None)
    try:
        network.load_state_dict(kept)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise TwoFaceError(f"{weights}: not FaceNet (InceptionResnetV1) weights: {first[:200]}") from None
    return FaceNet(network, "facenet")


def _load_synthetic(weights: str, sha256: str | None = None) -> SyntheticIdentity:
    network = SmallIdentityNetwork()
    try:
        network.load_state_dict(load_state(Path(weights), "synthetic identity", sha256))
    except RuntimeError:
        raise TwoFaceError(f"{weights}: not a synthetic identity network; remove it to fit a new one") from None
    return SyntheticIdentity(network, "synthetic")


def load_identity(options: dict[str, Any]) -> IdentityNetwork | None:
    """An identity network from plain options.

    Args:
        options: ``{"name": "facenet", "weights": path or None, "sha256": ..., "pretrained":
            "casia-webface" or "vggface2"}``, ``{"name": "synthetic", "weights": path}`` or
            ``{"name": "none"}``. Without a path, FaceNet comes from facenet-pytorch's download.

    Raises:
        TwoFaceError: weights that are missing, of another checksum or of another network.
    """
    name = options.get("name")
    if name == "facenet":
        return _load_facenet(options.get("weights"), options.get("sha256"), options.get("pretrained", "casia-webface"))
    if name == "synthetic":
        return _load_synthetic(options["weights"], options.get("sha256"))
    if name == "none":
        return None
    raise TwoFaceError(f"identity network '{name}' is not known; there are: facenet, synthetic, none")


@torch.no_grad()
def embed(network: IdentityNetwork, faces: Tensor, batch: int = 32) -> Tensor:
    """Embeddings of many faces, in small batches."""
    return torch.cat([network(part) for part in faces.split(batch)])
