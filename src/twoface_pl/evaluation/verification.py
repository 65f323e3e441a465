"""Verification: is a filled photo still taken for its person, at a threshold fixed on untouched photos?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.statistics import Estimate, bootstrap_mean, bootstrap_pairs, bootstrap_ratio

FALSE_ACCEPTS = (0.01, 0.001)  # shares of untouched pairs of different people that a threshold lets pass
FEWEST_PEOPLE = {0.01: 10, 0.001: 33}  # with fewer pairs than that gives, such a threshold means nothing


@dataclass(frozen=True)
class Verified:
    """What verification says of one condition."""

    accepted: Estimate  # share of probes taken for their person
    of_untouched: Estimate  # the same, as a share of what the untouched photos reach
    false_accepts: Estimate  # share of pairs with another person's photo that pass


class Verification:
    """Fixes the threshold on untouched photos; then judges any condition by it.

    Intervals are of what other people would show at this very threshold, which is not drawn anew.

    Args:
        probes: (n, D) unit identity embeddings of the untouched photos.
        gallery: (n, D) of a photo of each probe's person that is neither target nor reference, nor alike to them.
        people: (n,) names.
        false_accepts: one of ``FALSE_ACCEPTS``.

    Raises:
        TwoFaceError: too few people for such a threshold.
    """

    def __init__(
        self, probes: np.ndarray, gallery: np.ndarray, people: np.ndarray, false_accepts: float = FALSE_ACCEPTS[0]
    ) -> None:
        count = len(np.unique(people))
        if count < FEWEST_PEOPLE[false_accepts]:
            raise TwoFaceError(
                f"{count} people have a photo beside target and reference; "
                f"{false_accepts:.1%} false accepts need at least {FEWEST_PEOPLE[false_accepts]}"
            )
        self._gallery, self._people = gallery, people
        self._others = people[:, None] != people[None]
        self.threshold = float(np.quantile((probes @ gallery.T)[self._others], 1 - false_accepts))
        self._untouched = self._accepted(probes)

    def _accepted(self, probes: np.ndarray) -> np.ndarray:
        return ((probes * self._gallery).sum(axis=1) > self.threshold).astype(np.float64)

    def judge(self, probes: np.ndarray) -> Verified:
        """Of the same photos in some condition, (n, D) in the same order."""
        accepted = self._accepted(probes)
        passed = (probes @ self._gallery.T > self.threshold) & self._others
        return Verified(
            bootstrap_mean(accepted, self._people),
            bootstrap_ratio(accepted, self._untouched, self._people),
            bootstrap_pairs(passed, self._others, self._people),
        )
