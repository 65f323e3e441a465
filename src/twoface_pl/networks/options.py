"""Checks of options, which come from configs, checkpoints and exported files alike."""

from __future__ import annotations

import math

from twoface_pl.errors import require


def _bounds(least: float, most: float) -> str:
    return f"from {least:.12g}" + (f" to {most:.12g}" if most < math.inf else "")


def require_whole(name: str, value: object, least: int, most: float = math.inf) -> None:
    """Refuse what is no whole number from ``least`` to ``most``; True and 3.0 are none.

    Raises:
        TwoFaceError: names the option.
    """
    good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    require(good, f"{name}={value!s:.80} is not a whole number {_bounds(least, most)}")


def require_number(name: str, value: object, least: float = 0.0, most: float = math.inf) -> None:
    """Refuse what is no finite number from ``least`` to ``most``.

    Raises:
        TwoFaceError: names the option.
    """
    good = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    require(good and value != math.inf, f"{name}={value!s:.80} is not a number {_bounds(least, most)}")
