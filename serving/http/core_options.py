"""What the process that does the work is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MOST_SECONDS = 45  # for an answer, or a batch of them; the largest photos take ten on a slow core
BATCH = 8  # requests answered together


@dataclass(frozen=True)
class CoreOptions:
    """How the work is done.

    Args:
        model: the generator's file.
        device: cpu, cuda or auto.
        batch: pictures that are filled at once.
        most_bytes: of an inflated body.
        most_pixels: of a picture that people send.
        seconds: that one answer, or a batch of them, may take.
    """

    model: Path
    device: str = "auto"
    batch: int = BATCH
    most_bytes: int = 80_000_000
    most_pixels: int = 50_000_000
    seconds: float = MOST_SECONDS
