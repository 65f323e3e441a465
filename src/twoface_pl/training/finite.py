"""A number that is not finite ends a training before it spoils a checkpoint, or is left out and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.networks.weights import check_weights
from twoface_pl.training.processes import largest_of_processes

STOP, SKIP = "stop", "skip"
MOST_IN_A_ROW = 20  # batches left out, after which more would not help


class NotFiniteError(TwoFaceError):
    """A loss or gradient of a batch that is not finite.

    Args:
        batch: its number.
        what: is not finite, as ``the loss generator/total``.
        more: said before the advice.
    """

    def __init__(self, batch: int, what: str, more: str = "") -> None:
        super().__init__(
            f"{what} of batch {batch} is not finite (NaN or infinite){more}, so the training ends; where the data and "
            "files of weights are in order, lower optimizer.generator_lr and optimizer.discriminator_lr, give "
            "optimizer.clip, or leave half precision (precision=fp32)"
        )
        self.batch = batch
        self.kept: Path | None = None  # where the batch can be looked at


class FiniteWatch:
    """Looks at the losses and gradients of every batch; all processes come to the same answer.

    On a GPU reading them back would make the processor wait for all that is queued there. So flags are copied while
    it works, and looked at when the next batch begins; what that one step spoils is never saved. Leaving batches out
    cannot wait.

    Args:
        when_not: ``stop`` or ``skip``.

    Raises:
        TwoFaceError: neither.
    """

    def __init__(self, when_not: str) -> None:
        require(when_not in (STOP, SKIP), f"not_finite={when_not} is neither {STOP} nor {SKIP}")
        self.skips = when_not == SKIP
        self.skipped: set[int] = set()  # numbers of batches of which something was left out, in this process
        self._copied: list[tuple[int, list[str], Tensor, torch.cuda.Event]] = []

    def check(self, network: nn.Module) -> None:
        """Refuse to leave batches out where they are remembered nevertheless.

        Raises:
            TwoFaceError: a network with batch normalisation, whose statistics one bad batch spoils.
        """
        normalised = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
        told = (
            "not_finite=skip: a bad batch stays in the statistics of batch normalisation (generator=seed); stop instead"
        )
        require(not (self.skips and normalised), told)

    def settle(self) -> None:
        """Look at what was copied during the batch before.

        Raises:
            NotFiniteError: something of it was not finite.
        """
        copied, self._copied = self._copied, []
        for batch, names, broken, there in copied:
            there.synchronize()
            self._judge(batch, names, broken)

    def is_broken(self, batch: int, values: dict[str, Tensor], batches: int = 1) -> bool:
        """Look at values before anything is made of them: whether to leave them out.

        Args:
            batch: its number.
            values: by what they are.
            batches: up to this one, that they are of.

        Raises:
            NotFiniteError: one is not finite, in any process, and the training is to stop; or is too often not.
        """
        broken = torch.stack([(~torch.isfinite(value.detach())).float() for value in values.values()])
        broken = largest_of_processes(broken)
        if not broken.is_cuda or self.skips:
            return self._judge(batch, list(values), broken, batches)
        on_cpu, there = broken.to("cpu", non_blocking=True), torch.cuda.Event()
        there.record()
        self._copied.append((batch, list(values), on_cpu, there))
        return False

    def _judge(self, batch: int, names: list[str], broken: Tensor, batches: int = 1) -> bool:
        found = next((name for name, is_broken in zip(names, broken.tolist(), strict=True) if is_broken), None)
        if found is None:
            return False
        if not self.skips:
            raise NotFiniteError(batch, found)
        self.skipped.update(range(batch - batches + 1, batch + 1))
        if self.skipped.issuperset(range(batch - MOST_IN_A_ROW, batch + 1)):
            raise NotFiniteError(batch, found, f", and so were those of the {MOST_IN_A_ROW} batches before")
        return True


def check_before_saving(checkpoint: dict[str, Any], batches: int) -> None:
    """Refuse to save a training whose weights, or what an optimizer keeps of them, are not finite.

    Raises:
        TwoFaceError: names the first.
    """
    kept = {
        f"optimizer's {key} of weight {weight}": value
        for optimizer in checkpoint["optimizer_states"]
        for weight, state in optimizer["state"].items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }
    for weights in (checkpoint["state_dict"], kept):
        check_weights(weights, f"the training after {batches} batches, which is not saved")
