"""Which photos of a person may stand as references for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from twoface_pl.data.index import SplitIndex, split_name
from twoface_pl.data.names import Lists, Names


def usable_targets(index: SplitIndex) -> Names:
    """The masked photos that have a reference other than themselves."""
    masked = index.masked if isinstance(index.masked, Names) else Names.of(index.masked)
    people = Names.of(index.references)
    person = people.rows_of(masked.before("/"))
    others = np.where(person >= 0, _counts(index.references)[person] - 1, 0)
    alike = Names.of(index.alike).rows_of(masked)
    if len(index.alike):
        others -= np.where(alike >= 0, _counts(index.alike)[alike], 0)
    is_usable = others > 0
    # Who has too few by this count may have enough: a photo need not be among the references.
    for row in np.flatnonzero((person >= 0) & ~is_usable).tolist():
        is_usable[row] = bool(reference_candidates(index, *split_name(masked[row])))
    return masked if is_usable.all() else masked.take(np.flatnonzero(is_usable))


def _counts(lists: Mapping[str, Collection[str]]) -> np.ndarray:
    """How many different files each has."""
    return lists.counts() if isinstance(lists, Lists) else np.array([len(set(files)) for files in lists.values()], int)


def reference_candidates(index: SplitIndex, identity: str, target: str) -> list[str]:
    """Files that can stand as reference for a target: the person's, never the target itself or its near-duplicates."""
    alike = index.alike.get(f"{identity}/{target}", ())
    return [file for file in index.references.get(identity, ()) if file != target and file not in alike]


def next_references(index: SplitIndex, identity: str, target: str, position: int = 0) -> list[str]:
    """The references used in evaluation, all that can be, in order; the first is the one where one is used.

    They start with the person's next photo after the target, in the order of names; where targets are no
    references (the 2018 split), with the reference whose turn it is by the target's ``position`` among the
    person's targets.
    """
    candidates = sorted(reference_candidates(index, identity, target))
    if target not in index.references[identity]:
        start = position % len(candidates)
    else:
        start = next((number for number, file in enumerate(candidates) if file > target), 0)
    return candidates[start:] + candidates[:start]


def next_reference(index: SplitIndex, identity: str, target: str, position: int = 0) -> str:
    """The one reference used in evaluation: the first of :func:`next_references`."""
    return next_references(index, identity, target, position)[0]


def positions_of(targets: Sequence[str]) -> dict[str, int]:
    """Each target's position among its person's targets, in the order of names."""
    counts: Counter[str] = Counter()
    positions = {}
    for target in sorted(targets):
        identity = split_name(target)[0]
        positions[target] = counts[identity]
        counts[identity] += 1
    return positions
