"""Losses against values worked out by hand."""

import math

import pytest
import torch

from twoface_pl.errors import TwoFaceError
from twoface_pl.losses.adversarial import discriminator_loss, generator_loss, r1_penalty
from twoface_pl.losses.identity import identity_loss, random_view
from twoface_pl.losses.perceptual import perceptual_loss
from twoface_pl.losses.reconstruction import reconstruction_loss, rim_of


@pytest.mark.parametrize(
    ("kind", "value"),
    [("l1", 0.5), ("squared", 0.25), ("log", math.log(0.25 + 1e-4) / 2), ("squared_2018", 2 * 0.25 * 4 * 3 / 48)],
)
def test_reconstruction(kind: str, value: float) -> None:
    truth = torch.zeros(2, 3, 4, 4)
    mask = torch.zeros(2, 1, 4, 4)
    mask[..., :2, :2] = 1
    filled = truth + 0.5 * mask
    assert reconstruction_loss(filled, truth, mask, kind).item() == pytest.approx(value)


@pytest.mark.parametrize("kind", ["l1", "squared", "log"])
def test_every_photo_counts_alike_however_large_its_hole(kind: str) -> None:
    truth, mask = torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    mask[0, :, :2, :2] = 1
    mask[1, :, :, :6] = 1
    filled = truth + mask * torch.tensor([0.1, 0.7]).view(2, 1, 1, 1)
    alone = [reconstruction_loss(*(of[[one]] for of in (filled, truth, mask)), kind).item() for one in (0, 1)]
    assert reconstruction_loss(filled, truth, mask, kind).item() == pytest.approx(sum(alone) / 2)


def test_the_rim_weighs_more() -> None:
    mask = torch.zeros(1, 1, 12, 12)
    mask[..., 2:10, 2:10] = 1
    rim = rim_of(mask, 2)
    assert rim.sum() == 64 - 16
    assert rim[0, 0, 4:8, 4:8].sum() == 0
    truth = torch.zeros(1, 3, 12, 12)
    at_rim, inside = rim.expand_as(truth), (mask - rim).expand_as(truth)
    weighted = [reconstruction_loss(fill, truth, mask, "l1", 2.0, 2).item() for fill in (at_rim, inside)]
    assert weighted == pytest.approx([48 * 3 / (64 + 2 * 48), 16 / (64 + 2 * 48)])
    assert reconstruction_loss(at_rim, truth, mask, "l1").item() == pytest.approx(48 / 64)


@pytest.mark.parametrize(
    ("kind", "undecided", "of_fakes"), [("hinge", (2.0, 0.0), -1.0), ("least_squares", (0.5, 0.5), 0.0)]
)
def test_other_adversarial_losses(kind: str, undecided: tuple[float, float], of_fakes: float) -> None:
    zero = torch.zeros(3, 1)
    assert discriminator_loss(zero, zero, kind).item() == pytest.approx(undecided[0])
    assert generator_loss(zero, kind).item() == pytest.approx(undecided[1])
    assert discriminator_loss(zero + 1, zero + of_fakes, kind).item() == 0  # nothing left to learn
    assert generator_loss(zero + 1, kind) < generator_loss(zero, kind)


def test_r1_is_half_the_squared_slope_of_each_view() -> None:
    image, crop = torch.rand(2, 3, 4, 4, requires_grad=True), torch.rand(2, 3, 4, 4, requires_grad=True)
    logits = ((2 * image).flatten(1).sum(dim=1, keepdim=True), 3 * crop.flatten(1)[:, :1])
    expected = (48 * 2**2 + 3**2) / 2
    assert r1_penalty(logits, (image, crop)).item() == pytest.approx(expected)


def test_perceptual_counts_each_layer_in_its_own_units() -> None:
    truth, filled = torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.75)
    assert perceptual_loss(truth, truth, lambda image: [image, 100 * image]).item() == 0
    assert perceptual_loss(filled, truth, lambda image: [image, 100 * image]).item() == pytest.approx(0.5)


def test_a_view_keeps_the_face_and_breaks_pixel_patterns() -> None:
    rows = torch.linspace(0, 1, 64)
    face = (rows[:, None] + rows[None]).expand(2, 3, 64, 64) / 2
    pattern = 0.2 * (torch.arange(64)[:, None] + torch.arange(64)[None]).remainder(2).mul(2).sub(1)
    seen = random_view(face, torch.Generator().manual_seed(1))
    assert seen.shape == face.shape
    assert (seen.mean(dim=(1, 2, 3)) - 0.5).abs().max() < 0.1
    left = random_view(face + pattern, torch.Generator().manual_seed(1)) - seen
    assert left.abs().mean() < 0.05
    assert not torch.equal(seen, random_view(face, torch.Generator().manual_seed(2)))
    leaf = face.clone().requires_grad_()
    random_view(leaf, torch.Generator().manual_seed(1)).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.abs().sum() > 0


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
    for loss in (lambda: discriminator_loss(pair, pair, "wasserstein"), lambda: generator_loss(pair, "wasserstein")):
        with pytest.raises(TwoFaceError, match=r"adversarial\.kind=wasserstein"):
            loss()
    with pytest.raises(TwoFaceError, match=r"identity\.kind=angle"):
        identity_loss(pair[0, 0], pair[0, 0], "angle")
