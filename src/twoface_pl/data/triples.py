"""Triples: a photo with a hole, the same photo whole, and a reference of the same person."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from twoface_pl.data.index import SplitIndex, read_index, split_name
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import decode_image
from twoface_pl.masks import MaskPolicy

Key = tuple[int, int]  # epoch and index: a sample is a function of these and the seed


class Triple(TypedDict):
    """One sample, or a batch of them with a leading N; photos are uint8 RGB (H, W, 3)."""

    photo: Tensor
    reference: Tensor
    real: Tensor  # another photo, for the discriminators
    mask: Tensor  # bool (H, W), True = hole
    wrong_reference: NotRequired[Tensor]  # somebody else's, in evaluation only


def usable_targets(index: SplitIndex) -> list[str]:
    """The masked photos that have a reference other than themselves."""
    return [entry for entry in index.masked if reference_candidates(index, *split_name(entry))]


def reference_candidates(index: SplitIndex, identity: str, target: str) -> list[str]:
    """Files that can stand as reference for a target: the person's, never the target itself."""
    return [file for file in index.references.get(identity, ()) if file != target]


def next_reference(index: SplitIndex, identity: str, target: str, position: int = 0) -> str:
    """The reference used in evaluation.

    The person's next photo after the target, in the order of names; where targets are no references
    (the 2018 split), the references in turn by the target's ``position`` among the person's targets.
    """
    candidates = sorted(reference_candidates(index, identity, target))
    if target not in index.references[identity]:
        return candidates[position % len(candidates)]
    return next((file for file in candidates if file > target), candidates[0])


def _positions(targets: list[str]) -> dict[str, int]:
    """Each target's position among its person's targets, in the order of names."""
    counts: Counter[str] = Counter()
    positions = {}
    for target in sorted(targets):
        identity = split_name(target)[0]
        positions[target] = counts[identity]
        counts[identity] += 1
    return positions


class Triples(Dataset[Triple]):
    """The triples of one split.

    Args:
        root: a prepared data set.
        split: ``train``, ``validation`` or ``test``.
        image_size: side of the photos, in pixels; others are an error.
        policy: draws the masks.
        seed: with epoch and index it decides everything that is drawn.
        training: draw the reference and the real photo at random; else the next in the list.

    Raises:
        TwoFaceError: as :func:`read_index`; or no photo has a reference other than itself.
    """

    def __init__(self, root: Path, split: str, image_size: int, policy: MaskPolicy, seed: int, training: bool) -> None:
        self.folder = root / split
        self.index = read_index(root, split)
        self.targets = usable_targets(self.index)
        if not self.targets:
            raise TwoFaceError(
                f"{self.folder}: no photo has a reference other than itself; "
                "each person needs at least two photos (split=few_photos shares them among the roles)"
            )
        self.people = sorted({split_name(target)[0] for target in self.targets})
        if not training and len(self.people) < 2:
            raise TwoFaceError(f"{self.folder}: one person only; a wrong reference needs at least two people")
        self.positions = _positions(self.targets)
        self.image_size = image_size
        self.policy = policy
        self.seed = seed
        self.training = training

    def __len__(self) -> int:
        return len(self.targets)

    def _load(self, role: str, identity: str, file: str) -> Tensor:
        path = self.folder / role / identity / file
        pixels = decode_image(path)
        if pixels.shape[:2] != (self.image_size, self.image_size):
            raise TwoFaceError(
                f"{path} is {pixels.shape[1]}x{pixels.shape[0]}, not {self.image_size}x{self.image_size}; "
                f"set image_size or run `twoface prepare image_size={self.image_size}` again"
            )
        return torch.from_numpy(pixels)

    def _wrong_reference(self, identity: str, rng: np.random.Generator) -> tuple[str, str]:
        """A reference of somebody else."""
        others = [person for person in self.people if person != identity]
        wrong = others[rng.integers(len(others))]
        return wrong, self.index.references[wrong][0]

    def __getitem__(self, key: Key) -> Triple:
        epoch, position = key
        rng = np.random.default_rng((self.seed, epoch, position))
        identity, file = split_name(self.targets[position])
        if self.training:
            candidates = reference_candidates(self.index, identity, file)
            reference = candidates[rng.integers(len(candidates))]
        else:
            reference = next_reference(self.index, identity, file, self.positions[self.targets[position]])
        real = split_name(self.index.real[rng.integers(len(self.index.real))])
        mask = torch.from_numpy(self.policy.draw(rng, self.image_size))
        triple = Triple(
            photo=self._load("masked", identity, file),
            reference=self._load("reference", identity, reference),
            real=self._load("real", *real),
            mask=mask,
        )
        if not self.training:
            triple["wrong_reference"] = self._load("reference", *self._wrong_reference(identity, rng))
        return triple
