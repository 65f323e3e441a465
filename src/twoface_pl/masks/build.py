"""From plain options to a policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twoface_pl.errors import TwoFaceError
from twoface_pl.masks.combined import Curriculum, Mixture
from twoface_pl.masks.face_parts import FaceParts
from twoface_pl.masks.files import MaskFiles
from twoface_pl.masks.policy import MaskPolicy
from twoface_pl.masks.shapes import CenterSquare, RandomBox
from twoface_pl.masks.strokes import Strokes

SIMPLE: dict[str, type[MaskPolicy]] = {
    kind.name: kind for kind in (CenterSquare, RandomBox, Strokes, FaceParts, MaskFiles)
}
COMBINED: dict[str, Callable[..., MaskPolicy]] = {kind.name: kind.build for kind in (Mixture, Curriculum)}


def build_mask_policy(options: dict[str, Any]) -> MaskPolicy:
    """A policy from ``{"name": ..., **options}``.

    Raises:
        TwoFaceError: no such policy, or an option it does not have.
    """
    arguments = dict(options)
    name = arguments.pop("name", None)
    if name not in SIMPLE and name not in COMBINED:
        raise TwoFaceError(f"mask policy '{name}' is not known; there are: {', '.join([*SIMPLE, *COMBINED])}")
    try:
        if name in COMBINED:
            return COMBINED[name](build_mask_policy, **arguments)
        return SIMPLE[name](**arguments)
    except TypeError as error:
        raise TwoFaceError(f"mask policy '{name}': {error}") from None
