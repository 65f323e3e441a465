"""Losses against values worked out by hand."""

import math

import pytest
import torch

from twoface_pl.errors import TwoFaceError
from twoface_pl.losses.adversarial import discriminator_loss, generator_loss
from twoface_pl.losses.identity import identity_loss
from twoface_pl.losses.reconstruction import reconstruction_loss


@pytest.mark.parametrize(("kind", "value"), [("l1", 0.5), ("squared", 0.25), ("squared_2018", 2 * 0.25 * 4 * 3 / 48)])
def test_reconstruction(kind: str, value: float) -> None:
    truth = torch.zeros(2, 3, 4, 4)
    mask = torch.zeros(2, 1, 4, 4)
    mask[..., :2, :2] = 1
    filled = truth + 0.5 * mask
    assert reconstruction_loss(filled, truth, mask, kind).item() == pytest.approx(value)


def test_adversarial() -> None:
    zero = torch.zeros(3, 1)
    assert generator_loss(zero).item() == pytest.approx(math.log(2))
    assert discriminator_loss(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert discriminator_loss(zero + 9, zero - 9).item() < 1e-3
    assert generator_loss(zero + 9).item() < generator_loss(zero - 9).item()


def test_identity() -> None:
    one = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    other = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert identity_loss(one, one).item() == pytest.approx(0)
    assert identity_loss(one, other).item() == pytest.approx(0.5)
    assert identity_loss(one, other, "norm_2018").item() == pytest.approx(math.sqrt(2))


def test_unknown_kinds() -> None:
    pair = torch.zeros(1, 3, 4, 4)
    with pytest.raises(TwoFaceError, match=r"reconstruction\.kind=l3"):
        reconstruction_loss(pair, pair, pair[:, :1], "l3")
    with pytest.raises(TwoFaceError, match=r"identity\.kind=angle"):
        identity_loss(pair[0, 0], pair[0, 0], "angle")
