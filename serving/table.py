"""Photos to fill as a table: which mask and which references each has."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

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

SUFFIX = ".csv"
COLUMNS = {"image", "mask", "references"}
BETWEEN = ";"  # several references of a photo
SEPARATORS = (",", ";", "\t")  # of columns, as spreadsheets of one country or another write them
EXAMPLE = "a first line image,mask,references and below it a.jpg,a-mask.png,b.jpg;c.jpg"
MOST_BYTES = 2**26


@dataclass(frozen=True)
class _Row:
    line: int
    image: Path
    mask: Path | None
    references: tuple[Path, ...]


def is_table(path: Path) -> bool:
    """Whether a path is a table's by its name."""
    return path.suffix.lower() == SUFFIX


def _rows(stream: TextIO, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Lines with their numbers, by columns in lower case; blank ones are no rows.

    Raises:
        TwoFaceError: a column that is not known or is missing, or a line of more fields than columns.
    """
    first = stream.readline()
    stream.seek(0)
    between = next((sign for sign in SEPARATORS if sign in first), SEPARATORS[0])
    reader = csv.reader(stream, strict=True, delimiter=between)
    columns = [name.strip().casefold() for name in next(reader, [])]
    if not {"image", "references"} <= set(columns) <= COLUMNS or len(set(columns)) < len(columns):
        raise TwoFaceError(f"{path}: columns {', '.join(columns) or 'none'}; it needs {EXAMPLE}")
    for fields in reader:
        values = [value.strip() for value in fields]
        if not any(values):
            continue
        where = f"{path}, line {reader.line_num}"
        told = f"{where}: {len(values)} fields for {len(columns)} columns; a name with {between} in it stands in quotes"
        require(len(values) <= len(columns), told)
        found = dict(zip(columns, values, strict=False))
        for name in ("image", "references"):
            require(bool(found.get(name)), f"{where}: no {name}; it needs {EXAMPLE}")
        yield reader.line_num, found


def _read(path: Path) -> list[_Row]:
    """The rows of a table; its paths are relative to its folder."""
    try:
        require(path.stat().st_size <= MOST_BYTES, f"{path}: more than {MOST_BYTES >> 20} MB for a table")
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = []
            for line, values in _rows(stream, path):
                mask = values.get("mask")
                names = [name.strip() for name in values["references"].split(BETWEEN)]
                others = tuple(path.parent / name for name in names if name)
                rows.append(_Row(line, path.parent / values["image"], path.parent / mask if mask else None, others))
    except OSError as error:
        raise TwoFaceError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TwoFaceError(f"{path}: no table of text in UTF-8 ({error}); it needs {EXAMPLE}") from None
    require(bool(rows), f"{path}: no photos; it needs {EXAMPLE}")
    return rows


def plan_table(path: Path, output: Path, force: bool = False, suffixes: Callable[[Path], str] = result_suffix) -> Plan:
    """One job for each row of a CSV file of ``image``, ``mask`` (may be left out) and ``references`` (several between
    semicolons).

    Results lie in the folder ``output`` under the photos' names; where several rows would have one, with the line's
    number.

    Raises:
        TwoFaceError: no such table, or a row that is not complete; says which line.
    """
    check_output_folder(output, "table")
    rows = _read(path)
    names = [row.image.with_suffix(suffixes(row.image)).name for row in rows]
    counts = Counter(name.casefold() for name in names)
    taken = {str(output / name).casefold() for name in names if counts[name.casefold()] == 1}
    targets = [
        output / name
        if counts[name.casefold()] == 1
        else unused(output / f"{Path(name).stem}-line{row.line}{Path(name).suffix}", taken)
        for row, name in zip(rows, names, strict=True)
    ]
    masks = [row.mask for row in rows if row.mask is not None]
    check_apart(targets, [*(path for row in rows for path in (row.image, *row.references)), *masks])
    plan = Plan()
    pngs = as_png(targets)
    for row, target, png, compared in zip(rows, targets, pngs, comparisons(targets, pngs), strict=True):
        if not plan.keeps(target, png, force):
            plan.jobs.append(Job(row.image, row.references, target, row.mask, png, compared))
    return plan
