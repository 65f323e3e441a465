"""Muon: orthogonal updates for large layers, Adam for the rest, and a state that comes back."""

from pathlib import Path

import pytest
import torch
from conftest import OPTIMIZER, tiny_data, tiny_module, tiny_options
from torch import nn

from twoface_pl.errors import TwoFaceError
from twoface_pl.training.module import InpaintingModule
from twoface_pl.training.muon import Muon, hidden_weights, orthogonalised
from twoface_pl.training.train import train


@pytest.mark.parametrize("shape", [(24, 90), (90, 24)])
def test_singular_values_end_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert torch.linalg.svdvals(matrix).max() > 10
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_large_layers_go_to_muon_and_the_rest_to_adam() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), nn.Conv2d(24, 24, 1)
    )
    assert [tuple(weight.shape) for weight in hidden_weights(network)] == [(24, 24, 3, 3)]
    optimizer = Muon(network, 0.01, (0.9, 0.99))
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    network(torch.randn(2, 3, 8, 8)).square().mean().backward()
    optimizer.step()
    moved = {name: (weight - before[name]).square().mean().sqrt().item() for name, weight in network.named_parameters()}
    assert moved["2.weight"] == pytest.approx(0.01 * 0.2, rel=0.3)  # as long as Adam's usual one
    assert moved["3.weight"] == pytest.approx(0.01, rel=0.05)  # Adam's first step: the rate itself


def _module() -> InpaintingModule:
    torch.manual_seed(0)
    return tiny_module(optimizer={**OPTIMIZER, "kind": "muon"})


def test_a_training_goes_on_as_one_that_never_stopped(prepared: Path, tmp_path: Path) -> None:
    resumed, whole = _module(), _module()
    train(_module(), tiny_data(prepared), tiny_options(tmp_path / "a", max_batches=2))
    resume = tiny_options(tmp_path / "b", max_batches=4, resume=tmp_path / "a" / "last.ckpt")
    train(resumed, tiny_data(prepared), resume)
    train(whole, tiny_data(prepared), tiny_options(tmp_path / "c", max_batches=4))
    unbroken = dict(whole.generator.named_parameters())
    for name, weight in resumed.generator.named_parameters():
        assert torch.allclose(weight, unbroken[name], atol=1e-5), name


def test_another_optimizer_is_refused() -> None:
    with pytest.raises(TwoFaceError, match="kind=lion is not one of adam, muon"):
        tiny_module(optimizer={**OPTIMIZER, "kind": "lion"})
