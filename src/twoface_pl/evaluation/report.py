"""The report of an evaluation: JSON, a picture, and a table for the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twoface_pl.evaluation.evaluate import Evaluation
from twoface_pl.evaluation.picture import picture_grid
from twoface_pl.faces.files import write_text
from twoface_pl.faces.image import write_image


def table(figures: dict[str, Any]) -> str:
    """The figures as aligned text, one condition a line."""
    heading = figures["heading"]
    conditions: dict[str, dict[str, float]] = figures["conditions"]
    columns = list(next(iter(conditions.values())))
    lines = [
        f"{heading['photos']} photos of {heading['people']} people, split {heading['split']}, "
        f"{heading['image_size']} px, frame {heading['frame']}, mask {heading['mask']}",
        f"{'':22}" + "".join(f"{column:>23}" for column in columns),
    ]
    for name, values in conditions.items():
        lines.append(f"{name:22}" + "".join(f"{values[column]:23.3f}" for column in columns))
    lines.append(
        f"above OpenCV {figures['db_above_opencv']:+.2f} dB, "
        f"right above wrong reference {figures['db_right_above_wrong_reference']:+.2f} dB "
        f"(better on {figures['share_right_reference_wins']:.0%} of the photos)"
    )
    return "\n".join(lines)


def write_report(evaluation: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write ``evaluation.json`` and ``evaluation.png`` into a folder; returns their paths."""
    figures, picture = folder / "evaluation.json", folder / "evaluation.png"
    text = json.dumps(evaluation.figures, indent=2) + "\n"
    write_text(figures, text)
    write_image(picture, picture_grid(evaluation.examples))
    return figures, picture
