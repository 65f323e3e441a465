"""Where the faces of a prepared set's photos are: ``landmarks.txt`` in a split's folder.

Lines of ``identity/file:x,y,x,y,...``: five points, as shares of the frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twoface_pl.data.index import read_lines, write_lines
from twoface_pl.data.names import Lists, Names, as_array
from twoface_pl.data.source import Source
from twoface_pl.errors import TwoFaceError

LANDMARKS_FILE = "landmarks.txt"
NUMBERS = 10  # of a line
LINES_AT_ONCE = 5_000  # their texts take ten times the room of their numbers
PRINTED = len("0.1234,")  # a number as `prepare` writes it, which is read without a look at each
PLACES = np.array([1e4, 0, 1e3, 1e2, 1e1, 1])  # of its characters


@dataclass(frozen=True)
class Landmarks(Mapping[str, np.ndarray]):
    """Five points (5, 2) by ``identity/file``."""

    names: Names
    points: np.ndarray  # float32 (N, 5, 2), as shares of the frame

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, entry: str) -> np.ndarray:
        row = self.names.row(entry)
        if row < 0:
            raise KeyError(entry)
        return self.points[row].astype(np.float64)


def read_landmarks(source: Source, split: str) -> Landmarks:
    """Each photo's landmarks; none where there is no such file.

    Raises:
        TwoFaceError: a malformed line.
    """
    name = f"{split}/{LANDMARKS_FILE}"
    lists = Lists(read_lines(source, name) if source.has(name) else Names.of(()))
    points = np.empty((len(lists), NUMBERS), np.float32)
    for first in range(0, len(lists), LINES_AT_ONCE):
        rows = np.arange(first, min(first + LINES_AT_ONCE, len(lists)))
        points[rows], is_read = _printed(lists, rows)
        for row in rows[~is_read].tolist():
            numbers = _numbers(lists.parts(row))
            if lists.names.length[row] <= 0 or numbers is None:
                line = f"line {lists.lines.line(row)}: '{lists.lines[row][:80]}'"
                raise TwoFaceError(f"{source.shown(name)}, {line} has no five points; run prepare again")
            points[row] = numbers
    return Landmarks(lists.names, points.reshape(-1, 5, 2))


def _printed(lists: Lists, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers (N, 10) of lines that are written as `prepare` does, of numbers from 0 to 9; which lines are."""
    text, size = as_array(lists.lines.text), NUMBERS * PRINTED  # with the line's end
    if len(text) < size:
        return np.zeros((len(rows), NUMBERS)), np.zeros(len(rows), bool)
    before = lists.names.length[rows].astype(np.int64)
    is_read = (before > 0) & (lists.lines.length[rows] - before == size)
    first = np.where(is_read, lists.lines.first[rows] + before + 1, 0)
    windows = np.lib.stride_tricks.sliding_window_view(text, size)
    characters = windows[np.minimum(first, len(windows) - 1)].reshape(-1, NUMBERS, PRINTED)
    digits = characters - np.uint8(ord("0"))  # what is less becomes large
    is_read &= (digits[..., [0, 2, 3, 4, 5]] <= 9).all((1, 2)) & (characters[..., 1] == ord(".")).all(1)
    is_read &= (characters[:, :-1, -1] == ord(",")).all(1)
    return digits[..., :-1] @ PLACES / PLACES[0], is_read


def _numbers(text: bytes) -> np.ndarray | None:
    """The numbers of one line in any form; None where they are no ten."""
    parts = text.strip(b",").split(b",")
    try:
        with np.errstate(over="ignore"):
            numbers = np.array([float(part) for part in parts], np.float32)
    except ValueError:
        return None
    is_python = b"_" in text  # as in 1_000
    return numbers if len(numbers) == NUMBERS and np.isfinite(numbers).all() and not is_python else None


def write_landmarks(landmarks: dict[str, list[list[float]]], path: Path) -> None:
    """Write each photo's five points, as shares of its frame."""
    rows = [
        f"{entry}:{','.join(f'{value:.4f}' for point in points for value in point)}"
        for entry, points in sorted(landmarks.items())
    ]
    write_lines(path, rows)
