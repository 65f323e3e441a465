"""The LightningModule: generator, global and local discriminator, and their losses."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from torch import Tensor

from twoface_pl.data.triples import Triple
from twoface_pl.errors import require
from twoface_pl.networks.build import build_generator
from twoface_pl.networks.discriminators import build_discriminators
from twoface_pl.networks.generator import Generator
from twoface_pl.networks.identity import IdentityNetwork
from twoface_pl.networks.options import require_number, require_whole
from twoface_pl.networks.tensors import to_float, to_uint8
from twoface_pl.training.average import MovingAverage
from twoface_pl.training.collapse import CollapseWatch
from twoface_pl.training.figures import FIGURES, validation_figures
from twoface_pl.training.finite import STOP, FiniteWatch, check_before_saving
from twoface_pl.training.objective import Objective, Parts, weighted_sum
from twoface_pl.training.optimizers import OptimizerOptions
from twoface_pl.training.processes import mean_of_processes

log = logging.getLogger(__name__)

LEAST_MINUTES = 0.01
BEGUN = ", begun from "  # in a run's name, before the run that its first weights are of
NETWORKS = ("generator", "discriminator")  # in the order of their optimizers


class InpaintingModule(L.LightningModule):
    """Trains the generator against its discriminators by manual optimisation.

    Batches are counted in ``batches_done``: Lightning's own step counter advances at each of the two
    optimizers' steps.

    Args:
        generator: options of :func:`build_generator`.
        discriminator: options of :func:`build_discriminators`; unused where both adversarial weights are 0.
        losses: options by loss, as :class:`Objective` takes them.
        optimizer: options of :class:`OptimizerOptions`.
        facts: ``{image_size, frame, mask, batch_size, devices, run}``, written into checkpoints; all but
            batch_size and devices into exports.
        identity_network, teacher: frozen, as :class:`Objective` takes them; their weights stay out of checkpoints.
        without_reference: share of batches in which the generator gets no reference, if it can do without.
        channels_last: memory format; faster on CPUs and on GPUs with AMP.
        log_every: batches between logged losses.
        ema: decay of the generator's :class:`MovingAverage`, which is then what fills in validations and is read from
            checkpoints; None: there is none.
        compiled: run the trained networks through ``torch.compile``.
        not_finite: what to do with a loss or gradient that is not finite: ``stop``, or ``skip`` it and count.
        collapse_after: batches in a row without anything to learn from a discriminator, after which the training ends.
        max_minutes: over resumes and validations, at whose end the rates are zero; None: no limit.

    Raises:
        TwoFaceError: options that are not known, a loss without the network it needs.
    """

    def __init__(
        self,
        generator: dict[str, Any],
        discriminator: dict[str, Any],
        losses: dict[str, Any],
        optimizer: dict[str, Any],
        facts: dict[str, Any],
        identity_network: IdentityNetwork | None = None,
        teacher: Generator | None = None,
        without_reference: float = 0.0,
        channels_last: bool = True,
        log_every: int = 20,
        ema: float | None = None,
        compiled: bool = False,
        not_finite: str = STOP,
        collapse_after: int | None = None,
        max_minutes: float | None = None,
    ) -> None:
        super().__init__()
        self.optimizer_options = OptimizerOptions.build(optimizer)
        require_number("references.none", without_reference, 0, 1)
        require_whole("log_every", log_every, 1)
        if max_minutes is not None:
            require_number("max_minutes", max_minutes, LEAST_MINUTES)
        self.save_hyperparameters(ignore=["identity_network", "teacher"])
        self.automatic_optimization = False
        self.without_reference = without_reference
        self.log_every = log_every
        self.batches_done = 0
        self.seconds_before = 0.0  # of training, before this process took over
        self.started = time.monotonic()
        self.max_minutes = max_minutes
        self.clock = 0.0  # seconds that it has taken, as all processes have agreed before this batch
        self.max_batches, self.share = 0, 0.0  # in all, 0 where nobody has said; done of it at this step's first batch
        self.batches_saved: int | None = None  # in the last checkpoint that was written here
        self.validation_due = False  # of these batches, where a signal came in between
        self.reached: dict[str, float] | None = None  # the figures to stop at, once they were
        self.finite, self.skipped_before = FiniteWatch(not_finite), 0  # batches left out before this process took over
        self.gradient_norms: dict[int, Tensor] = {}  # of the last step, by the optimizer's number
        # A tensor, not a number: reading it back at each step would stall a GPU.
        self.broken_photos = torch.tensor(0)
        self.generator = build_generator(generator)
        self.objective = Objective(losses, identity_network, teacher)
        self.discriminators = build_discriminators(discriminator) if self.objective.adversary else None
        self.collapse = CollapseWatch(losses["adversarial"]["kind"], collapse_after)
        if self.discriminators is not None:
            self.discriminators.check(facts["image_size"])
        self.finite.check(self)
        if channels_last:
            self.to(memory_format=torch.channels_last)
        self.average = None if ema is None else MovingAverage(self.generator, ema)
        require(isinstance(compiled, bool), f"compile={compiled} is neither true nor false")
        if compiled:  # what the discriminators make of real pictures, differentiated twice, stays as it is
            for network in (self.generator, self.discriminators):
                if network is not None:
                    network.compile()

    def configure_optimizers(self) -> Sequence[torch.optim.Optimizer]:
        return self.optimizer_options.optimizers(self.generator, self.discriminators)

    def on_fit_start(self) -> None:
        self.objective.to(self.device)
        self.started = time.monotonic()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["batches_done"] = self.batches_done
        checkpoint["broken_photos"] = int(self.broken_photos)
        checkpoint["seconds"] = self.seconds
        checkpoint["validation_due"] = self.validation_due
        checkpoint["reached"] = self.reached
        checkpoint["batches_skipped"] = self.batches_skipped
        check_before_saving(checkpoint, self.batches_done)
        self.batches_saved = self.batches_done

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.batches_done = checkpoint["batches_done"]
        self.broken_photos = torch.tensor(0 if self.global_rank else checkpoint.get("broken_photos", 0))
        self.seconds_before = self.clock = checkpoint.get("seconds", 0.0)
        self.validation_due = checkpoint.get("validation_due", False)
        self.skipped_before = checkpoint.get("batches_skipped", 0)

    @property
    def batches_skipped(self) -> int:
        """Batches of which something was left out, over resumes."""
        return self.skipped_before + len(self.finite.skipped)

    @property
    def seconds(self) -> float:
        """How long the training has taken, over resumes, validations included."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def time_used(self) -> float:
        """The share of ``max_minutes`` that has passed, by the common clock; 0 where there is no limit."""
        return 0.0 if self.max_minutes is None else self.clock / (60 * self.max_minutes)

    def _used_references(self, references: Tensor, random: torch.Generator) -> Tensor:
        """As many of the references as this batch is to see: any number, now and then none."""
        if self.generator.only_references is not None:
            return references
        drawn = torch.rand(2, generator=random).tolist()
        if drawn[0] < self.without_reference:
            return references[:, :0]
        return references[:, : 1 + int(drawn[1] * references.shape[1])]

    def training_step(self, batch: Triple, batch_idx: int) -> None:
        # Of its own seed at each batch, so that a training that goes on draws as one that never stopped.
        random = torch.Generator().manual_seed(self.batches_done)
        self.finite.settle()
        photo, references, real = (to_float(batch[key]) for key in ("photo", "references", "real"))
        references = self._used_references(references, random)
        mask = batch["mask"][:, None].to(photo.dtype)
        self._set_rates()
        share = self.share
        filled = self.generator(photo * (1 - mask), mask, references)
        logged: dict[str, Tensor] = {}
        opponents = self.discriminators if self.objective.begun("adversarial", self.batches_done, share) else None
        if opponents is not None:
            parts = self.objective.discriminator_parts(opponents, real, filled.detach(), mask, self.batches_done)
            weights = self.objective.losses["adversarial"]
            self.collapse.look({name: parts[name][1] for name in ("global", "local") if weights[f"{name}_weight"] > 0})
            logged |= self._learn(1, parts)
        optimizer = self._optimizers()[0]
        self.toggle_optimizer(optimizer)  # no gradients for the discriminators
        given = filled, photo, references, mask, random, self.batches_done, share
        parts = self.objective.generator_parts(opponents, *given)
        logged |= self._learn(0, parts)
        self.untoggle_optimizer(optimizer)
        self.batches_done += 1
        if self.average is not None and self.at_step:
            self.average.follow(self.generator, self.batches_done // self.optimizer_options.accumulate - 1)
        self.broken_photos = self.broken_photos.to(self.device) + torch.as_tensor(batch["broken"]).sum()
        if self.batches_done % self.log_every == 0:
            self.collapse.settle(self.batches_done)
            self._log(logged)

    def _log(self, logged: dict[str, Tensor]) -> None:
        if self.logger is not None:
            logged["data/broken_photos"] = self.broken_photos * self.trainer.world_size  # of all: the mean is logged
            if self.finite.skips:
                logged["data/skipped_batches"] = torch.tensor(self.batches_skipped)
            for network, optimizer in zip(NETWORKS, self._optimizers(), strict=False):
                logged[f"{network}/rate"] = torch.tensor(optimizer.param_groups[0]["lr"])
            means = mean_of_processes(
                torch.stack([value.detach().float().to(self.device) for value in logged.values()])
            )
            figures = dict(zip(logged, means.tolist(), strict=True))
            self.logger.log_metrics(figures, step=self.batches_done)

    @property
    def at_step(self) -> bool:
        """Whether no gradients wait for batches that are to come."""
        return self.batches_done % self.optimizer_options.accumulate == 0

    def _set_rates(self) -> None:
        """This batch's learning rates, from the options and the batches done: a resume brings none of its own."""
        options = self.optimizer_options
        if self.at_step:
            of_batches = self.batches_done / self.max_batches if self.max_batches else 0.0
            self.share = min(1.0, max(of_batches, self.time_used))
        factor = options.factor(self.batches_done, self.time_used)
        for optimizer, rate in zip(self._optimizers(), (options.generator_lr, options.discriminator_lr), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = factor * rate

    def _optimizers(self) -> list[Any]:
        found = self.optimizers()
        return found if isinstance(found, list) else [found]

    def _learn(self, number: int, parts: Parts) -> dict[str, Tensor]:
        """A batch's gradients for the generator (0) or the discriminators (1), and where they are enough a step; gives
        the losses by their full names.

        Raises:
            NotFiniteError: a loss or gradient is not finite.
        """
        network, accumulate = NETWORKS[number], self.optimizer_options.accumulate
        total = weighted_sum(parts)
        losses = {f"{network}/{name}": loss.detach() for name, (_, loss) in parts.items()}
        losses[f"{network}/total"] = total.detach()
        optimizer = self._optimizers()[number]
        if self.at_step:
            optimizer.zero_grad()
        if not self.finite.is_broken(
            self.batches_done + 1, {f"the loss {name}": loss for name, loss in losses.items()}
        ):
            self.manual_backward(total / accumulate)
        if (self.batches_done + 1) % accumulate == 0 and any(
            weight.grad is not None for weight in self._weights(number)
        ):
            optimizer.step()
        if number in self.gradient_norms:
            losses[f"{network}/gradient_norm"] = self.gradient_norms[number]
        return losses

    def _weights(self, number: int) -> Iterator[torch.nn.Parameter]:
        network = (self.generator, self.discriminators)[number]
        assert network is not None
        return network.parameters()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients as they are, without the scale of half precision: measured, and shortened if too long."""
        number = self.trainer.optimizers.index(optimizer)
        weights = [weight for weight in self._weights(number) if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
        # With float16's scale an infinite gradient is ordinary: that step is left out, and the scale falls.
        named = {f"the gradient of the {NETWORKS[number]}": norm}
        if self.trainer.precision != "16-mixed" and self.finite.is_broken(
            self.batches_done + 1, named, self.optimizer_options.accumulate
        ):
            optimizer.zero_grad()
            return
        if self.optimizer_options.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(weights, self.optimizer_options.clip, norm)
        self.gradient_norms[number] = norm

    @torch.no_grad()
    def fill(self, batch: Triple, references_key: str = "references") -> np.ndarray:
        """The generator's fills of a batch, as uint8 (N, H, W, 3)."""
        photo = to_float(batch["photo"])
        mask = batch["mask"][:, None].to(photo.dtype)
        generator = self.generator if self.average is None else self.average.module
        return to_uint8(generator(photo * (1 - mask), mask, to_float(batch[references_key])))  # type: ignore

    def validation_step(self, batch: Triple, batch_idx: int) -> None:
        self.broken_photos = self.broken_photos.to(self.device) + torch.as_tensor(batch["broken"]).sum()
        filled = self.fill(batch)
        from_wrong = self.fill(batch, "wrong_references") if "wrong_references" in batch else None
        try:
            values = validation_figures(batch, filled, from_wrong)
        except Exception as error:  # whatever a metric's library raises: no figure is worth a training
            log.warning("a validation figure failed, the training goes on: %s: %s", type(error).__name__, error)
            values = dict.fromkeys(FIGURES, math.nan)
        self.log_dict(values, batch_size=len(batch["photo"]), sync_dist=True, logger=False)
