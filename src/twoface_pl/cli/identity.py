"""The identity network that a config names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twoface_pl.networks.identity import IdentityNetwork


def identity_from_config(options: dict[str, Any]) -> IdentityNetwork | None:
    """As :func:`load_identity`; the synthetic one is fitted where its file is not there yet."""
    from twoface_pl.networks.identity import load_identity

    if options["name"] == "synthetic" and not Path(options["weights"]).is_file():
        from twoface_pl.training.fit_synthetic_identity import fit_synthetic_identity

        fit_synthetic_identity(Path(options["weights"]))
    return load_identity(options)
