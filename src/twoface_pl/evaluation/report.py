"""The report of an evaluation: JSON, every photo's figures, a picture, a page, and a table for the terminal."""

from __future__ import annotations

import csv
import html
import io
import json
from pathlib import Path
from typing import Any

from twoface_pl.evaluation.colour import COLOUR_FIGURES
from twoface_pl.evaluation.evaluate import Evaluation
from twoface_pl.evaluation.names import RIGHT
from twoface_pl.evaluation.picture import picture_grid
from twoface_pl.evaluation.placement import FINE, MISPLACED, REFUSED
from twoface_pl.faces.files import write_text
from twoface_pl.faces.image import write_image

FULL_SIZE_FILE = "full_size.jpg"  # of photos at their own size, if those were measured
NOT_COMPARED = ("energy_", "rim")  # of figures: best at 1, the untouched photo's
FIGURES_FILE = "evaluation.json"  # written last: where it is, the rest is too

Rows = list[list[str]]  # of a table; the first is its head


def _interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _photos_of_people(counts: dict[str, Any]) -> str:
    photos, people = counts["photos"], counts["people"]
    return f"{photos} {'photo' if photos == 1 else 'photos'} of {people} {'person' if people == 1 else 'people'}"


def _policy(options: dict[str, Any]) -> str:
    """A policy's name and options in words: ``center, size 64``."""
    named = [str(options["name"])] if "name" in options else []
    others = [
        f"{name} ({_policy(value)})" if isinstance(value, dict) else f"{name} {value}"
        for name, value in options.items()
        if name != "name"
    ]
    return ", ".join([*named, *others])


def where(figures: dict[str, Any]) -> str:
    """What every figure is about: photos, frame, mask policy."""
    heading = figures["heading"]
    references = "1 reference" if heading["references"] == 1 else f"{heading['references']} references"
    damaged = f", placement {heading['placement']}, paint {heading['paint']}" if "placement" in heading else ""
    return (
        f"{_photos_of_people(heading)}, split {heading['split']}, {heading['image_size']} px, "
        f"frame {heading['frame']}, {references}, mask {_policy(heading['mask'])}{damaged}"
    )


def condition_rows(summary: dict[str, Any]) -> Rows:
    """Means of each condition."""
    columns = list(summary["conditions"][RIGHT])
    rows = [[name, *(f"{values[column]['value']:.3f}" for column in columns)]
            for name, values in summary["conditions"].items()]  # fmt: skip
    return [["", *columns], *rows]


def difference_rows(summary: dict[str, Any]) -> Rows:
    """How much better the right reference is, with intervals and the share of photos it wins."""
    columns = list(next(iter(summary["right_above"].values())))
    rows = [
        [name, *(f"{_interval(values[column])} {values[column]['wins']:.0%}" for column in columns)]
        for name, values in summary["right_above"].items()
    ]
    return [["right reference above", *columns], *rows]


def verification_rows(verification: dict[str, Any]) -> Rows:
    """Share of untouched photos' rate, and false accepts."""
    rows = [
        [name, _interval(values["of_untouched"]), _interval(values["false_accepts"])]
        for name, values in verification["conditions"].items()
    ]
    return [["", "of the untouched photos' rate", "false accepts"], *rows]


def skin_rows(skin: dict[str, Any]) -> Rows:
    """Mean and 95th percentile of each condition, by tercile of skin tone."""
    conditions = list(next(iter(skin.values()))["conditions"])
    head = ["", *(f"{name}: {figure}" for name in conditions for figure in ("mean", "95th percentile"))]
    rows = [
        [
            f"{tercile}, ITA {values['ita'][0]:.0f} to {values['ita'][1]:.0f}, {values['photos']} photos",
            *(_interval(values["conditions"][name][figure]) for name in conditions for figure in COLOUR_FIGURES),
        ]
        for tercile, values in skin.items()
    ]
    return [head, *rows]


def placement_rows(placement: dict[str, Any]) -> Rows:
    """Shares of photos, and what the true placement is better by."""
    lost = {f"true placement above, {figure}": _interval(value) for figure, value in placement["lost"].items()}
    shares = {name: f"{placement[name]:.1%}" for name in (FINE, MISPLACED, REFUSED)}
    return [["", "share, or by how much"], *([name, value] for name, value in (shares | lost).items())]


def distribution_rows(distribution: dict[str, Any]) -> Rows:
    """FID and KID of each condition; lower is better."""
    rows = [[name, f"{of['fid']:.2f}", f"{1000 * of['kid']:.2f}"] for name, of in distribution.items()]
    return [["", "FID", "1000 KID"], *rows]


def _verification_tables(verifications: dict[str, Any]) -> list[tuple[str, Rows]]:
    tables = []
    for name, found in verifications.items():
        if "conditions" in found:
            title = (
                f"verification by {name} on untouched photos: {found['photos']} photos, threshold "
                f"{found['threshold']:.3f}, {found['people_left_out']} people with too few photos left out"
            )
            tables.append((title, verification_rows(found)))
    return tables


def _full_size_tables(summary: dict[str, Any]) -> list[tuple[str, Rows]]:
    """As at the generator's size; energy and gradient at the hole's edge are shares of the untouched photo's."""
    least, middle, most = summary["sides"]
    compared = {
        name: {figure: value for figure, value in values.items() if not figure.startswith(NOT_COMPARED)}
        for name, values in summary["right_above"].items()
    }
    shares = [[figure, f"{share:.1%}"] for figure, share in summary["of_enlarged"].items()]
    return [
        (f"at the photos' own size, {least} to {most} px, {middle} in the middle", condition_rows(summary)),
        ("", difference_rows({**summary, "right_above": compared})),
        ("at the photos' own size, distance to the photo as a share of the enlarged fill's", [["", "share"], *shares]),
        *((f"at the photos' own size, {title}", rows) for title, rows in _verification_tables(summary["verification"])),
    ]


def told_apart_rows(told_apart: dict[str, float]) -> Rows:
    """How often each condition's fills are told from photos."""
    return [["", "told apart"], *([name, f"{share:.3f}"] for name, share in told_apart.items())]


def gaze_rows(gaze: dict[str, Any]) -> Rows:
    """How far the pupils are off, in eye distances."""
    return [["", "pupils are off"], *([name, _interval(value)] for name, value in gaze["conditions"].items())]


def _tables(figures: dict[str, Any]) -> list[tuple[str, Rows]]:
    """Every table with its title."""
    tables = []
    for bucket, summary in figures["buckets"].items():
        title = f"hole ratio {bucket}: {_photos_of_people(summary)}"
        tables += [(title, condition_rows(summary)), ("", difference_rows(summary))]
    if figures["placement"]:
        tables.append(("the face as it is found in the damaged photo", placement_rows(figures["placement"])))
    if figures["skin"]:
        title = "colour by skin tone: CIEDE2000 in the hole, low-passed; lower is better"
        tables.append((title, skin_rows(figures["skin"])))
    if figures["gaze"]:
        count = figures["gaze"]["photos"]
        title = f"gaze: pupils against the photo's, in eye distances, of {count} photos; lower is better"
        tables.append((title, gaze_rows(figures["gaze"])))
    if figures["told_apart"]:
        title = "told from photos by VGG16's features about the hole: 0.5 is chance, 1 always"
        tables.append((title, told_apart_rows(figures["told_apart"])))
    tables += _verification_tables(figures["verification"])
    if figures["full_size"]:
        tables += _full_size_tables(figures["full_size"])
    if figures["distribution"]:
        tables.append(("all fills against all photos", distribution_rows(figures["distribution"])))
    return tables


def skipped_of(figures: dict[str, Any]) -> dict[str, str]:
    """What was not measured, and why."""
    skipped: dict[str, str] = dict(figures["skipped"])
    for name, verification in figures["verification"].items():
        if "skipped" in verification:
            skipped[f"verification by {name}"] = verification["skipped"]
    return skipped


def skipped_lines(figures: dict[str, Any]) -> list[str]:
    return [f"skipped: {name}: {reason}" for name, reason in skipped_of(figures).items()]


def _aligned(rows: Rows) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        row[0].ljust(widths[0])
        + "".join(cell.rjust(width + 2) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]


def table(figures: dict[str, Any]) -> str:
    """The figures as aligned text."""
    lines = [where(figures)]
    for title, rows in _tables(figures):
        lines += ["", *([title] if title else []), *_aligned(rows)]
    verdict = f"above OpenCV {figures['db_above_opencv']:+.2f} dB"
    if figures["db_right_above_wrong_reference"] is not None:
        verdict += (
            f", right above wrong reference {figures['db_right_above_wrong_reference']:+.2f} dB "
            f"(better on {figures['share_right_reference_wins']:.0%} of the photos)"
        )
    return "\n".join([*lines, "", *skipped_lines(figures), verdict])


STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; padding: 0 1rem; color: #222 }
table { display: block; overflow-x: auto; border-collapse: collapse; margin: .6rem 0; font-size: 13px }
td, th { padding: .15rem .8rem .15rem 0; white-space: nowrap } td:not(:first-child), th { text-align: right }
tr:first-child { border-bottom: 1px solid #aaa } h2 { font-size: 1.2rem }
img { display: block; max-width: 100%; margin: .4rem 0 } .note { color: #555 }
"""


def _html_table(rows: Rows) -> str:
    lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def page(figures: dict[str, Any]) -> str:
    """The report as a page, which shows the pictures that lie beside it."""
    parts = [f"<h1>Evaluation</h1><p>{html.escape(where(figures))}</p>"]
    for title, rows in _tables(figures):
        parts += [f"<h2>{html.escape(title)}</h2>" if title else "", _html_table(rows)]
    parts += [f'<p class="note">{html.escape(line)}</p>' for line in skipped_lines(figures)]
    cases = "; ".join(f"{name}: {photo}" for photo, name in figures["cases"].items())
    parts.append("<h2>Best, median and worst photos, by PSNR in the hole</h2>")
    parts.append('<img src="evaluation.png" alt="best, median and worst photos">')
    parts.append(f'<p class="note">From the top: {html.escape(cases)}</p>')
    if figures["full_size"]:
        parts.append("<h2>Best, median and worst photo at full size</h2>")
        parts.append(f'<img src="{FULL_SIZE_FILE}" alt="best, median and worst photo at full size">')
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Evaluation</title>'
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _csv(photos: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(photos[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(photos)
    return text.getvalue()


def write_report(evaluation: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write ``evaluation.json``, ``.csv``, ``.png`` and ``.html`` into a folder; returns figures and page."""
    figures, shown = folder / FIGURES_FILE, folder / "evaluation.html"
    write_text(folder / "evaluation.csv", _csv(evaluation.photos))
    write_image(folder / "evaluation.png", picture_grid(evaluation.examples, rows=len(evaluation.figures["cases"])))
    if evaluation.full_size_examples is not None:
        columns = evaluation.full_size_examples
        side = next(iter(columns.values())).shape[1]
        write_image(folder / FULL_SIZE_FILE, picture_grid(columns, side), quality=90)
    write_text(shown, page(evaluation.figures))
    write_text(figures, json.dumps(evaluation.figures, indent=2) + "\n")
    return figures, shown
