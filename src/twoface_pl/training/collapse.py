"""A discriminator that tells every picture apart teaches nothing any more: the training says so and ends."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.options import require_whole
from twoface_pl.training.processes import largest_of_processes

OF_A_GUESS = {"non_saturating": 2 * math.log(2), "hinge": 2.0, "least_squares": 0.25}  # loss of logits without a clue
SHARE = 1e-3  # of that loss, below which nothing is left to learn from


class CollapseWatch:
    """Counts the batches in a row in which a discriminator's loss is next to nothing.

    Args:
        kind: of the adversarial loss.
        patience: batches in a row after which the training ends; None: it never does.

    Raises:
        TwoFaceError: a patience that is none.
    """

    def __init__(self, kind: str, patience: int | None) -> None:
        if patience is not None:
            require_whole("collapse_after", patience, 1)
        self.patience = patience
        self._least = SHARE * OF_A_GUESS[kind]
        self._in_a_row: dict[str, Tensor] = {}  # on the losses' device: a GPU is asked for them at each log alone

    def look(self, losses: dict[str, Tensor]) -> None:
        """Take in a batch's losses, by discriminator."""
        for name, loss in losses.items():
            before = self._in_a_row.get(name, torch.zeros((), device=loss.device))
            self._in_a_row[name] = torch.where(loss.detach() < self._least, before + 1, 0.0)

    def settle(self, batch: int) -> None:
        """Look at the counts, as after a batch; all processes come to the same answer.

        Raises:
            TwoFaceError: one has reached the patience.
        """
        if self.patience is None or not self._in_a_row:
            return
        counts = largest_of_processes(-torch.stack(list(self._in_a_row.values())))  # of the least sure process
        for name, count in zip(self._in_a_row, (-counts).tolist(), strict=True):
            if count >= self.patience:
                raise TwoFaceError(
                    f"the discriminator has collapsed: its loss discriminator/{name} has been next to nothing for "
                    f"{count:.0f} batches at batch {batch}, so the generator learns nothing from it; lower "
                    "optimizer.discriminator_lr, give losses.adversarial.r1_weight, or go on with collapse_after=null"
                )
