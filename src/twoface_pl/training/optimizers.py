"""What the optimizers are told: which they are, their rates batch by batch, what makes a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Self

import torch
from torch import nn

from twoface_pl.errors import require
from twoface_pl.networks.options import require_number, require_whole
from twoface_pl.training.muon import Muon

KINDS = ("adam", "muon")  # of the generator's
SCHEDULES = ("cosine", "constant", "steps")
BELOW_ONE = 0.999999  # of a beta
HIGHEST_RATE = 1e30  # beyond it a step is no float32


@dataclass(frozen=True)
class OptimizerOptions:
    """The two optimizers, one of the generator and one of the discriminators.

    Args:
        kind: the generator's, ``adam`` or ``muon`` (:class:`Muon`); the discriminators' is Adam.
        generator_lr: its learning rate at the schedule's top.
        discriminator_lr: theirs.
        betas: Adam's moment decays.
        schedule: ``cosine``, to zero over ``decay_batches``, or before, when the training's time is up; ``constant``;
            ``steps``, times ``step_factor`` after each of ``step_batches``.
        warm_up: batches in which the rates rise to the schedule's.
        decay_batches: of the cosine.
        step_batches: of the steps.
        step_factor: of the steps.
        accumulate: batches whose gradients' mean makes one step.
        clip: the largest norm of a network's gradients in a step, longer ones are scaled to it; None: as they come.

    Raises:
        TwoFaceError: a value that is not possible, by its name.
    """

    kind: str
    generator_lr: float
    discriminator_lr: float
    betas: tuple[float, float]
    schedule: str = "constant"
    warm_up: int = 0
    decay_batches: int | None = None
    step_batches: tuple[int, ...] = ()
    step_factor: float = 0.1
    accumulate: int = 1
    clip: float | None = None

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> Self:
        """From a config's values."""
        require(isinstance(options, Mapping), f"optimizer={options} is no set of options")
        known = {field.name: field.default is MISSING for field in fields(cls)}
        for key in options:
            require(key in known, f"optimizer.{key} is not known")
        for key, needed in known.items():
            require(not needed or key in options, f"optimizer.{key} is missing")
        schedule = "cosine" if options.get("decay_batches") else "constant"
        return cls(**{"schedule": schedule, **options})

    def __post_init__(self) -> None:
        require(self.kind in KINDS, f"optimizer.kind={self.kind} is not one of {', '.join(KINDS)}")
        require(self.schedule in SCHEDULES, f"optimizer.schedule={self.schedule} is not one of {', '.join(SCHEDULES)}")
        for name in ("generator_lr", "discriminator_lr"):
            require_number(f"optimizer.{name}", getattr(self, name), 0, HIGHEST_RATE)
        is_pair = isinstance(self.betas, list | tuple) and len(self.betas) == 2
        require(is_pair, f"optimizer.betas={self.betas} is not two numbers")
        for beta in self.betas:
            require_number("optimizer.betas: each", beta, 0, BELOW_ONE)
        self._check_schedule()
        require_whole("optimizer.accumulate", self.accumulate, 1)
        if self.clip is not None:
            require_number("optimizer.clip", self.clip, 0, HIGHEST_RATE)
            require(self.clip > 0, "optimizer.clip=0 lets nothing be learned; null leaves gradients as they come")

    def _check_schedule(self) -> None:
        require_whole("optimizer.warm_up", self.warm_up, 0)
        if self.decay_batches is not None:
            require_whole("optimizer.decay_batches", self.decay_batches, 1)
        has_end = self.schedule != "cosine" or self.decay_batches is not None
        require(has_end, "optimizer.schedule=cosine needs decay_batches; or give optimizer.schedule=constant")
        steps = self.step_batches
        require(isinstance(steps, list | tuple), f"optimizer.step_batches={steps} is no list")
        for batch in steps:
            require_whole("optimizer.step_batches: each", batch, 1)
        require(list(steps) == sorted(set(steps)), f"optimizer.step_batches={list(steps)} do not rise")
        has_steps = self.schedule != "steps" or len(steps) > 0
        require(has_steps, "optimizer.schedule=steps needs step_batches, such as [10000,15000]")
        require_number("optimizer.step_factor", self.step_factor, 0, 1)

    def factor(self, batches_done: int, of_time: float = 0.0) -> float:
        """What the rates are times, in the batch after so many: a resume needs nothing else.

        Args:
            batches_done: before this one.
            of_time: the share of the training's time that it has had; 0 where there is no limit.
        """
        rise = min(1.0, (batches_done + 1) / (self.warm_up + 1))
        if self.schedule == "steps":
            return rise * self.step_factor ** sum(batches_done >= batch for batch in self.step_batches)
        if self.schedule == "constant":
            return rise
        of_batches = 0.0 if self.decay_batches is None else batches_done / self.decay_batches
        return rise * (1 + math.cos(math.pi * min(1.0, max(of_batches, of_time)))) / 2

    def optimizers(self, generator: nn.Module, discriminators: nn.Module | None) -> list[torch.optim.Optimizer]:
        """The generator's, and the discriminators' where there are some."""
        first, second = self.betas
        betas = (first, second)

        def adam(network: nn.Module, rate: float) -> torch.optim.Optimizer:
            trained = [weight for weight in network.parameters() if weight.requires_grad]
            return torch.optim.Adam(trained, lr=rate, betas=betas)

        made: list[torch.optim.Optimizer] = [
            Muon(generator, self.generator_lr, betas) if self.kind == "muon" else adam(generator, self.generator_lr)
        ]
        if discriminators is not None:
            made.append(adam(discriminators, self.discriminator_lr))
        return made
