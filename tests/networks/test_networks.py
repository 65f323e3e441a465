"""Generators, discriminators and identity networks."""

from pathlib import Path

import pytest
import torch
from conftest import DISCRIMINATOR, GENERATOR

from twoface_pl.errors import TwoFaceError
from twoface_pl.masks import CenterSquare, RandomBox
from twoface_pl.networks.blocks import Fold, squared_distances
from twoface_pl.networks.build import build_generator
from twoface_pl.networks.crops import close_ups, crop, hole_boxes
from twoface_pl.networks.discriminators import build_discriminators
from twoface_pl.networks.reference import NEAREST, ReferenceWarp, nearness
from twoface_pl.networks.smooth import smooth_fill
from twoface_pl.networks.vgg import FIRST_WEIGHT, FrozenVGG16

SEED = {"name": "seed", "vgg_weights": "random"}


def _inputs(size: int, hole: int, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 3, size, size, generator=source)
    references = torch.rand(batch, 1, 3, size, size, generator=source)
    mask = torch.zeros(batch, 1, size, size)
    start = (size - hole) // 2
    mask[..., start : start + hole, start : start + hole] = 1
    return image, mask, references


@pytest.mark.parametrize(("options", "size", "hole"), [(GENERATOR, 64, 20), (GENERATOR, 96, 50), (SEED, 128, 32)])
def test_generators_fill_the_hole_and_keep_the_rest(options: dict, size: int, hole: int) -> None:
    image, mask, reference = _inputs(size, hole)
    generator = build_generator(options).eval()
    filled = generator(image * (1 - mask), mask, reference)
    assert filled.shape == image.shape
    assert torch.equal(filled * (1 - mask), image * (1 - mask))
    assert filled.min() >= 0
    assert filled.max() <= 1
    other = generator(image * (1 - mask), mask, 1 - reference)
    assert not torch.allclose(filled, other)  # it looks at the reference


def test_references_are_a_set_and_may_be_none() -> None:
    torch.manual_seed(0)
    generator = build_generator(GENERATOR).eval()
    for module in generator.modules():  # residual blocks and so on start as the identity
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.normal_(module.weight, std=0.05)
    image, mask, _ = _inputs(64, 30)
    references = torch.rand(2, 3, 3, 64, 64)
    fills = {count: generator(image * (1 - mask), mask, references[:, :count]) for count in range(4)}
    assert all(torch.isfinite(fill).all() for fill in fills.values())
    for count in range(3):
        assert not torch.allclose(fills[count], fills[count + 1], atol=1e-3)
    assert torch.allclose(generator(image * (1 - mask), mask, references.flip(1)), fills[3], atol=1e-5)
    twice = generator(image * (1 - mask), mask, references[:, :1].repeat(1, 2, 1, 1, 1))
    assert torch.allclose(twice, fills[1], atol=1e-5)  # the same photo twice says nothing new
    none = generator.no_references(image)
    assert torch.equal(generator(image * (1 - mask), mask, none), fills[0])


def test_a_warp_at_first_shows_the_same_place() -> None:
    torch.manual_seed(0)
    warp = ReferenceWarp(8, 4)
    torch.nn.init.zeros_(warp.query.weight)  # nothing is like anything
    torch.nn.init.zeros_(warp.query.bias)
    rows = torch.linspace(0, 1, 64)
    pictures = rows[None].expand(64, 64).expand(1, 2, 3, 64, 64)
    warped, shift = warp(torch.rand(1, 8, 8, 8), torch.rand(2, 8, 8, 8), pictures)
    assert shift.shape == (1, 2, 2, 8, 8)
    assert (warped - pictures[:, 0])[..., 16:48].abs().max() < 0.02
    assert warp(torch.rand(1, 8, 8, 8), torch.rand(0, 8, 8, 8), pictures[:, :0])[0].abs().max() == 0


def test_far_places_make_no_denormal_numbers() -> None:
    def denormal(shares: torch.Tensor) -> bool:
        return bool(((shares > 0) & (shares < torch.finfo(torch.float32).tiny)).any())

    locality = torch.tensor(NEAREST)
    shares = nearness(16, 16, locality).softmax(dim=1)
    unbounded = (-(locality**2) * squared_distances(16, 16, locality) / 2).softmax(dim=1)
    assert denormal(unbounded)
    assert not denormal(shares)
    assert (shares - unbounded).abs().max() < 1e-15


@pytest.mark.parametrize("size", [(64, 64), (40, 104)])
def test_a_smooth_fill_continues_what_surrounds_the_hole(size: tuple[int, int]) -> None:
    height, width = size
    ramp = torch.linspace(0, 1, height)[:, None].expand(1, 3, height, width)
    mask = torch.zeros(1, 1, height, width)
    mask[..., 12:28, 10:30] = 1
    spoilt = torch.where(mask > 0, torch.full_like(ramp, 7.0), ramp)
    filled = smooth_fill(spoilt, mask)
    assert torch.equal(filled * (1 - mask), ramp * (1 - mask))
    plain = smooth_fill(torch.full_like(ramp, 0.3), mask)
    assert (plain - 0.3).abs().max() < 1e-5
    mean = (ramp * (1 - mask)).sum() / (3 * (1 - mask).sum())
    assert ((filled - ramp) * mask).abs().mean() < 0.4 * ((mean - ramp) * mask).abs().mean()
    assert smooth_fill(spoilt, torch.ones_like(mask)).abs().max() == 0
    alone = torch.ones_like(mask)
    alone[..., 3, 5] = 0  # a single pixel is seen: its colour goes everywhere
    assert (smooth_fill(torch.full_like(ramp, 0.3), alone) - 0.3).abs().max() < 1e-4


def test_an_untrained_fill_is_half_of_the_references_detail_upon_a_smooth_fill() -> None:
    torch.manual_seed(0)
    source = torch.rand(1, 3, 16, 16)
    image = torch.nn.functional.interpolate(source, 64, mode="bilinear")
    mask = _inputs(64, 24, batch=1)[1]
    smooth = smooth_fill(image, mask)
    fill = build_generator(GENERATOR)(image * (1 - mask), mask, image[:, None])
    error = ((fill - (smooth + image) / 2) * mask).abs().sum()
    assert error < 0.5 * ((smooth - image) * mask).abs().sum()
    alone = build_generator(GENERATOR)(image * (1 - mask), mask, image[:, None][:, :0])
    assert torch.allclose(alone, smooth.clamp(0, 1) * mask + image * (1 - mask), atol=1e-6)


def test_folding_is_pixel_unshuffle() -> None:
    picture = torch.rand(2, 3, 24, 40)
    assert torch.equal(Fold(3, 4)(picture), torch.nn.functional.pixel_unshuffle(picture, 4))


def test_our_generator_works_at_256() -> None:
    image, mask, references = _inputs(256, 90, batch=1)
    filled = build_generator(GENERATOR)(image * (1 - mask), mask, references)
    assert torch.isfinite(filled).all()


def test_seed64_fills_the_centre_64_and_takes_one_reference() -> None:
    generator = build_generator({**SEED, "hole": 64}).eval()
    generator.check(128, CenterSquare(64))
    image, mask, references = _inputs(128, 64)
    filled = generator(image * (1 - mask), mask, references)
    assert not torch.allclose(filled[..., 40:88, 40:88], image[..., 40:88, 40:88])
    assert generator.no_references(image).shape == (2, 1, 3, 128, 128)
    with pytest.raises(TwoFaceError, match="'seed' takes 1 reference, not 2"):
        generator.check_references(2)
    with pytest.raises(TwoFaceError, match=r"generator\.hole=48"):
        build_generator({**SEED, "hole": 48})


def _count_weights(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_seed_is_the_2018_network_in_size() -> None:
    assert _count_weights(build_generator(SEED)) == pytest.approx(21.0e6, rel=0.005)


def test_our_default_has_fewer_parameters_than_the_2018_network() -> None:
    assert _count_weights(build_generator({"name": "ours"})) < 21e6


def test_seed_refuses_other_holes_and_sizes_by_name() -> None:
    generator = build_generator(SEED)
    generator.check(128, CenterSquare(32))
    with pytest.raises(TwoFaceError, match="generator 'seed' fills only the centre 32x32 hole"):
        generator.check(128, CenterSquare(64))
    with pytest.raises(TwoFaceError, match="RandomBox"):
        generator.check(128, RandomBox())
    with pytest.raises(TwoFaceError, match="works at 128 px, not at 64"):
        generator.check(64, CenterSquare(32))


def test_ours_refuses_a_size_it_cannot_fold() -> None:
    with pytest.raises(TwoFaceError, match="divisible by 8"):
        build_generator(GENERATOR).check(100, CenterSquare(32))


@pytest.mark.parametrize("build", [build_generator, build_discriminators])
def test_unknown_networks_and_options(build) -> None:
    with pytest.raises(TwoFaceError, match="'unet' is not known"):
        build({"name": "unet"})
    with pytest.raises(TwoFaceError, match="colour"):
        build({"name": "seed", "vgg_weights": "random", "colour": 3})


def test_vgg_stays_frozen_and_in_eval_mode() -> None:
    generator = build_generator(SEED).train()
    frozen = [module for module in generator.modules() if isinstance(module, FrozenVGG16)]
    assert len(frozen) == 2
    for module in frozen:
        assert not module.training
        assert not any(weight.requires_grad for weight in module.parameters())


def test_vgg_preprocessing() -> None:
    image = torch.rand(1, 3, 32, 32)
    torch.manual_seed(0)
    raw, caffe = FrozenVGG16("random", "raw"), FrozenVGG16("random", "caffe")
    caffe.load_state_dict(raw.state_dict())
    means = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    assert torch.allclose(caffe(image), raw(image.flip(1) * 255 - means), atol=1e-3)
    with pytest.raises(TwoFaceError, match="preprocess=bgr"):
        FrozenVGG16("random", "bgr")


def test_vgg_weights_say_how_they_were_trained(tmp_path: Path) -> None:
    for name, first in FIRST_WEIGHT.items():
        state = {f"features.{key}": value for key, value in FrozenVGG16("random").features.state_dict().items()}
        state["features.0.weight"][0, 0, 0, 0] = first
        path = tmp_path / f"{name}.pt"
        torch.save(state, path)
        assert FrozenVGG16(str(path), "auto").preprocess == name
        assert FrozenVGG16(str(path), "raw").preprocess == "raw"  # as in 2018
        other = next(entry for entry in FIRST_WEIGHT if entry != name)
        with pytest.raises(TwoFaceError, match=f"trained with preprocessing '{name}', not '{other}'"):
            FrozenVGG16(str(path), other)
    layers = FrozenVGG16(str(path), "auto").layers(torch.rand(1, 3, 32, 32))
    assert [layer.shape[1:] for layer in layers] == [(64, 32, 32), (128, 16, 16), (256, 8, 8)]


def test_vgg_file_of_another_network(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(TwoFaceError, match=r"not VGG16 weights, features\.0\.weight"):
        FrozenVGG16(str(tmp_path / "other.pt"))


@pytest.mark.parametrize("options", [DISCRIMINATOR, SEED])
def test_discriminators_judge_the_image_and_the_hole(options: dict) -> None:
    image, mask, _ = _inputs(128, 32)
    discriminators = build_discriminators(options).eval()
    in_hole, outside = image.clone(), image.clone()
    in_hole[..., 60:70, 60:70] = 0
    outside[..., :20, :20] = 0
    whole, local = discriminators(image, mask)
    assert whole.shape == local.shape == (2, 1)
    assert not torch.allclose(discriminators(in_hole, mask)[1], local)
    assert torch.allclose(discriminators(outside, mask)[1], local)
    assert not torch.allclose(discriminators(outside, mask)[0], whole)


def test_a_square_hole_is_cropped_pixel_by_pixel() -> None:
    image, mask, _ = _inputs(128, 32)
    assert torch.equal(crop(image, hole_boxes(mask), 32), image[..., 48:80, 48:80])


def test_a_box_with_a_margin_stays_in_the_picture() -> None:
    mask = torch.zeros(3, 1, 64, 64)
    mask[0, :, 20:40, 20:40] = 1
    mask[1, :, :20, 44:] = 1
    mask[2] = 1
    boxes = hole_boxes(mask, 0.25)
    assert boxes.tolist() == [[15, 15, 45, 45], [34, 0, 64, 30], [0, 0, 64, 64]]


def test_the_box_around_a_long_hole_is_a_square_about_its_middle() -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 10:20, 30:60] = 1
    assert hole_boxes(mask).tolist() == [[30.0, 0.0, 60.0, 30.0]]


def test_close_ups_are_parts_of_a_large_box_pixel_by_pixel() -> None:
    boxes = torch.tensor([[0.5, 0.5, 127.5, 127.5]] * 8 + [[40.5, 8, 71.5, 39]] * 2)
    squares = close_ups(boxes, 48, 0.75, torch.Generator().manual_seed(0))
    assert torch.equal(squares[:3], boxes[:3])
    assert torch.equal(squares[8:], boxes[8:])  # smaller than a close-up
    parts = squares[3:8]
    assert (parts[:, 2:] - parts[:, :2] == 48).all()
    assert torch.equal(parts, parts.round())
    assert (parts[:, :2] >= 0).all()
    assert (parts[:, 2:] <= 128).all()
    assert len({tuple(part) for part in parts.tolist()}) == 5
    image = torch.rand(10, 3, 128, 128)
    left, top, right, bottom = (int(edge) for edge in parts[0])
    assert torch.equal(crop(image, squares, 48)[3], image[3, :, top:bottom, left:right])
    assert torch.equal(close_ups(boxes, 48, 0.0, torch.Generator()), boxes)


def test_preprocessing_follows_the_weights_that_a_checkpoint_brings() -> None:
    trained, read = FrozenVGG16("random", "auto"), FrozenVGG16("random", "auto")
    assert read.preprocess == "torchvision"
    next(trained.features.parameters())[0, 0, 0, 0] = FIRST_WEIGHT["caffe"]
    torch.nn.Sequential(read).load_state_dict(torch.nn.Sequential(trained).state_dict())
    assert read.preprocess == "caffe"
    assert read.scale.flatten().tolist() == [255.0] * 3


def test_the_smooth_fill_is_the_same_inside_a_training_in_bfloat16() -> None:
    image, mask = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    mask[..., 10:50, 20:60] = 1
    alone = smooth_fill(image, mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(smooth_fill(image, mask), alone)
