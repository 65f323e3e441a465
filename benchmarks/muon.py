"""Our Muon against torch's own, on the weights of the package's generator: time of a step.

make bench-muon

torch's takes matrices only: it gets each convolution's weight as one, (out, in * height * width), which is as much as
can be done for it without changing the networks.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import nn

from twoface_pl.networks.build import build_generator
from twoface_pl.training.muon import MOMENTUM, Muon, hidden_weights

WARM = 3


def _seconds(optimizer: torch.optim.Optimizer, steps: int) -> float:
    for _ in range(WARM):
        optimizer.step()
    start = time.perf_counter()
    for _ in range(steps):
        optimizer.step()
    return (time.perf_counter() - start) / steps


class _Layers(nn.Module):
    """Only what Muon takes, between a first and a last layer that are Adam's."""

    def __init__(self, weights: list[torch.Tensor]) -> None:
        super().__init__()
        ends = [nn.Linear(1, 1), *(nn.Linear(w.shape[1], w.shape[0], bias=False) for w in weights), nn.Linear(1, 1)]
        self.layers = nn.ModuleList(ends)
        for layer, weight in zip(self.layers[1:-1], weights, strict=True):
            layer.weight.data.copy_(weight)  # type: ignore[operator, union-attr]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    given = parser.parse_args()
    torch.manual_seed(0)
    weights = [weight.detach().flatten(1) for weight in hidden_weights(build_generator({"name": "ours"}))]
    ours_layers, theirs_layers = _Layers(weights), _Layers(weights)
    matrices = [layer.weight for layer in theirs_layers.layers[1:-1]]
    for own, other in zip(ours_layers.layers[1:-1], matrices, strict=True):
        own.weight.grad = torch.randn_like(own.weight)  # type: ignore[union-attr, arg-type]
        other.grad = own.weight.grad.clone()  # type: ignore[union-attr]
    ours = Muon(ours_layers, 1e-3, (0.9, 0.99))
    theirs = torch.optim.Muon(matrices, lr=1e-3, momentum=MOMENTUM, weight_decay=0, adjust_lr_fn="match_rms_adamw")
    ratios = []
    for _ in range(given.rounds):  # in turns: the machine's speed varies
        own, other = _seconds(ours, given.steps), _seconds(theirs, given.steps)
        ratios.append(other / own)
        print(f"ours {1000 * own:.1f} ms, torch's {1000 * other:.1f} ms: {other / own:.2f} times")
    middle = sorted(ratios)[len(ratios) // 2]
    print(f"{len(weights)} matrices; torch's takes {middle:.2f} times as long (median)")


if __name__ == "__main__":
    main()
