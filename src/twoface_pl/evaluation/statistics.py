"""Intervals of means over photos whose people are the sample: photos of one person are not independent.

Where there is one person only, the photos are the sample, and an interval says nothing of other people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def rounded(self) -> dict[str, float]:
        """As plain values, for JSON."""
        return {"value": round(self.value, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def _draws(people: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Each photo's person as a number (n,), and how often each person is drawn in each round (rounds, people)."""
    _, whose = np.unique(people, return_inverse=True)
    if whose.max() == 0:  # one person: all that can be drawn are the photos
        whose = np.arange(len(people))
    count = int(whose.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=ROUNDS)
    return whose, drawn.astype(np.float64)


def _interval(rounds: np.ndarray) -> tuple[float, float]:
    low, high = np.nanquantile(rounds, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def bootstrap_mean(values: np.ndarray, people: np.ndarray, seed: int = 0) -> Estimate:
    """The mean over photos, with a bootstrap over people (Efron 1979; people are drawn whole).

    Args:
        values: (n,), a figure of each photo.
        people: (n,), whose photo it is.
        seed: of the draws.
    """
    return bootstrap_ratio(values, np.ones(len(values)), people, seed)


def bootstrap_ratio(above: np.ndarray, below: np.ndarray, people: np.ndarray, seed: int = 0) -> Estimate:
    """The sum of ``above`` over the sum of ``below``, with a bootstrap over people.

    Args:
        above, below: (n,), of each photo.
        people: (n,), whose photo it is.
        seed: of the draws.
    """
    whose, drawn = _draws(people, seed)
    sums = [np.bincount(whose, weights=values, minlength=drawn.shape[1]) for values in (above, below)]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(np.divide(above.sum(), below.sum()))
        rounds = (drawn @ sums[0]) / (drawn @ sums[1])
    return Estimate(value, *_interval(rounds))


def bootstrap_pairs(above: np.ndarray, below: np.ndarray, people: np.ndarray, seed: int = 0) -> Estimate:
    """As :func:`bootstrap_ratio` of figures of pairs of photos: a person who is drawn is so on both sides.

    Args:
        above, below: (n, n), of each pair.
        people: (n,), whose photo it is, in rows and columns alike.
        seed: of the draws.
    """
    whose, drawn = _draws(people, seed)
    belongs = np.eye(drawn.shape[1])[whose]  # (n, people)
    sums = [belongs.T @ values.astype(np.float64) @ belongs for values in (above, below)]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(np.divide(sums[0].sum(), sums[1].sum()))
        rounds = ((drawn @ sums[0]) * drawn).sum(axis=1) / ((drawn @ sums[1]) * drawn).sum(axis=1)
    return Estimate(value, *_interval(rounds))
