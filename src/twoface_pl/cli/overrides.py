"""Overrides as Hydra's grammar wants them."""

from __future__ import annotations

import re
from pathlib import Path


def override(key: str, value: Path) -> str:
    """``key=value``, in quotes where the path has characters that mean something to Hydra."""
    text = str(value)
    if not re.fullmatch(r"[\w./-]+", text, re.ASCII):
        text = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"{key}={text}"
