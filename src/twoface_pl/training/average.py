"""The generator's moving average: steadier weights than the last step's, and what is kept of a training."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from twoface_pl.networks.options import require_number

BELOW_ONE = 0.9999999
EAGER = 9  # at first it forgets faster: a short training is not an average of its beginning


class MovingAverage(nn.Module):
    """A copy of a network that follows it, step by step; never trained itself.

    torch's ``AveragedModel`` reads its count of steps back at each of them, for which a GPU would have to wait.

    Args:
        network: its buffers count too; those that are no floats are copied.
        decay: an average over about 1 / (1 - decay) steps.

    Raises:
        TwoFaceError: a decay that is none.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        require_number("ema", decay, 0, BELOW_ONE)
        self.decay = decay
        self.module = deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def follow(self, network: nn.Module, steps: int) -> None:
        """Take in a network after a step, ``steps`` before it; after the first it is a copy."""
        share = 1 - min(self.decay, steps / (EAGER + steps))
        averages, currents = self.module.state_dict(), network.state_dict()
        floats = [name for name, value in currents.items() if value.is_floating_point()]
        torch._foreach_lerp_([averages[name] for name in floats], [currents[name] for name in floats], share)
        for name in currents.keys() - set(floats):
            averages[name].copy_(currents[name])
