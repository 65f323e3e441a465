"""VGG16 up to block 3's pool (Simonyan & Zisserman 2014), frozen: the 2018 system's encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torchvision.models import VGG16_Weights
from torchvision.models.vgg import make_layers

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.weights import load_state, offline_error

TO_POOL3: list[str | int] = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M"]  # channels; M: max-pool
PREPROCESSING = ("raw", "caffe", "torchvision", "auto")
TAPS = (3, 8, 15)  # after each block's last ReLU
# The first weight of the first filter tells the two published sets of ImageNet weights apart.
FIRST_WEIGHT = {"caffe": 0.4295, "torchvision": -0.5537}


class FrozenVGG16(nn.Module):
    """(N, 3, H, W) in [0, 1] to (N, 256, H/8, W/8); its weights never move.

    Args:
        weights: a local file with torchvision's keys (``features.N.weight``), ``"torchvision"`` for
            its ImageNet download, or ``"random"`` for tests.
        preprocess: ``raw`` feeds [0, 1] RGB as it is, like the 2018 system; ``caffe`` feeds BGR
            0..255 minus the channel means; ``torchvision`` normalises by ImageNet's mean and deviation;
            ``auto`` takes the one of the two that the weights were trained with.

    Raises:
        TwoFaceError: weights that are missing, of another network, or trained with another preprocessing.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, weights: str, preprocess: str = "raw") -> None:
        super().__init__()
        if preprocess not in PREPROCESSING:
            raise TwoFaceError(f"vgg.preprocess={preprocess} is not one of {', '.join(PREPROCESSING)}")
        self.features = self._load(weights).requires_grad_(False).eval()
        self._asked, self._source = preprocess, weights
        for name in ("mean", "scale"):
            self.register_buffer(name, torch.zeros(1, 3, 1, 1), persistent=False)
        self._settle()
        # A checkpoint brings weights of its own: what fits them is known only then.
        self.register_load_state_dict_post_hook(lambda module, _: module._settle())  # type: ignore[no-untyped-call]

    def _settle(self) -> None:
        """Takes the preprocessing that fits the weights which are there."""
        self.preprocess = self._fitting(self._asked, self._source)
        mean, scale = {
            "raw": ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
            "caffe": ([103.939 / 255, 116.779 / 255, 123.68 / 255], [255.0, 255.0, 255.0]),
            "torchvision": ([0.485, 0.456, 0.406], [1 / 0.229, 1 / 0.224, 1 / 0.225]),
        }[self.preprocess]
        self.mean.copy_(torch.tensor(mean).view(1, 3, 1, 1))
        self.scale.copy_(torch.tensor(scale).view(1, 3, 1, 1))

    def _fitting(self, preprocess: str, weights: str) -> str:
        """The preprocessing that is asked for, if the weights were trained with it."""
        first = float(next(self.features.parameters())[0, 0, 0, 0])
        trained = next((name for name, value in FIRST_WEIGHT.items() if abs(first - value) < 1e-3), None)
        if preprocess == "auto":
            return trained or "torchvision"
        if preprocess != "raw" and trained not in (None, preprocess):
            raise TwoFaceError(
                f"VGG16 weights {weights} were trained with preprocessing '{trained}', not '{preprocess}'; "
                f"set vgg_preprocess={trained} (or auto)"
            )
        return preprocess

    @staticmethod
    def _load(weights: str) -> nn.Sequential:
        if weights in ("torchvision", ""):  # an environment variable that is set to nothing
            try:
                state = VGG16_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True)
            except OSError as error:
                raise offline_error(
                    "VGG16 (torchvision, ImageNet)", "TWOFACE_VGG16", "losses.perceptual.weight=0", error
                ) from None
            except Exception as error:  # a download that was cut off fails in any way
                raise TwoFaceError(
                    f"VGG16's downloaded file is damaged ({error}); `twoface doctor` says where it is"
                ) from None
        elif weights != "random":
            state = load_state(Path(weights), "VGG16")
        features = make_layers(TO_POOL3, batch_norm=False)
        if weights != "random":
            prefix = "features."
            kept = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            wanted = features.state_dict()
            missing = [key for key in wanted if key not in kept or kept[key].shape != wanted[key].shape]
            if missing:
                raise TwoFaceError(f"{weights}: not VGG16 weights, {prefix}{missing[0]} is missing or differs")
            features.load_state_dict({key: kept[key].float() for key in wanted})
        return features

    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode whatever its parent does."""
        return super().train(False)

    def _prepared(self, image: Tensor) -> Tensor:
        if self.preprocess == "caffe":
            image = image.flip(1)
        return (image - self.mean) * self.scale

    def forward(self, image: Tensor) -> Tensor:
        return self.features(self._prepared(image))

    def layers(self, image: Tensor) -> list[Tensor]:
        """The features of each block's last ReLU: (N, 64, H, W), (N, 128, H/2, W/2), (N, 256, H/4, W/4)."""
        features, found = self._prepared(image), []
        for number, layer in enumerate(self.features[: TAPS[-1] + 1]):
            features = layer(features)
            if number in TAPS:
                found.append(features)
        return found
