"""The photos that a prepared set was made of, and where their faces are in them: ``originals.json`` of each split."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twoface_pl.data.source import Source
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import write_text

ORIGINALS_FILE = "originals.json"


@dataclass(frozen=True)
class Original:
    """A photo as its owner has it, and where its face is."""

    photo: Path
    landmarks: np.ndarray  # (5, 2), the photo's pixels


def write_originals(originals: dict[str, Original], path: Path) -> None:
    """Write them, by ``identity/file``."""
    plain = {
        entry: {"photo": str(original.photo), "landmarks": original.landmarks.tolist()}
        for entry, original in sorted(originals.items())
    }
    write_text(path, json.dumps(plain, ensure_ascii=False, indent=0) + "\n")


def read_originals(source: Source, split: str) -> dict[str, Original]:
    """Each photo's original, by ``identity/file``.

    Raises:
        TwoFaceError: the set does not say, or what says it is damaged.
    """
    name = f"{split}/{ORIGINALS_FILE}"
    if not source.has(name):
        raise TwoFaceError(
            f"{source.shown(name)} is missing: the set does not say which photos it was made of; "
            "run `twoface prepare` again, with frame=tight or loose"
        )
    try:
        return {
            entry: Original(Path(value["photo"]), np.array(value["landmarks"], np.float64).reshape(5, 2))
            for entry, value in json.loads(source.read(name)).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TwoFaceError(f"{source.shown(name)} is damaged; run `twoface prepare` again") from None
