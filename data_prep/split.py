"""Who goes into which split, and which photo plays which role."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import floor
from pathlib import Path
from typing import Any, Protocol

from twoface_pl.data.source import SPLITS
from twoface_pl.data_prep.sources import safe_name
from twoface_pl.errors import TwoFaceError, call_with_options, name_and_options, require

Roles = dict[str, list[str]]


def place_of(seed: int, identity: str) -> float:
    """An identity's place in [0, 1): a function of its name and the seed alone, so nobody else's coming moves it."""
    digest = hashlib.sha256(f"{seed}/{identity}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _check_share(name: str, value: float) -> None:
    require(isinstance(value, int | float) and 0 <= value < 1, f"split.{name}={value} is not a share from 0 to below 1")


class Splitting(Protocol):
    """Says where an identity goes."""

    def split_of(self, identity: str) -> str | None:
        """``train``, ``validation`` or ``test``; None: nowhere."""
        ...


@dataclass(frozen=True)
class _Shared:
    """So much to validation and test, the rest to training."""

    validation: float
    test: float
    seed: int

    def __post_init__(self) -> None:
        _check_share("validation", self.validation)
        _check_share("test", self.test)
        both = self.validation + self.test
        require(
            both <= 1, f"split.validation={self.validation} and split.test={self.test} are {both:g} together, over 1"
        )


class Shares(_Shared):
    """Of the identities."""

    def split_of(self, identity: str) -> str:
        place = place_of(self.seed, identity)
        if place < self.test:
            return "test"
        return "validation" if place < self.test + self.validation else "train"


@dataclass(frozen=True)
class KFold:
    """The identities in ``folds`` parts: part ``fold`` is the test; of the rest a share is validation."""

    folds: int
    fold: int
    validation: float
    seed: int

    def __post_init__(self) -> None:
        require(isinstance(self.folds, int) and self.folds >= 2, f"split.folds={self.folds} is not 2 or more")
        require(
            isinstance(self.fold, int) and 0 <= self.fold < self.folds,
            f"split.fold={self.fold} is not one of 0 to {self.folds - 1}",
        )
        _check_share("validation", self.validation)

    def split_of(self, identity: str) -> str:
        if floor(place_of(self.seed, identity) * self.folds) == self.fold:
            return "test"
        # of another draw than the folds, so that each fold has its share
        return "validation" if place_of(self.seed, f"{identity}/validation") < self.validation else "train"


@dataclass(frozen=True)
class Lists:
    """The identities that text files name, one a line; who is in none goes to ``rest``, or nowhere."""

    train: str | None = None
    validation: str | None = None
    test: str | None = None
    rest: str | None = None
    _splits: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        require(
            self.rest in (None, *SPLITS), f"split.rest={self.rest} is not one of {', '.join(SPLITS)}, nor null for none"
        )
        require(any((self.train, self.validation, self.test)), "split=lists: give split.train=<file> and the others")
        for split in SPLITS:
            for identity in self._read(getattr(self, split)):
                other = self._splits.setdefault(identity, split)
                require(other == split, f"split=lists: '{identity}' is in the lists of {other} and of {split}")

    @staticmethod
    def _read(path: str | None) -> Iterable[str]:
        if path is None:
            return []
        try:
            lines = Path(path).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise TwoFaceError(f"split list {path}: cannot be read ({error}); it names one identity a line") from None
        return [safe_name(line.strip()) for line in lines if line.strip()]

    def split_of(self, identity: str) -> str | None:
        return self._splits.get(identity, self.rest)


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


def every_role(photos: list[str]) -> Roles:
    """Every photo in every role, for people with few photos; readers never pair a photo with itself."""
    return {"masked": list(photos), "real": list(photos), "reference": list(photos)}


def _moments(photos: list[str], alike: dict[str, list[str]]) -> list[list[str]]:
    """Photos in groups: who is too alike to one of a group belongs to it."""
    left, groups = set(photos), []
    while left:
        group, ahead = set(), [min(left)]
        while ahead:
            photo = ahead.pop()
            if photo in left:
                left.remove(photo)
                group.add(photo)
                ahead += alike.get(photo, ())
        groups.append(sorted(group))
    return groups


class OwnPhotos(_Shared):
    """Of each person's photos, so that everybody is in every split: for a model of one's own face.

    What is to be filled is never trained on, nor is any photo of its moment; the references are the photos that
    are trained on.
    """

    def share_out(self, photos: list[str], alike: dict[str, list[str]]) -> dict[str, Roles]:
        """Roles by split, training first; empty where its moments are too few. Large ones are trained on."""
        moments = _moments(photos, alike)
        moments.sort(key=lambda moment: (len(moment), place_of(self.seed, moment[0])))
        shared: dict[str, Roles] = {"train": {}}
        for split, share in (("test", self.test), ("validation", self.validation)):
            wanted, taken = round(share * len(photos)), list[str]()
            while share and moments and (not taken or len(taken) + len(moments[0]) <= wanted):
                taken += moments.pop(0)
            if taken:
                shared[split] = {"masked": sorted(taken), "real": sorted(taken)}
        trained = sorted(photo for moment in moments for photo in moment)
        if len(moments) < 2:
            return {}
        for roles in shared.values():
            roles["reference"] = trained
        shared["train"] = every_role(trained)
        return shared


SPLITTINGS: dict[str, tuple[type[Splitting] | type[OwnPhotos], Callable[[list[str]], Roles]]] = {
    "classic2018": (Shares, classic2018_roles),
    "few_photos": (Shares, every_role),
    "kfold": (KFold, every_role),
    "lists": (Lists, every_role),
    "own_photos": (OwnPhotos, every_role),
}


@dataclass(frozen=True)
class SplitRule:
    """Where identities go, and the roles of their photos."""

    options: dict[str, Any]
    splitting: Splitting | OwnPhotos
    roles_of: Callable[[list[str]], Roles]

    def places(self, identity: str, photos: list[str], alike: dict[str, list[str]]) -> dict[str, Roles]:
        """The roles of an identity's photos, by split; empty: it goes nowhere.

        Args:
            identity: its name.
            photos: names of its photos, in order.
            alike: by photo, those that are too alike to be its reference.
        """
        if isinstance(self.splitting, OwnPhotos):
            return self.splitting.share_out(photos, alike)
        split = self.splitting.split_of(identity)
        return {split: self.roles_of(photos)} if split is not None else {}

    @classmethod
    def build(cls, options: dict[str, Any]) -> SplitRule:
        """From ``{"name": classic2018, few_photos, kfold, lists or own_photos, **options}``.

        Raises:
            TwoFaceError: no such rule, options it does not have, a list that cannot be read.
        """
        name, arguments = name_and_options("split", options)
        if not isinstance(name, str) or name not in SPLITTINGS:
            raise TwoFaceError(f"split '{name}' is not known; there are: {', '.join(SPLITTINGS)}")
        kind, roles_of = SPLITTINGS[name]
        build: Callable[..., Splitting | OwnPhotos] = kind
        splitting = call_with_options(f"split '{name}'", build, arguments)
        return cls(dict(options), splitting, roles_of)
