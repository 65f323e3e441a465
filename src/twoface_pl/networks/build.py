"""From plain options to a generator."""

from __future__ import annotations

from typing import Any

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.networks.generator import Generator
from twoface_pl.networks.ours import AttentionGenerator
from twoface_pl.networks.seed import SeedGenerator


def build_generator(options: dict[str, Any]) -> Generator:
    """A generator from ``{"name": "ours" or "seed", **options}``.

    Raises:
        TwoFaceError: no such generator or option, or weights that cannot be had.
    """
    kinds: dict[str, type[Generator]] = {kind.name: kind for kind in (AttentionGenerator, SeedGenerator)}
    require(isinstance(options, dict), f"generator={options!s:.80} is no set of options")
    arguments = dict(options)
    name = arguments.pop("name", None)
    if not isinstance(name, str) or name not in kinds:
        raise TwoFaceError(f"generator '{name}' is not known; there are: {', '.join(kinds)}")
    try:
        return kinds[name](**arguments)
    except TypeError as error:
        raise TwoFaceError(f"generator '{name}': {error}") from None
