"""Photos to fill as a table: which mask and which references each has."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.serving.plan import Job, Plan, as_png, check_apart, check_output_folder, result_suffix, unused

SUFFIX = ".csv"
COLUMNS = {"image", "mask", "references"}
BETWEEN = ";"  # several references of a photo
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


def _read(path: Path) -> list[_Row]:
    """The rows of a table; its paths are relative to its folder."""
    example = "a first line image,mask,references and below it a.jpg,a-mask.png,b.jpg;c.jpg"
    try:
        require(path.stat().st_size <= MOST_BYTES, f"{path}: more than {MOST_BYTES >> 20} MB for a table")
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = set(reader.fieldnames or ())
            if not {"image", "references"} <= columns <= COLUMNS:
                raise TwoFaceError(f"{path}: columns {', '.join(sorted(columns)) or 'none'}; it needs {example}")
            rows = []
            for values in reader:
                if None in values or None in values.values() or not (values["image"] and values["references"]):
                    raise TwoFaceError(f"{path}, line {reader.line_num}: it needs {example}")
                mask = values.get("mask")
                others = tuple(path.parent / name.strip() for name in values["references"].split(BETWEEN))
                rows.append(
                    _Row(reader.line_num, path.parent / values["image"], path.parent / mask if mask else None, others)
                )
    except OSError as error:
        raise TwoFaceError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TwoFaceError(f"{path}: no table of text in UTF-8 ({error}); it needs {example}") from None
    require(bool(rows), f"{path}: no photos; it needs {example}")
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
    for row, target, png in zip(rows, targets, as_png(targets), strict=True):
        if not plan.keeps(target, png, force):
            plan.jobs.append(Job(row.image, row.references, target, row.mask, png))
    return plan
