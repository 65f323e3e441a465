"""Photos to fill as a table: which mask and which references each has."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.serving.plan import (
    Job,
    Plan,
    as_png,
    check_apart,
    check_output_folder,
    comparisons,
    result_suffix,
    unused,
)
from twoface_pl.serving.spreadsheets import SEPARATORS, decoded, separator

SUFFIX = ".csv"
COLUMNS = {"image", "mask", "references"}
BETWEEN = ";"  # several references of a photo
EXAMPLE = "a first line image,mask,references and below it a.jpg,a-mask.png,b.jpg;c.jpg"
MOST_BYTES = 2**26


@dataclass(frozen=True)
class _Row:
    image: Path
    mask: Path | None
    references: tuple[Path, ...]


def is_table(path: Path) -> bool:
    """Whether a path is a table's by its name."""
    return path.suffix.lower() == SUFFIX


def _place(table: Path, name: str) -> Path:
    """A path of a table: from its folder, from somebody's own, or from the root."""
    return table.parent / os.path.expanduser(name)


def _rows(text: str, path: Path) -> Iterator[dict[str, str]]:
    """Lines by columns in lower case; blank ones are no rows.

    Raises:
        TwoFaceError: a column that is not known or is missing, or a line of more fields than columns.
    """
    between, is_told = separator(text)
    require(between in SEPARATORS, f"{path}: columns are not separated by {between!r}; use commas")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=between)
    if is_told:
        next(reader)
    columns = [name.strip().casefold() for name in _next(reader, path) or []]
    if not {"image", "references"} <= set(columns) <= COLUMNS or len(set(columns)) < len(columns):
        unknown = sorted(set(columns) - COLUMNS)
        which = f", of which {', '.join(unknown)} is not known" if unknown else ""
        raise TwoFaceError(f"{path}: columns {', '.join(columns) or 'none'}{which}; it needs {EXAMPLE}")
    while (fields := _next(reader, path)) is not None:
        values = [value.strip() for value in fields]
        if not any(values):
            continue
        where = f"{path}, line {reader.line_num}"
        told = f"{where}: {len(values)} fields for {len(columns)} columns; a name with {between} in it stands in quotes"
        require(len(values) <= len(columns), told)
        found = dict(zip(columns, values, strict=False))
        for name in ("image", "references"):
            require(bool(found.get(name)), f"{where}: no {name}; it needs {EXAMPLE}")
        yield found


def _next(reader: Any, path: Path) -> list[str] | None:
    """A line's fields; None behind the last."""
    line = reader.line_num + 1
    try:
        return next(reader, None)
    except csv.Error as error:
        raise TwoFaceError(f"{path}, from line {line} on: {error}; is a quote not closed?") from None


def _read(path: Path) -> list[_Row]:
    """The rows of a table; its paths are relative to its folder."""
    try:
        require(path.stat().st_size <= MOST_BYTES, f"{path}: more than {MOST_BYTES >> 20} MB for a table")
        text = decoded(path.read_bytes())
    except OSError as error:
        raise TwoFaceError(f"{path}: cannot be read ({error.strerror})") from None
    if text is None:
        raise TwoFaceError(f"{path}: no text in UTF-8; save it as CSV UTF-8")
    rows = []
    for values in _rows(text, path):
        mask = values.get("mask")
        names = [name.strip() for name in values["references"].split(BETWEEN)]
        others = tuple(_place(path, name) for name in names if name)
        rows.append(_Row(_place(path, values["image"]), _place(path, mask) if mask else None, others))
    require(bool(rows), f"{path}: no photos; it needs {EXAMPLE}")
    return rows


def _names(rows: list[_Row], folder: Path, suffixes: Callable[[Path], str]) -> list[Path]:
    """Of results: the photos' paths from the table's folder on, with the mask's name where a photo has several masks.

    They say nothing of the line: a table that gains rows has the results of before under the same names.
    """
    places = [Path(os.path.relpath(row.image, folder)) for row in rows]
    within = [Path(*(part for part in place.parts if part != "..")) for place in places]
    names = [(place if place.name else Path("photo")).with_suffix(suffixes(place)) for place in within]
    counts = Counter(str(name).casefold() for name in names)
    masks = [f"-{row.mask.stem}" if row.mask is not None else "" for row in rows]
    return [
        name.with_stem(name.stem + mask) if counts[str(name).casefold()] > 1 else name
        for name, mask in zip(names, masks, strict=True)
    ]


def plan_table(path: Path, output: Path, force: bool = False, suffixes: Callable[[Path], str] = result_suffix) -> Plan:
    """One job for each row of a CSV file of ``image``, ``mask`` (may be left out) and ``references`` (several between
    semicolons).

    Results lie in the folder ``output`` under the photos' paths from the table's folder on; where a photo stands in
    several rows, with the mask's name.

    Raises:
        TwoFaceError: no such table, or a row that is not complete; says which line.
    """
    check_output_folder(output, "table")
    rows = _read(path)
    taken: set[str] = set()
    targets = [unused(output / name, taken) for name in _names(rows, path.parent, suffixes)]
    masks = [row.mask for row in rows if row.mask is not None]
    check_apart(targets, [*(path for row in rows for path in (row.image, *row.references)), *masks])
    plan = Plan()
    pngs = as_png(targets)
    for row, target, png, compared in zip(rows, targets, pngs, comparisons(targets, pngs), strict=True):
        if not plan.keeps(target, png, force):
            plan.jobs.append(Job(row.image, row.references, target, row.mask, png, compared))
    return plan
