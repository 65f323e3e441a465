"""Policies made of policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.masks.policy import Drawing, MaskPolicy

Build = Callable[[dict[str, Any]], MaskPolicy]


def _part(whole: str, label: str, options: Any, number: str) -> tuple[Any, dict[str, Any]]:
    """A part's number and its policy's options."""
    if not isinstance(options, Mapping) or set(options) != {number, "mask"}:
        raise TwoFaceError(f"mask '{whole}': {label} must have just {number} and mask")
    return options[number], dict(options["mask"])


def _named(whole: str, key: str, parts: Any) -> Mapping[str, Any]:
    if parts is not None and not isinstance(parts, Mapping):
        raise TwoFaceError(f"mask '{whole}': {key} must be policies by name, not {type(parts).__name__}")
    return parts or {}


@dataclass(frozen=True)
class Mixture(MaskPolicy):
    """Each sample's policy is drawn by weight."""

    policies: tuple[MaskPolicy, ...]
    weights: tuple[float, ...]
    name: ClassVar[str] = "mixture"

    @classmethod
    def build(cls, build: Build, parts: Mapping[str, Any]) -> Mixture:
        """From parts by any name, each ``{"weight": ..., "mask": {...}}``; weight 0 leaves one out."""
        found = []
        for label, options in _named(cls.name, "parts", parts).items():
            weight, mask = _part(cls.name, f"parts.{label}", options, "weight")
            if not isinstance(weight, int | float) or weight < 0:
                raise TwoFaceError(f"mask '{cls.name}': parts.{label}.weight={weight} is not a number from 0")
            if weight:
                found.append((build(mask), float(weight)))
        if not found:
            raise TwoFaceError(f"mask '{cls.name}': no part has a weight")
        total = sum(weight for _, weight in found)
        return cls(tuple(policy for policy, _ in found), tuple(weight / total for _, weight in found))

    @property
    def needs_landmarks(self) -> bool:
        return any(policy.needs_landmarks for policy in self.policies)

    def check(self, image_size: int) -> None:
        for policy in self.policies:
            policy.check(image_size)

    def draw_for(self, at: Drawing) -> np.ndarray:
        part = int(np.searchsorted(np.cumsum(self.weights), at.rng.random(), side="right"))
        return self.policies[min(part, len(self.policies) - 1)].draw(*at)


@dataclass(frozen=True)
class Curriculum(MaskPolicy):
    """One policy after the other, by epochs; outside of a training the last."""

    policies: tuple[MaskPolicy, ...]
    ends: tuple[int, ...]  # of all but the last: the first epoch that is not its own
    name: ClassVar[str] = "curriculum"

    @classmethod
    def build(cls, build: Build, stages: Mapping[str, Any]) -> Curriculum:
        """From stages in their order, each ``{"before_epoch": ..., "mask": {...}}``; null for the last."""
        found = []
        for label, options in _named(cls.name, "stages", stages).items():
            end, mask = _part(cls.name, f"stages.{label}", options, "before_epoch")
            found.append((build(mask), end))
        ends = [end for _, end in found]
        rising = all(isinstance(end, int) and end > 0 for end in ends[:-1]) and ends[:-1] == sorted(set(ends[:-1]))
        if not found or ends[-1] is not None or not rising:
            raise TwoFaceError(
                f"mask '{cls.name}': before_epoch {ends} must be whole numbers that rise, and null for the last stage"
            )
        return cls(tuple(policy for policy, _ in found), tuple(ends[:-1]))

    @property
    def needs_landmarks(self) -> bool:
        return any(policy.needs_landmarks for policy in self.policies)

    def check(self, image_size: int) -> None:
        for policy in self.policies:
            policy.check(image_size)

    def draw_for(self, at: Drawing) -> np.ndarray:
        stage = len(self.ends) if at.epoch is None else sum(at.epoch >= end for end in self.ends)
        return self.policies[stage].draw(*at)
