"""What comes of a preparation, step by step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from twoface_pl.data_prep.identities import Identities
from twoface_pl.data_prep.layout import Placed
from twoface_pl.data_prep.photos import Values
from twoface_pl.data_prep.sources import Listing, Reject

REJECTS_FILE = "rejects.csv"


@dataclass
class PrepareResult:
    """What came of it."""

    listing: Listing
    found: dict[str, Values] = field(default_factory=dict)  # detections, by photo
    framed: dict[str, Values] = field(default_factory=dict)  # alignments, by photo
    files: dict[str, Path] = field(default_factory=dict)  # framed photos
    identities: Identities | None = None  # None: no recogniser
    placed: Placed = field(default_factory=Placed)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def people(self) -> Counter[str]:
        """How many, by split."""
        return self.placed.people()

    @property
    def photos(self) -> Counter[str]:
        """How many, by split."""
        return self.placed.photos()
