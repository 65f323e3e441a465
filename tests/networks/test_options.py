"""Options of networks that are far too large, or of another type: a sentence, before anything is allocated."""

import pytest
import torch
from conftest import DISCRIMINATOR, GENERATOR

from twoface_pl.errors import TwoFaceError
from twoface_pl.masks import CenterSquare
from twoface_pl.networks.build import build_generator
from twoface_pl.networks.discriminators import build_discriminators

SEED = {"name": "seed", "vgg_weights": "random"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"blocks": 10**6}, r"generator\.blocks=1000000 is not a whole number from 0 to 32"),
        ({"fine_blocks": 10**6}, r"generator\.fine_blocks=1000000 is not"),
        ({"depth": 33}, r"generator\.depth=33 is not"),
        ({"width": 10**6}, r"generator\.width=1000000 is not a whole number from 1 to 1024"),
        ({"fine_width": 10**30}, r"generator\.fine_width=1"),
        ({"heads": -2}, r"generator\.heads=-2 is not a whole number from 1"),
        ({"heads": 0}, r"generator\.heads=0 is not"),
        ({"width": "32"}, r"generator\.width=32 is not"),
        ({"width": 32.0}, r"generator\.width=32\.0 is not"),
        ({"blocks": True}, r"generator\.blocks=True is not"),
        ({"depth": None}, r"generator\.depth=None is not"),
        ({"heads": 5}, r"generator\.heads=5 does not divide 32 channels"),
        ({"name": ["ours"]}, r"generator '\['ours'\]' is not known"),
        ({**SEED, "hole": 10**6}, r"generator\.hole=1000000: 'seed' makes"),
        ({**SEED, "hole": 32.0}, r"generator\.hole=32\.0: 'seed' makes"),
    ],
)
def test_options_of_generators_have_bounds(options: dict, says: str) -> None:
    with pytest.raises(TwoFaceError, match=says):
        build_generator(options if options.get("name") == "seed" else {**GENERATOR, **options})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"width": 10**6}, r"discriminator\.width=1000000 is not a whole number from 1 to 256"),
        ({"width": False}, r"discriminator\.width=False is not"),
        ({"local_size": 10**6}, r"discriminator\.local_size=1000000 is not a whole number from 16 to 1024"),
        ({"local_size": 8}, r"discriminator\.local_size=8 is not"),
        ({"margin": float("nan")}, r"discriminator\.margin=nan is not a number from 0 to 1"),
        ({"margin": "0.1"}, r"discriminator\.margin=0\.1 is not"),
        ({"margin": -1}, r"discriminator\.margin=-1 is not"),
        ({**SEED, "hole": 4096}, r"discriminator\.hole=4096: 'seed' makes"),
        ({**SEED, "hole": "32"}, r"discriminator\.hole=32: 'seed' makes"),
    ],
)
def test_options_of_discriminators_have_bounds(options: dict, says: str) -> None:
    with pytest.raises(TwoFaceError, match=says):
        build_discriminators(options if options.get("name") == "seed" else {**DISCRIMINATOR, **options})


@pytest.mark.parametrize("build", [build_generator, build_discriminators])
@pytest.mark.parametrize("options", [None, "ours", ["ours"]])
def test_options_that_are_no_options(build, options: object) -> None:
    with pytest.raises(TwoFaceError, match="is no set of options"):
        build(options)


def test_sizes_and_numbers_of_references_have_bounds() -> None:
    generator = build_generator(GENERATOR)
    for size in (10**6, 0, -64, 64.0, "64"):
        with pytest.raises(TwoFaceError, match=rf"image_size={size} is not a whole number from 1 to 2048"):
            generator.check(size, CenterSquare(16))
    for count in (10**6, 0, True):
        with pytest.raises(TwoFaceError, match=f"number of references={count} is not a whole number from 1 to 64"):
            generator.check_references(count)


def test_discriminators_say_which_sizes_they_can_judge() -> None:
    small = build_discriminators(DISCRIMINATOR)
    small.check(32)
    mask = torch.zeros(2, 1, 32, 32)
    mask[..., 10:22, 10:22] = 1
    assert small(torch.rand(2, 3, 32, 32), mask)[0].shape == (2, 1)  # the least size is right
    with pytest.raises(TwoFaceError, match="work at 32 px or more, not at 24"):
        small.check(24)
    with pytest.raises(TwoFaceError, match="work at 128 px, not at 64"):
        build_discriminators(SEED).check(64)
