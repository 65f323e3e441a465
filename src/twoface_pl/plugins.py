"""Generators, mask policies and losses of other packages, which need no fork of this one (entry points)."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from twoface_pl.errors import TwoFaceError

KINDS = ("generators", "masks", "losses")


def _found(kind: str) -> dict[str, EntryPoint]:
    assert kind in KINDS
    return {point.name: point for point in entry_points(group=f"twoface_pl.{kind}")}


def plugin_names(kind: str) -> list[str]:
    """The names that installed packages declare as entry points ``twoface_pl.<kind>``."""
    return sorted(_found(kind))


def load_plugin(kind: str, name: str, own: Collection[str] = ()) -> Any | None:
    """What an installed package declares by this name; None where none does.

    Args:
        kind: of ``KINDS``.
        name: as configs have it.
        own: names that are this package's, which nobody may take.

    Raises:
        TwoFaceError: it cannot be imported, or takes a name that is ours.
    """
    found = _found(kind)
    taken = sorted(set(found) & set(own))
    if taken:
        raise TwoFaceError(f"{found[taken[0]].value} calls itself {kind} '{taken[0]}', which is a name of twoface-pl")
    if name not in found:
        return None
    try:
        return found[name].load()
    except Exception as error:
        raise TwoFaceError(f"{kind} '{name}' ({found[name].value}) cannot be imported: {error}") from error
