"""From plain options to a policy, ours or another package's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twoface_pl.errors import TwoFaceError, call_with_options, name_and_options
from twoface_pl.masks.combined import Curriculum, Mixture
from twoface_pl.masks.face_parts import FaceParts
from twoface_pl.masks.files import MaskFiles
from twoface_pl.masks.policy import MaskPolicy
from twoface_pl.masks.shapes import CenterSquare, RandomBox
from twoface_pl.masks.strokes import Strokes
from twoface_pl.plugins import call_plugin, load_plugin, unknown

SIMPLE: dict[str, type[MaskPolicy]] = {
    kind.name: kind for kind in (CenterSquare, RandomBox, Strokes, FaceParts, MaskFiles)
}
COMBINED: dict[str, Callable[..., MaskPolicy]] = {kind.name: kind.build for kind in (Mixture, Curriculum)}


def build_mask_policy(options: dict[str, Any]) -> MaskPolicy:
    """A policy from ``{"name": ..., **options}``, or by a name that an installed package declares.

    Raises:
        TwoFaceError: no such policy, or an option it does not have.

    >>> build_mask_policy({"name": "center", "size": 32})
    CenterSquare(size=32)
    """
    name, arguments = name_and_options("mask", options)
    own = [*SIMPLE, *COMBINED]
    plugin = load_plugin("masks", name, own) if isinstance(name, str) else None
    if plugin is None and name not in own:
        raise unknown("masks", name, own)
    if plugin is not None:
        policy = call_plugin(f"mask policy '{name}'", plugin, **arguments)
    else:
        policy = _build_own(name, arguments)
    if not isinstance(policy, MaskPolicy):
        raise TwoFaceError(f"mask policy '{name}': {plugin} is no subclass of twoface_pl.masks.MaskPolicy")
    return policy


def _build_own(name: str, arguments: dict[str, Any]) -> MaskPolicy:
    what = f"mask policy '{name}'"
    if name in SIMPLE:
        return call_with_options(what, SIMPLE[name], arguments)
    return call_with_options(what, COMBINED[name], arguments, build_mask_policy)
