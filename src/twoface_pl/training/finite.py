"""A number that is not finite ends a training before it spoils a checkpoint."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from twoface_pl.errors import require
from twoface_pl.networks.weights import check_weights


def largest_of_processes(values: Tensor) -> Tensor:
    """Each value's largest over all processes, in place; as it is where there is one process."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(values, op=torch.distributed.ReduceOp.MAX)
    return values


def _refuse(batch: int, names: list[str], broken: Tensor) -> None:
    for name, is_broken in zip(names, broken.tolist(), strict=True):
        require(
            not is_broken,
            f"the loss {name} of batch {batch} is not finite (NaN or infinite), so the training ends; where the "
            "data and files of weights are in order, lower optimizer.generator_lr and optimizer.discriminator_lr, "
            "or leave half precision (precision=fp32)",
        )


class LossWatch:
    """Looks at the losses of every batch; all processes come to the same answer.

    On a GPU reading a loss back would make the processor wait for all that is queued there. So flags are copied while
    it works, and looked at when the next batch begins; what that one step spoils is never saved.
    """

    def __init__(self) -> None:
        self._copied: list[tuple[int, list[str], Tensor, torch.cuda.Event]] = []

    def settle(self) -> None:
        """Look at what was copied during the batch before.

        Raises:
            TwoFaceError: a loss of it was not finite.
        """
        copied, self._copied = self._copied, []
        for batch, names, broken, there in copied:
            there.synchronize()
            _refuse(batch, names, broken)

    def look(self, batch: int, losses: dict[str, Tensor]) -> None:
        """Look at losses before their backward pass.

        Raises:
            TwoFaceError: one is not finite, in any process.
        """
        names = list(losses)
        broken = torch.stack([(~torch.isfinite(loss.detach())).float() for loss in losses.values()])
        broken = largest_of_processes(broken)
        if not broken.is_cuda:
            _refuse(batch, names, broken)
            return
        on_cpu, there = broken.to("cpu", non_blocking=True), torch.cuda.Event()
        there.record()
        self._copied.append((batch, names, on_cpu, there))


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
