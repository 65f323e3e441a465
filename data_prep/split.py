"""Who goes into which split, and which photo plays which role."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from twoface_pl.errors import TwoFaceError

Roles = dict[str, list[str]]


@dataclass(frozen=True)
class SplitOptions:
    """Shares of identities and the rule for roles."""

    name: str  # classic2018 or few_photos
    validation: float  # share of identities
    test: float  # share of identities
    seed: int


def _unit_hash(seed: int, identity: str) -> float:
    digest = hashlib.sha256(f"{seed}/{identity}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of(identity: str, options: SplitOptions) -> str:
    """The split of an identity: a function of its name and the seed alone, so nobody else's coming moves it."""
    place = _unit_hash(options.seed, identity)
    if place < options.test:
        return "test"
    return "validation" if place < options.test + options.validation else "train"


def classic2018_roles(photos: list[str]) -> Roles:
    """The 2018 rule: floor(0.4 n) masked, floor(0.4 n) real, the rest reference; of n < 3 photos nothing."""
    share = floor(0.4 * len(photos))
    if share == 0:
        return {"masked": [], "real": [], "reference": []}
    return {
        "masked": photos[:share],
        "real": photos[share : 2 * share],
        "reference": photos[2 * share :],
    }


def few_photos_roles(photos: list[str]) -> Roles:
    """Every photo in every role, for people with few photos; readers never pair a photo with itself."""
    return {"masked": list(photos), "real": list(photos), "reference": list(photos)}


ROLE_RULES: dict[str, Callable[[list[str]], Roles]] = {
    "classic2018": classic2018_roles,
    "few_photos": few_photos_roles,
}


def roles_of(photos: list[str], options: SplitOptions) -> Roles:
    """The roles of one person's photos, by the named rule.

    Raises:
        TwoFaceError: no such rule.
    """
    if options.name not in ROLE_RULES:
        raise TwoFaceError(f"split '{options.name}' is not known; there are: {', '.join(ROLE_RULES)}")
    return ROLE_RULES[options.name](photos)
