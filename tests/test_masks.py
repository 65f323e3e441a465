"""Mask policies: True is the hole."""

import numpy as np
import pytest

from twoface_pl.errors import TwoFaceError
from twoface_pl.masks import CenterSquare, RandomBox, build_mask_policy


def test_the_2018_hole() -> None:
    mask = CenterSquare(32).draw(np.random.default_rng(0), 128)
    expected = np.zeros((128, 128), bool)
    expected[48:80, 48:80] = True
    assert np.array_equal(mask, expected)


def test_random_boxes_stay_within_their_sizes_and_the_picture() -> None:
    policy = RandomBox(10, 20)
    masks = [policy.draw(np.random.default_rng(seed), 64) for seed in range(50)]
    for mask in masks:
        height, width = mask.any(1).sum(), mask.any(0).sum()
        assert 10 <= height <= 20
        assert 10 <= width <= 20
        assert mask.sum() == height * width
    assert len({mask.tobytes() for mask in masks}) > 40
    assert np.array_equal(masks[7], policy.draw(np.random.default_rng(7), 64))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "donut"}, "not known; there are: center, random_box"),
        ({"name": "center", "radius": 3}, "radius"),
        ({"size": 3}, "not known"),
    ],
)
def test_bad_options_are_refused_by_name(options: dict, says: str) -> None:
    with pytest.raises(TwoFaceError, match=says):
        build_mask_policy(options)


def test_a_hole_larger_than_the_picture() -> None:
    with pytest.raises(TwoFaceError, match="does not fit"):
        CenterSquare(64).draw(np.random.default_rng(0), 64)
