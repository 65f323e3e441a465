"""Intervals over people, and verification, on drawn embeddings whose answers are known."""

import numpy as np
import pytest

from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.statistics import bootstrap_mean, bootstrap_pairs, bootstrap_ratio
from twoface_pl.evaluation.summary import bucket_names, verify
from twoface_pl.evaluation.verification import Verification

RNG = np.random.default_rng(0)
PEOPLE = np.repeat([f"p{number:02}" for number in range(40)], 3)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


CENTRES = np.repeat(_unit(RNG.normal(size=(40, 64))), 3, axis=0)


def _photos(noise: float) -> np.ndarray:
    return _unit(CENTRES + noise * _unit(RNG.normal(size=CENTRES.shape)))


def test_the_interval_holds_the_mean_and_shrinks_with_people_not_with_photos() -> None:
    of_person = RNG.normal(size=40)
    of_person -= of_person.mean() - 0.05
    few, many = np.repeat(of_person, 3), np.repeat(of_person, 30)
    narrow, wide = bootstrap_mean(few, PEOPLE), bootstrap_mean(many, np.repeat(PEOPLE, 10))
    assert narrow.low < of_person.mean() < narrow.high
    assert wide.high - wide.low == pytest.approx(narrow.high - narrow.low, rel=0.1)
    expected = 2 * 1.96 * of_person.std() / 40**0.5
    assert narrow.high - narrow.low == pytest.approx(expected, rel=0.15)
    assert narrow.low < 0 < narrow.high
    assert bootstrap_mean(few + 5, PEOPLE).low > 0


def test_of_one_person_the_photos_are_drawn() -> None:
    alone = bootstrap_mean(RNG.normal(size=30), np.array(["me"] * 30))
    assert alone.low < alone.value < alone.high


def test_a_ratio_of_sums() -> None:
    below = RNG.uniform(1, 2, 120)
    ratio = bootstrap_ratio(3 * below, below, PEOPLE)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((3, 3, 3))


def test_pairs_are_drawn_on_both_sides() -> None:
    """Two people, whose photos pass as anybody's: the interval must know that both sides bring them."""
    others = PEOPLE[:, None] != PEOPLE[None]
    like_all = np.isin(PEOPLE, ["p03", "p17"])
    passed = (like_all[:, None] | like_all[None]) & others
    found = bootstrap_pairs(passed, others, PEOPLE)
    one_sided = bootstrap_ratio(passed.sum(axis=1), others.sum(axis=1), PEOPLE)
    assert found.value == pytest.approx(passed.sum() / others.sum())
    assert found.low < found.value < found.high
    assert found.high - found.low > 1.4 * (one_sided.high - one_sided.low)
    always = bootstrap_pairs(others, others, PEOPLE)
    assert (always.value, always.low, always.high) == pytest.approx((1, 1, 1))


def test_verification_knows_its_people_and_counts_false_accepts() -> None:
    truth, gallery = _photos(0.6), _photos(0.6)
    judge = Verification(truth, gallery, PEOPLE)
    untouched = judge.judge(truth)
    assert untouched.of_untouched.value == 1
    assert untouched.accepted.value > 0.95
    assert untouched.false_accepts.value == pytest.approx(0.01, abs=0.003)
    spoiled = judge.judge(_photos(3.0))
    assert spoiled.of_untouched.high < 0.9
    strangers = judge.judge(np.roll(truth, 3, axis=0))
    assert strangers.of_untouched.value < 0.1
    assert strangers.false_accepts.value > 0.02  # they are somebody else in the set


def test_people_without_a_gallery_photo_are_left_out_and_counted() -> None:
    truth, gallery = _photos(0.6), _photos(0.6)
    has = np.ones(120, bool)
    has[:6] = False
    found = verify({"filled": truth}, truth, gallery, PEOPLE, has, 0.01)
    assert found["photos"] == 114
    assert found["people_left_out"] == 2
    assert found["conditions"]["filled"]["of_untouched"]["value"] == 1


def test_too_few_people_are_said() -> None:
    with pytest.raises(TwoFaceError, match=r"3 people have a photo beside target and reference; .* at least 10"):
        Verification(CENTRES[:9], CENTRES[:9], PEOPLE[:9])
    assert "at least 10" in verify({}, CENTRES[:9], CENTRES[:9], PEOPLE[:9], np.ones(9, bool), 0.01)["skipped"]


def test_buckets_of_hole_ratios() -> None:
    names = bucket_names(np.array([0.0625, 0.1, 0.25, 0.5, 1.0]))
    assert names.tolist() == ["0-10%", "10-20%", "20-40%", "40-60%", "60-100%"]
