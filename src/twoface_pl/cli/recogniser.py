"""The recogniser of a config: its file is that of the extra ``check`` where none is named."""

from __future__ import annotations

from typing import Any


def recogniser_from_config(config: dict[str, Any]) -> dict[str, Any]:
    """Its options, with SFace's file where the extra brings it."""
    if config["name"] != "sface" or config.get("weights"):
        return config
    from twoface_pl.faces.recogniser import packaged_sface

    path = packaged_sface()
    return config if path is None else {**config, "weights": str(path)}
