"""The identity network that a config names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twoface_pl.networks.identity import IdentityNetwork, load_identity


def identity_from_config(options: dict[str, Any]) -> IdentityNetwork | None:
    """As :func:`load_identity`; the synthetic one is fitted where its file is not there yet."""
    if options["name"] == "synthetic" and not Path(options["weights"]).is_file():
        from twoface_pl.training.fit_synthetic_identity import fit_synthetic_identity

        fit_synthetic_identity(Path(options["weights"]))
    return load_identity(options)
