"""From plain options to a generator, ours or another package's."""

from __future__ import annotations

from typing import Any

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.networks.generator import Generator
from twoface_pl.networks.ours import AttentionGenerator
from twoface_pl.networks.seed import SeedGenerator
from twoface_pl.plugins import call_plugin, load_plugin, plugin_names

PLURAL = "generators"
OWN: dict[str, type[Generator]] = {kind.name: kind for kind in (AttentionGenerator, SeedGenerator)}


def build_generator(options: dict[str, Any]) -> Generator:
    """A generator from ``{"name": "ours" or "seed", **options}``, or by a name that an installed package declares.

    Raises:
        TwoFaceError: no such generator or option, or weights that cannot be had.
    """
    require(isinstance(options, dict), f"generator={options!s:.80} is no set of options")
    arguments = dict(options)
    name = arguments.pop("name", None)
    kind = (load_plugin(PLURAL, name, OWN) or OWN.get(name)) if isinstance(name, str) else None
    if kind is None:
        raise TwoFaceError(f"generator '{name}' is not known; there are: {', '.join([*OWN, *plugin_names(PLURAL)])}")
    is_generator = isinstance(kind, type) and issubclass(kind, Generator)
    require(is_generator, f"generator '{name}': {kind} is no subclass of twoface_pl.networks.generator.Generator")
    if name not in OWN:
        return call_plugin(f"generator '{name}'", kind, **arguments)
    try:
        return kind(**arguments)
    except TypeError as error:
        raise TwoFaceError(f"generator '{name}': {error}") from None
