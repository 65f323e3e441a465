"""What the processes of one training tell each other, beside their gradients."""

from __future__ import annotations

import torch
from torch import Tensor


def _several() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def largest_of_processes(values: Tensor) -> Tensor:
    """Each value's largest over all processes, in place; as it is where there is one process."""
    if _several():
        torch.distributed.all_reduce(values, op=torch.distributed.ReduceOp.MAX)
    return values


def mean_of_processes(values: Tensor) -> Tensor:
    """Each value's mean over all processes, in place."""
    if _several():
        torch.distributed.all_reduce(values)
        values /= torch.distributed.get_world_size()
    return values


def agree(values: Tensor) -> bool:
    """Whether all processes have the same values."""
    return torch.equal(largest_of_processes(values.clone()), -largest_of_processes(-values))
