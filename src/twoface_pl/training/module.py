"""The LightningModule: generator, global and local discriminator, and their losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from torch import Tensor

from twoface_pl.data.triples import Triple
from twoface_pl.errors import require
from twoface_pl.evaluation.controls import OPENCV_METHODS, opencv_fill
from twoface_pl.evaluation.metrics import psnr_in_hole, ssim_in_hole
from twoface_pl.losses import adversarial
from twoface_pl.losses.identity import identity_loss
from twoface_pl.losses.reconstruction import reconstruction_loss
from twoface_pl.networks.discriminators import build_discriminators
from twoface_pl.networks.generator import build_generator
from twoface_pl.networks.identity import IdentityNetwork
from twoface_pl.networks.tensors import to_float, to_uint8

FIGURES = (
    "validation/psnr_in_hole",
    "validation/ssim_in_hole",
    "validation/db_above_opencv",
    "validation/db_right_above_wrong_reference",
)


class InpaintingModule(L.LightningModule):
    """Trains the generator against its discriminators by manual optimisation.

    Batches are counted in ``batches_done``: Lightning's own step counter advances at each of the two
    optimizers' steps.

    Args:
        generator: options of :func:`build_generator`.
        discriminator: options of :func:`build_discriminators`; unused where both adversarial weights are 0.
        losses: ``reconstruction {weight, kind}``, ``adversarial {global_weight, local_weight,
            discriminator_weight}``, ``identity {weight, kind, against}``.
        optimizer: ``{generator_lr, discriminator_lr, betas, decay_batches}`` of the two Adams; the
            rates fall to zero along a cosine over ``decay_batches``, or stay where that is None.
        facts: ``{image_size, frame, mask, run}``, written into checkpoints and exports.
        identity_network: frozen; its weights stay out of checkpoints.
        channels_last: memory format; faster on CPUs and on GPUs with AMP.
        log_every: batches between logged losses.

    Raises:
        TwoFaceError: options that are not known, an identity loss without an identity network.
    """

    def __init__(
        self,
        generator: dict[str, Any],
        discriminator: dict[str, Any],
        losses: dict[str, Any],
        optimizer: dict[str, Any],
        facts: dict[str, Any],
        identity_network: IdentityNetwork | None = None,
        channels_last: bool = True,
        log_every: int = 20,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["identity_network"])
        self.automatic_optimization = False
        self.losses = losses
        self.optimizer_options = optimizer
        self.log_every = log_every
        self.batches_done = 0
        # A tensor, not a number: reading it back at each step would stall a GPU.
        self.broken_photos = torch.tensor(0)
        self.generator = build_generator(generator)
        weights = losses["adversarial"]
        adversary = weights["global_weight"] > 0 or weights["local_weight"] > 0
        self.discriminators = build_discriminators(discriminator) if adversary else None
        require(
            losses["identity"]["weight"] == 0 or identity_network is not None,
            "the identity loss has a weight but there is no identity network; "
            "choose identity=facenet or set losses.identity.weight=0",
        )
        against = losses["identity"]["against"]
        require(against in ("truth", "reference"), f"losses.identity.against={against} is not truth or reference")
        # Kept out of the module tree: neither saved, nor synchronised, nor trained.
        object.__setattr__(self, "identity_network", identity_network)
        if channels_last:
            self.to(memory_format=torch.channels_last)

    identity_network: IdentityNetwork | None

    def configure_optimizers(self) -> Sequence[torch.optim.Optimizer]:
        options = self.optimizer_options
        betas = tuple(options["betas"])

        def adam(network: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
            trained = [weight for weight in network.parameters() if weight.requires_grad]
            return torch.optim.Adam(trained, lr=rate, betas=betas)

        optimizers = [adam(self.generator, options["generator_lr"])]
        if self.discriminators is not None:
            optimizers.append(adam(self.discriminators, options["discriminator_lr"]))
        return optimizers

    def on_fit_start(self) -> None:
        if self.identity_network is not None:
            self.identity_network.to(self.device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["batches_done"] = self.batches_done
        checkpoint["broken_photos"] = int(self.broken_photos)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.batches_done = checkpoint["batches_done"]
        self.broken_photos = torch.tensor(checkpoint.get("broken_photos", 0))

    def training_step(self, batch: Triple, batch_idx: int) -> None:
        photo, reference, real = (to_float(batch[key]) for key in ("photo", "reference", "real"))
        mask = batch["mask"][:, None].to(photo.dtype)
        self._set_rates()
        filled = self.generator(photo * (1 - mask), mask, reference)
        logged: dict[str, Tensor] = {}
        if self.discriminators is not None:
            logged |= self._step_discriminators(real, filled.detach(), mask)
        logged |= self._step_generator(filled, photo, reference, mask)
        self.batches_done += 1
        self.broken_photos = self.broken_photos.to(self.device) + torch.as_tensor(batch["broken"]).sum()
        if self.batches_done % self.log_every == 0 and self.logger is not None:
            logged["data/broken_photos"] = self.broken_photos
            figures = {name: float(value) for name, value in logged.items()}
            self.logger.log_metrics(figures, step=self.batches_done)

    def _set_rates(self) -> None:
        """This batch's learning rates, from the options and the batches done: a resume brings none of its own."""
        batches = self.optimizer_options["decay_batches"]
        done = min(1.0, self.batches_done / batches) if batches else 0.0
        factor = (1 + math.cos(math.pi * done)) / 2
        for optimizer, key in zip(self._optimizers(), ("generator_lr", "discriminator_lr"), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = factor * self.optimizer_options[key]

    def _optimizers(self) -> list[Any]:
        found = self.optimizers()
        return found if isinstance(found, list) else [found]

    def _step_discriminators(self, real: Tensor, filled: Tensor, mask: Tensor) -> dict[str, Tensor]:
        assert self.discriminators is not None
        optimizer = self._optimizers()[1]
        self.toggle_optimizer(optimizer)
        real_global, real_local = self.discriminators(real, mask)
        fake_global, fake_local = self.discriminators(filled, mask)
        weights = self.losses["adversarial"]
        loss_global = adversarial.discriminator_loss(real_global, fake_global)
        loss_local = adversarial.discriminator_loss(real_local, fake_local)
        optimizer.zero_grad()
        self.manual_backward(weights["discriminator_weight"] * (loss_global + loss_local))
        optimizer.step()
        self.untoggle_optimizer(optimizer)
        return {
            "discriminator/global": loss_global.detach(),
            "discriminator/local": loss_local.detach(),
        }

    def _step_generator(self, filled: Tensor, photo: Tensor, reference: Tensor, mask: Tensor) -> dict[str, Tensor]:
        optimizer = self._optimizers()[0]
        self.toggle_optimizer(optimizer)
        parts = self._generator_losses(filled, photo, reference, mask)
        total = torch.stack([weight * loss for weight, loss in parts.values()]).sum()
        optimizer.zero_grad()
        self.manual_backward(total)
        optimizer.step()
        self.untoggle_optimizer(optimizer)
        logged = {f"generator/{name}": loss.detach() for name, (_, loss) in parts.items()}
        return {**logged, "generator/total": total.detach()}

    def _generator_losses(
        self, filled: Tensor, photo: Tensor, reference: Tensor, mask: Tensor
    ) -> dict[str, tuple[float, Tensor]]:
        """Weight and value of each part of the generator's loss, by name."""
        reconstruction, adversary, identity = (
            self.losses[key] for key in ("reconstruction", "adversarial", "identity")
        )
        parts = {
            "reconstruction": (
                reconstruction["weight"],
                reconstruction_loss(filled, photo, mask, reconstruction["kind"]),
            )
        }
        if self.discriminators is not None:
            fake_global, fake_local = self.discriminators(filled, mask)
            parts["adversarial_global"] = (adversary["global_weight"], adversarial.generator_loss(fake_global))
            parts["adversarial_local"] = (adversary["local_weight"], adversarial.generator_loss(fake_local))
        if identity["weight"] > 0 and self.identity_network is not None:
            with torch.no_grad():
                against = self.identity_network(photo if identity["against"] == "truth" else reference)
            embedding = self.identity_network(filled)
            parts["identity"] = (identity["weight"], identity_loss(embedding, against, identity["kind"]))
        return parts

    @torch.no_grad()
    def fill(self, batch: Triple, reference_key: str = "reference") -> np.ndarray:
        """The generator's fills of a batch, as uint8 (N, H, W, 3)."""
        photo = to_float(batch["photo"])
        mask = batch["mask"][:, None].to(photo.dtype)
        reference = to_float(batch[reference_key])  # type: ignore[literal-required]
        return to_uint8(self.generator(photo * (1 - mask), mask, reference))

    def validation_step(self, batch: Triple, batch_idx: int) -> None:
        self.broken_photos = self.broken_photos.to(self.device) + torch.as_tensor(batch["broken"]).sum()
        photos, masks = batch["photo"].cpu().numpy(), batch["mask"].cpu().numpy()
        filled = self.fill(batch)
        psnr = psnr_in_hole(filled, photos, masks)
        wrong = psnr_in_hole(self.fill(batch, "wrong_reference"), photos, masks)
        opencv = [psnr_in_hole(opencv_fill(photos, masks, method), photos, masks).mean() for method in OPENCV_METHODS]
        values = (
            psnr.mean(),
            ssim_in_hole(filled, photos, masks).mean(),
            psnr.mean() - max(opencv),
            (psnr - wrong).mean(),
        )
        self.log_dict(
            {name: float(value) for name, value in zip(FIGURES, values, strict=True)},
            batch_size=len(photos),
            sync_dist=True,
            logger=False,
        )
