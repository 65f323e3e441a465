"""The recogniser of a config, and where its file is."""

from __future__ import annotations

from typing import Any


def recogniser_from_config(config: dict[str, Any]) -> dict[str, Any]:
    """Its options, with SFace's file as :func:`sface_file` finds it."""
    if config["name"] != "sface":
        return config
    from twoface_pl.faces.recogniser import sface_file

    path = sface_file(config.get("weights"))
    return {**config, "weights": None if path is None else str(path)}
