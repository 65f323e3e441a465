"""What the judge said of a model, short enough for its file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.reading import check_file

RIGHT, WRONG = "right reference", "wrong reference"


def _short(evaluation: dict[str, Any]) -> dict[str, Any]:
    heading, above = evaluation["heading"], evaluation["right_above"].get(WRONG, {})
    kept = {key: heading[key] for key in ("split", "photos", "people", "frame", "mask", "judge")}
    means = {figure: found["value"] for figure, found in evaluation["conditions"][RIGHT].items()}
    return {
        **kept,
        "references": heading.get("references", 1),  # before it was said, there was one
        **means,
        "db_above_opencv": evaluation["db_above_opencv"],
        "above_wrong_reference": {figure: found["value"] for figure, found in above.items()},
    }


def read_figures(paths: Sequence[Path], run: str, batches: int) -> list[dict[str, Any]]:
    """The main figures of each of the judge's JSON files, with what they are about.

    Args:
        paths: of the files.
        run, batches: of the generator that they must be about.

    Raises:
        TwoFaceError: missing, not one of the judge's, or about another generator.
    """
    found = []
    for path in paths:
        check_file(path, "figures file", "`twoface evaluate` writes one, evaluation.json")
        try:
            evaluation = json.loads(path.read_text("utf-8"))
            about = evaluation["heading"]["run"], evaluation["heading"]["batches"]
            found.append(_short(evaluation))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise TwoFaceError(f"{path}: not an evaluation.json of `twoface evaluate` ({repr(error)[:200]})") from None
        if about != (run, batches):
            raise TwoFaceError(f"{path}: figures of {about[0]} after {about[1]} batches, not of {run} after {batches}")
    return found
