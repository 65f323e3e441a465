"""Muon, for the weights of hidden layers: a step of the same length in every direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
SWEEPS = 5  # of Newton and Schulz
QUINTIC = (3.4445, -4.7750, 2.0315)  # its coefficients, chosen for speed: singular values end near 1, not at it
LIKE_ADAM = 0.2  # root mean square of an update, as Adam's has it, so that one learning rate serves both
SMALLEST = 16  # rows and columns of a matrix worth it


def orthogonalised(matrix: Tensor) -> Tensor:
    """(rows, columns) with the same singular vectors and all singular values near 1."""
    a, b, c = QUINTIC
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    with torch.autocast(matrix.device.type, enabled=False):
        wide = wide / wide.norm().clamp(min=1e-7)
        for _ in range(SWEEPS):
            gram = wide @ wide.T
            wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


def hidden_weights(network: nn.Module) -> list[Tensor]:
    """The trained weights of large layers between a network's first and its last; convolutions count as matrices."""
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    weights = [layer.weight for layer in layers[1:-1] if layer.weight.requires_grad]
    return [weight for weight in weights if min(weight.flatten(1).shape) >= SMALLEST]


class Muon(torch.optim.Adam):
    """Momentum whose update is orthogonalised, a matrix a layer (Jordan et al. 2024; scaled as Liu et al. 2025);
    Adam for what is no large matrix.

    torch's own takes matrices only, and computes in bfloat16: a step takes 12 to 21 times as long on a CPU without
    units for that, 0.4 times with (``make bench-muon``). A convolution's weight is a matrix here, (out, in * height *
    width).

    Args:
        network: all of its trained weights are trained.
        lr: learning rate, one for both kinds.
        betas: Adam's moment decays.
    """

    def __init__(self, network: nn.Module, lr: float, betas: tuple[float, float]) -> None:
        hidden = hidden_weights(network)
        known = {id(weight) for weight in hidden}
        rest = [weight for weight in network.parameters() if weight.requires_grad and id(weight) not in known]
        groups: list[dict[str, Any]] = [{"params": rest}, {"params": hidden}]
        super().__init__(groups, lr=lr, betas=betas)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        adams, hidden = self.param_groups
        self.param_groups = [adams]
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = [adams, hidden]
        for weight in hidden["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            if not state:
                state["step"] = torch.tensor(0.0)  # Adam looks for it when a state is loaded
                state["momentum"] = torch.zeros_like(weight)
            momentum = state["momentum"].mul_(MOMENTUM).add_(weight.grad)
            ahead = (weight.grad + MOMENTUM * momentum).flatten(1)  # Nesterov's
            update = orthogonalised(ahead) * (LIKE_ADAM * max(ahead.shape) ** 0.5)
            weight.sub_(update.view_as(weight), alpha=hidden["lr"])
        return loss
