"""Fills at the size of the photo: what the detail step adds, and where it must add nothing."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from twoface_pl.evaluation.metrics import energy_above, psnr_in_hole, rim_gradient
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.networks.full_size import FullSize
from twoface_pl.networks.generator import Match, MatchingGenerator, composite
from twoface_pl.networks.ours import AttentionGenerator
from twoface_pl.networks.resample import Resampler
from twoface_pl.networks.smooth import smooth_fill, smooth_fill_any_size
from twoface_pl.networks.tensors import to_float, to_uint8

SIZE, SIDE = 64, 256
HOLE = np.zeros((SIDE, SIDE), bool)
HOLE[88:184, 72:184] = True


class _Oracle(MatchingGenerator):
    """Knows the truth in its own band, a little blurred, and takes each place for the same one in the references."""

    name = "oracle"

    def __init__(self, truth: np.ndarray) -> None:
        super().__init__()
        small = cv2.resize(truth, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        self.fill = to_float(torch.from_numpy(cv2.GaussianBlur(small, (0, 0), 0.7)[None]))

    def match(self, masked_image: Tensor, mask: Tensor, references: Tensor) -> Match:
        shift = references.new_zeros(*references.shape[:2], 2, 8, 8)
        return Match(composite(masked_image, self.fill, mask), shift)


def _textured(photo: np.ndarray, seed: int, strength: float = 12) -> np.ndarray:
    """With pores, as a photo has them."""
    noise = np.random.default_rng(seed).normal(0, strength, photo.shape[:2])
    return np.clip(photo + cv2.GaussianBlur(noise, (0, 0), 0.8)[..., None] * 1.5, 0, 255).astype(np.uint8)


FACE = _textured(synthetic_photo(1, 0, SIDE), 0)
OTHER = _textured(synthetic_photo(4, 3, SIDE)[::-1].copy(), 1)


def _fill(*references: np.ndarray, photo: np.ndarray = FACE, hole: np.ndarray = HOLE) -> np.ndarray:
    network = FullSize(_Oracle(photo), SIZE).eval()
    mask = torch.from_numpy(hole)[None, None].float()
    with torch.inference_mode():
        filled, _ = network(
            to_float(torch.from_numpy(photo[None])) * (1 - mask),
            mask,
            to_float(torch.from_numpy(np.stack(references)))[None],
        )
    return to_uint8(filled)[0]


def _enlarged(photo: np.ndarray = FACE, hole: np.ndarray = HOLE) -> np.ndarray:
    own = _Oracle(photo).fill
    grown = to_uint8(Resampler(SIDE, SIZE, own).grow(own))[0]
    return np.where(hole[..., None], grown, photo)


def _energy(filled: np.ndarray, hole: np.ndarray = HOLE) -> float:
    return energy_above(filled, hole, SIZE) / energy_above(FACE, hole, SIZE)


def _psnr(filled: np.ndarray, hole: np.ndarray = HOLE) -> float:
    return float(psnr_in_hole(filled[None], FACE[None], hole[None])[0])


def test_the_reference_brings_back_what_the_fill_cannot_hold() -> None:
    filled, enlarged = _fill(FACE), _enlarged()
    assert np.array_equal(filled[~HOLE], FACE[~HOLE])
    assert _energy(enlarged) < 0.2
    assert 0.5 < _energy(filled) < 1.2
    assert _psnr(filled) > _psnr(enlarged) + 2


@pytest.mark.parametrize("shift", [(8, 0), (-6, 6)])
def test_a_reference_that_lies_a_little_beside_is_brought_there(shift: tuple[int, int]) -> None:
    moved = np.roll(FACE, shift, axis=(0, 1))
    assert _psnr(_fill(moved)) > _psnr(_enlarged()) + 1


def test_a_reference_of_something_else_leaves_no_ghost() -> None:
    changed = np.abs(_fill(OTHER).astype(int) - _enlarged())
    of_fitting = np.abs(_fill(FACE).astype(int) - _enlarged())
    assert changed[HOLE].mean() < 0.6 * of_fitting[HOLE].mean()
    assert _psnr(_fill(OTHER)) > _psnr(_enlarged()) - 1


def test_of_several_references_the_one_that_fits_gives_the_detail() -> None:
    alone = _fill(FACE)
    for references in ((FACE, OTHER), (OTHER, FACE), (OTHER, FACE, OTHER)):
        assert np.abs(_fill(*references).astype(int) - alone)[HOLE].mean() < 3
    assert _psnr(_fill(OTHER, FACE)) > _psnr(_fill(OTHER)) + 2


def test_a_blurred_reference_does_no_harm_and_a_noisy_one_little() -> None:
    enlarged = _psnr(_enlarged())
    assert _psnr(_fill(cv2.GaussianBlur(FACE, (0, 0), 5))) > enlarged - 0.3
    noisy = np.clip(FACE + np.random.default_rng(2).normal(0, 30, FACE.shape), 0, 255).astype(np.uint8)
    assert _energy(noisy) > 3
    assert _energy(_fill(noisy)) < 1.7  # as much as the photo has about the hole


@pytest.mark.parametrize("reference", [FACE, OTHER], ids=["fitting", "of something else"])
def test_no_step_is_left_at_the_rim(reference: np.ndarray) -> None:
    photo = np.round(cv2.GaussianBlur(FACE, (0, 0), 0.8)).astype(np.uint8)  # smooth, as enlarged photos are
    of_photo = rim_gradient(photo, HOLE)
    assert rim_gradient(_enlarged(photo), HOLE) > 1.4 * of_photo
    assert 0.7 * of_photo < rim_gradient(_fill(reference, photo=photo), HOLE) < 1.2 * of_photo


@pytest.mark.parametrize("width", [2, 5])
def test_scratches_are_filled_from_beside_them(width: int) -> None:
    hole = np.zeros((SIDE, SIDE), np.uint8)
    for start, end in (((10, 20), (240, 200)), ((30, 230), (200, 10)), ((128, 0), (120, 255))):
        cv2.line(hole, start, end, 1, width)
    bare = FACE * (1 - hole[..., None])
    opencv = max(_psnr(cv2.inpaint(bare, hole, 3, method), hole > 0) for method in (cv2.INPAINT_NS, cv2.INPAINT_TELEA))
    assert _psnr(_fill(FACE, hole=hole > 0), hole > 0) > opencv


def test_at_its_own_size_it_is_the_generator_alone() -> None:
    torch.manual_seed(0)
    generator = AttentionGenerator(width=16, fine_width=8, depth=1, fine_blocks=1, blocks=1, heads=2).eval()
    image, references = torch.rand(2, 3, SIZE, SIZE), torch.rand(2, 2, 3, SIZE, SIZE)
    mask = (torch.rand(2, 1, SIZE, SIZE) > 0.7).float()
    with torch.inference_mode():
        filled, own = FullSize(generator, SIZE).eval()(image * (1 - mask), mask, references)
        expected = generator(image * (1 - mask), mask, references)
    assert torch.equal(own, expected)
    assert torch.allclose(filled, expected, atol=1e-6)


@pytest.mark.parametrize("side", [72, 136, 520])
def test_any_multiple_of_eight(side: int) -> None:
    generator = AttentionGenerator(width=16, fine_width=8, depth=1, fine_blocks=1, blocks=1, heads=2).eval()
    image, references = torch.rand(1, 3, side, side), torch.rand(1, 1, 3, side, side)
    for mask in (
        torch.ones(1, 1, side, side),
        torch.zeros(1, 1, side, side),
        (torch.rand(1, 1, side, side) > 0.5).float(),
    ):
        with torch.inference_mode():
            filled, _ = FullSize(generator, SIZE).eval()(image * (1 - mask), mask, references)
        assert torch.isfinite(filled).all()
        assert torch.equal(filled * (1 - mask), image * (1 - mask))


@pytest.mark.parametrize("side", [64, 65, 100, 513])
def test_shrinking_is_by_area(side: int) -> None:
    picture = torch.rand(1, 2, side, side)
    between = Resampler(side, 64, picture)
    small = between.shrink(picture)
    expected = cv2.resize(picture[0].permute(1, 2, 0).numpy(), (64, 64), interpolation=cv2.INTER_AREA)
    assert np.allclose(small[0].permute(1, 2, 0), expected, atol=1e-4)
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    grown = between.grow(ramp)
    assert torch.allclose(grown[..., side // 4 : -side // 4].diff(dim=3), torch.tensor(64 / side / 63), atol=1e-4)


def test_the_smooth_fill_is_the_same_at_any_size() -> None:
    picture = to_float(torch.from_numpy(FACE[None]))
    mask = torch.from_numpy(HOLE)[None, None].float()
    found, expected = smooth_fill_any_size(picture, mask, 16), smooth_fill(picture, mask)
    assert (found - expected).abs().max() < 0.03
    assert torch.equal(found * (1 - mask), picture * (1 - mask))
