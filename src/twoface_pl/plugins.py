"""Generators, mask policies and losses of other packages, which need no fork of this one (entry points)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeVar

from twoface_pl.errors import TwoFaceError

log = logging.getLogger(__name__)

LIBRARIES = {"importlib", "numpy", "torch", __name__.partition(".")[0]}  # folders of code that is not the package's own
KINDS = {"generators": "generator", "masks": "mask policy", "losses": "loss"}  # entry points' groups, and what one is
T = TypeVar("T")


def _found(kind: str) -> dict[str, list[EntryPoint]]:
    assert kind in KINDS
    return _declared(kind, tuple(sys.path))


@cache
def _declared(kind: str, path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    """To read what all installed packages declare takes a while; ``path`` is where they are looked for."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=f"twoface_pl.{kind}"):
        if point.value not in (other.value for other in found.get(point.name, ())):  # an install may be found twice
            found.setdefault(point.name, []).append(point)
    return found


def plugin_names(kind: str) -> list[str]:
    """The names that installed packages declare as entry points ``twoface_pl.<kind>``."""
    return sorted(_found(kind))


def load_plugin(kind: str, name: str, own: Collection[str] = ()) -> Any | None:
    """What an installed package declares by this name; None where none does.

    Args:
        kind: of ``KINDS``.
        name: as configs have it.
        own: names that are this package's: nobody else gets them, and a log says who wanted one.

    Raises:
        TwoFaceError: it cannot be imported, or two packages declare it.
    """
    found, what = _found(kind), KINDS[kind]
    if name in own:
        for point in found.get(name, ()):
            log.warning("%s '%s' is twoface-pl's own; %s needs another name", what, name, _of(point))
        return None
    if name not in found:
        return None
    point, *others = found[name]
    if others:
        values = " and ".join(map(_of, found[name]))
        raise TwoFaceError(f"{what} '{name}' is declared twice, by {values}; uninstall one or rename it")
    try:
        return point.load()
    except (Exception, SystemExit) as error:
        raise TwoFaceError(f"{what} '{name}' ({_of(point)}) cannot be imported: {_said(error)}") from error


def _of(point: EntryPoint) -> str:
    """What is declared, and by which package."""
    return f"{point.value} of {point.dist.name}" if point.dist is not None else point.value


def unknown(kind: str, name: object, own: Collection[str]) -> TwoFaceError:
    """What is said of a name that nobody has."""
    there = ", ".join([*own, *plugin_names(kind)])
    return TwoFaceError(
        f"{KINDS[kind]} '{name}' is not known; there are: {there}. One of another package needs that to be installed"
    )


def call_plugin(what: str, call: Callable[..., T], *given: Any, **options: Any) -> T:
    """Call what another package declares.

    Args:
        what: its kind and name, for the message.
        call: a class or function of it.
        given, options: its arguments.

    Raises:
        TwoFaceError: it raised something, whatever that is; the message names the line.
    """
    try:
        return call(*given, **options)
    except TwoFaceError:
        raise
    except Exception as error:
        raise TwoFaceError(f"{what}: {_said(error)}") from error


def _said(error: BaseException) -> str:
    """An error in one line, with its kind, and its place in the other package."""
    text = " ".join(str(error).split())
    frames = [frame for frame in extract_tb(error.__traceback__) if not LIBRARIES & set(Path(frame.filename).parts)]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"
