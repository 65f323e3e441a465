"""What the networks minimise: each loss with its weight, by name."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.losses import adversarial as adversarial_losses
from twoface_pl.losses import identity as identity_losses
from twoface_pl.losses import reconstruction as reconstruction_losses
from twoface_pl.losses.adversarial import discriminator_loss, generator_loss, r1_penalty
from twoface_pl.losses.identity import identity_loss, random_view
from twoface_pl.losses.perceptual import perceptual_loss
from twoface_pl.losses.reconstruction import reconstruction_loss
from twoface_pl.networks.crops import close_ups, crop, hole_boxes
from twoface_pl.networks.discriminators import Discriminators
from twoface_pl.networks.generator import Generator
from twoface_pl.networks.identity import IdentityNetwork
from twoface_pl.networks.options import require_number, require_whole
from twoface_pl.networks.vgg import FrozenVGG16
from twoface_pl.training.own_losses import build_own_loss, require_start, value_of

Parts = dict[str, tuple[float, Tensor]]  # weight and value by name
KEYS = {
    "reconstruction": {"weight", "kind", "rim_weight", "rim_width"},
    "perceptual": {"weight", "size", "margin", "close_ups", "vgg_weights", "vgg_preprocess", "start"},
    "adversarial": {
        "kind", "global_weight", "local_weight", "discriminator_weight", "r1_weight", "r1_every", "start",
    },
    "identity": {"weight", "kind", "truth", "reference", "hardened", "share", "start"},
    "distillation": {"weight", "teacher", "kind", "start"},
}  # fmt: skip
# Least and largest value by option, whatever the loss.
NUMBERS: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(("weight", "global_weight", "local_weight", "discriminator_weight", "r1_weight"), (0,)),
    **dict.fromkeys(("rim_weight", "truth", "reference"), (0,)),
    **dict.fromkeys(("margin", "close_ups", "share"), (0, 1)),
}
WHOLE: dict[str, tuple[int, ...]] = {"r1_every": (1,), "rim_width": (0, 64), "size": (16, 1024)}
KINDS = {
    "reconstruction": reconstruction_losses.KINDS,
    "adversarial": adversarial_losses.KINDS,
    "identity": identity_losses.KINDS,
    "distillation": ("l1", "squared", "log"),
}


def check_losses(losses: dict[str, dict[str, Any]]) -> None:
    """Refuse losses of ours that lack an option, or have one that is not known.

    Raises:
        TwoFaceError: names it.
    """
    for name, keys in KEYS.items():
        wrong = set(losses.get(name, ())) ^ keys
        known = ", ".join(sorted(keys))
        require(not wrong, f"losses.{name}: unknown or missing: {', '.join(sorted(wrong))}; there are: {known}")
    for name, kinds in KINDS.items():  # now, not when a loss with a late start first counts
        kind = losses[name]["kind"]
        require(kind in kinds, f"losses.{name}.kind={kind} is not one of {', '.join(kinds)}")
    for name in KEYS:
        for key, value in losses[name].items():
            if key in NUMBERS:
                require_number(f"losses.{name}.{key}", value, *NUMBERS[key])
            elif key in WHOLE:
                require_whole(f"losses.{name}.{key}", value, *WHOLE[key])
            elif key == "start":
                require_start(f"losses.{name}.start", value)
    identity = losses["identity"]
    require(
        identity["weight"] == 0 or identity["truth"] + identity["reference"] > 0,
        "losses.identity: one of truth and reference must be above 0, or weight=0",
    )
    require(identity["share"] > 0, f"losses.identity.share={identity['share']} is no share, above 0 to 1")


class Objective:
    """The losses of generator and discriminators.

    The frozen networks are kept here, outside of the module tree: neither saved, nor synchronised, nor trained.

    Args:
        losses: options by loss, as in ``conf/losses``; other names are of losses that installed packages declare.
        identity_network: needed where the identity loss has a weight.
        teacher: a frozen generator, needed where distillation has a weight.

    Raises:
        TwoFaceError: options that are not known, a loss without its network, weights that cannot be had.
    """

    def __init__(
        self,
        losses: dict[str, dict[str, Any]],
        identity_network: IdentityNetwork | None,
        teacher: Generator | None = None,
    ) -> None:
        check_losses(losses)
        self.losses = losses
        own = {name: options for name, options in losses.items() if name not in KEYS}
        self.own = {name: build_own_loss(name, options, tuple(KEYS)) for name, options in own.items()}
        self.identity_network = identity_network if losses["identity"]["weight"] > 0 else None
        require(
            losses["identity"]["weight"] == 0 or identity_network is not None,
            "the identity loss has a weight but there is no identity network; "
            "choose identity=facenet or set losses.identity.weight=0",
        )
        self.teacher = teacher if losses["distillation"]["weight"] > 0 else None
        require(
            losses["distillation"]["weight"] == 0 or teacher is not None,
            "losses.distillation has a weight but no teacher; give losses.distillation.teacher=<checkpoint or .onnx "
            "file>, or weight=0",
        )
        perceptual = losses["perceptual"]
        self.vgg = None
        if perceptual["weight"] > 0:
            try:
                self.vgg = FrozenVGG16(perceptual["vgg_weights"], perceptual["vgg_preprocess"])
            except TwoFaceError as error:
                raise TwoFaceError(f"{error}; or do without: losses.perceptual.weight=0") from None
            self.vgg.to(memory_format=torch.channels_last)

    @property
    def adversary(self) -> bool:
        weights = self.losses["adversarial"]
        return weights["global_weight"] > 0 or weights["local_weight"] > 0

    def begun(self, loss: str, batch: int, share: float) -> bool:
        """Whether a loss counts yet: in batch number ``batch``, with ``share`` of the training done."""
        start = self.losses[loss].get("start", 0)
        return bool((share if isinstance(start, float) else batch) >= start)

    def to(self, device: torch.device) -> None:
        for network in (self.identity_network, self.vgg, self.teacher, *self.own.values()):
            if isinstance(network, nn.Module):
                network.to(device)

    def discriminator_parts(
        self, discriminators: Discriminators, real: Tensor, filled: Tensor, mask: Tensor, batch: int
    ) -> Parts:
        """Losses of the discriminators for real pictures and detached fills, (N, 3, H, W) each, of batch ``batch``."""
        options = self.losses["adversarial"]
        regularised = options["r1_weight"] > 0 and batch % options["r1_every"] == 0
        views = discriminators.views(real, mask)
        if regularised:  # by each one's own view: RoIAlign has no second derivative
            views = (views[0].detach().requires_grad_(), views[1].detach().requires_grad_())
        real_logits, fake_logits = discriminators.judge(views), discriminators(filled, mask)
        parts: Parts = {
            name: (options["discriminator_weight"], discriminator_loss(of_real, of_fake, options["kind"]))
            for name, of_real, of_fake in zip(("global", "local"), real_logits, fake_logits, strict=True)
        }
        if regularised:
            parts["r1"] = (options["r1_weight"] * options["r1_every"], r1_penalty(real_logits, views))
        return parts

    def generator_parts(
        self,
        discriminators: Discriminators | None,
        filled: Tensor,
        photo: Tensor,
        references: Tensor,
        mask: Tensor,
        random: torch.Generator,
        batch: int,
        share: float,
    ) -> Parts:
        """Losses of a fill that count yet.

        Args:
            discriminators: or None before they have a say.
            filled, photo: (N, 3, H, W).
            references: (N, R, 3, H, W).
            mask: (N, 1, H, W).
            random: draws the views that the identity network gets, on the CPU.
            batch, share: its number, and how much of the training is done before it.
        """
        options = self.losses["reconstruction"]
        loss = reconstruction_loss(filled, photo, mask, options["kind"], options["rim_weight"], options["rim_width"])
        parts: Parts = {"reconstruction": (options["weight"], loss)}
        if self.vgg is not None and self.begun("perceptual", batch, share):
            perceptual = self.losses["perceptual"]
            boxes = hole_boxes(mask, perceptual["margin"])
            boxes = close_ups(boxes, perceptual["size"], perceptual["close_ups"], random)
            of_fill, of_truth = (crop(picture, boxes, perceptual["size"]) for picture in (filled, photo))
            parts["perceptual"] = (perceptual["weight"], perceptual_loss(of_fill, of_truth, self.vgg.layers))
        if discriminators is not None:
            adversarial = self.losses["adversarial"]
            logits = discriminators(filled, mask)
            for name, of_fake in zip(("global", "local"), logits, strict=True):
                parts[f"adversarial_{name}"] = (
                    adversarial[f"{name}_weight"],
                    generator_loss(of_fake, adversarial["kind"]),
                )
        if self.identity_network is not None and self.begun("identity", batch, share):
            parts |= self._identity(filled, photo, references, random, self.identity_network)
        if self.teacher is not None and self.begun("distillation", batch, share):
            distillation = self.losses["distillation"]
            with torch.no_grad():
                taught = self.teacher(photo * (1 - mask), mask, references)
            loss = reconstruction_loss(filled, taught, mask, distillation["kind"])
            parts["distillation"] = (distillation["weight"], loss)
        for name, loss_of in self.own.items():
            if self.losses[name]["weight"] > 0 and self.begun(name, batch, share):
                parts[name] = (self.losses[name]["weight"], value_of(name, loss_of, filled, photo, references, mask))
        return parts

    def _identity(
        self, filled: Tensor, photo: Tensor, references: Tensor, random: torch.Generator, network: IdentityNetwork
    ) -> Parts:
        options = self.losses["identity"]
        count = math.ceil(options["share"] * len(filled))  # a batch is shuffled: its first photos are any
        filled, photo, references = filled[:count], photo[:count], references[:count]
        if options["hardened"]:
            state = random.get_state()
            filled = random_view(filled, random)
            photo = random_view(photo, random.set_state(state))
        embedding = network(filled)
        parts: Parts = {}
        with torch.no_grad():
            of_truth = network(photo) if options["truth"] > 0 else None
            seen = references.shape[1] if options["reference"] > 0 else 0
            of_references = [network(references[:, number]) for number in range(seen)]
        if of_truth is not None:
            parts["identity_truth"] = (
                options["weight"] * options["truth"],
                identity_loss(embedding, of_truth, options["kind"]),
            )
        if of_references:
            each = [identity_loss(embedding, other, options["kind"]) for other in of_references]
            parts["identity_reference"] = (options["weight"] * options["reference"], torch.stack(each).mean())
        return parts


def weighted_sum(parts: Parts) -> Tensor:
    """The one number to minimise."""
    return torch.stack([weight * loss.float() for weight, loss in parts.values()]).sum()
