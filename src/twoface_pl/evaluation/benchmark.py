"""One table of a protocol's figures, hole by hole, and what other systems need to make their pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from twoface_pl.data.samplers import EvaluationKeys
from twoface_pl.data.triples import Triples
from twoface_pl.evaluation.compared import Compared, ComparedPictures, training_of
from twoface_pl.evaluation.conditions import OCCLUDED, RIGHT, WRONG
from twoface_pl.evaluation.evaluator import EvaluateOptions
from twoface_pl.evaluation.occlusion import Occluder
from twoface_pl.evaluation.report import FIGURES_FILE
from twoface_pl.faces.files import write_text
from twoface_pl.faces.image import write_image
from twoface_pl.networks.checkpoint import TrainedGenerator

TABLE_FILE, RESULTS_FILE = "results.md", "results.json"
# Figure by its name in the report, heading, and how it is written.
MEANS = {
    "psnr_db": ("PSNR, dB", ".2f"),
    "ssim": ("SSIM", ".3f"),
    "st_lpips": ("ST-LPIPS", ".3f"),
    "lpips": ("LPIPS", ".3f"),
}


def write_inputs(triples: Triples, folder: Path) -> int:
    """What any system fills from, as PNG: photos with grey in the hole, masks, and references of three kinds.

    Args:
        triples: of a list of trials.
        folder: gets ``photo``, ``mask`` (white is the hole), ``reference``, ``wrong_reference`` and
            ``occluded_reference``, each as ``<person>/<photo>.png``, named after the photo.

    Returns:
        how many photos there are.
    """
    occlude = Occluder(triples.source, triples.split)
    keys = list(EvaluationKeys(len(triples)))
    for key in tqdm(keys, desc=f"writing {folder.name}", unit="photo", mininterval=1):
        target = triples.targets[key[1]]
        triple = triples[key]
        photo, mask = triple["photo"].numpy(), triple["mask"].numpy()
        reference = triple["references"][0].numpy()
        person, files = target.partition("/")[0], triples.evaluation_references(target)
        pictures = {
            "photo": np.where(mask[..., None], np.uint8(128), photo),
            "mask": np.repeat(mask[..., None] * np.uint8(255), 3, axis=2),
            "reference": reference,
            "wrong_reference": triple["wrong_references"][0].numpy(),
            "occluded_reference": occlude(f"{person}/{files[0]}", reference),
        }
        for name, pixels in pictures.items():
            write_image(folder / name / ComparedPictures.name_of(target), pixels)
    return len(keys)


def done_before(
    folder: Path, trained: TrainedGenerator, options: EvaluateOptions, against: Compared | None
) -> dict[str, Any] | None:
    """A hole's figures of a run that was stopped; None where there are none, or of something else."""
    try:
        figures: dict[str, Any] = json.loads((folder / FIGURES_FILE).read_text("utf-8"))
        heading = figures["heading"]
    except (OSError, ValueError, KeyError):
        return None
    assert options.trials is not None
    wanted = {
        **training_of(trained),
        "photos": len(options.trials.by_target),
        "mask": options.mask,
        "trials": options.trials.sha256,
        "judge": options.recogniser["name"],
        "compared": against.about if against is not None else None,
    }
    same = all(heading.get(key) == value for key, value in json.loads(json.dumps(wanted)).items())
    asked = [name for name in ("lpips", "vgg", "inception") if getattr(options, name) is not None]
    measured = {"lpips": "LPIPS", "vgg": "real or fake", "inception": "FID, KID"}
    return figures if same and not any(measured[name] in figures["skipped"] for name in asked) else None


def result_rows(figures: dict[str, Any]) -> list[list[str]]:
    """A hole's table: a row for each way to fill it; the first row is the head."""
    means = {name: how for name, how in MEANS.items() if name in next(iter(figures["conditions"].values()))}
    judged = next((found for found in figures["verification"].values() if "conditions" in found), None)
    likeness = next((name for name in figures["conditions"][RIGHT] if name.startswith("judge")), None)
    gaze, spread = figures["gaze"], figures["distribution"]
    head = ["", *(title for title, _ in means.values())]
    head += ["likeness"] * (likeness is not None) + ["verified"] * (judged is not None)
    head += ["gaze"] * (gaze is not None) + ["FID", "1000 KID"] * (spread is not None)
    rows = [head]
    for name, values in figures["conditions"].items():
        row = [name, *(format(values[figure]["value"], how) for figure, (_, how) in means.items())]
        if likeness is not None:
            row.append(format(values[likeness]["value"], ".3f"))
        if judged is not None:
            row.append(format(judged["conditions"][name]["of_untouched"]["value"], ".0%"))
        if gaze is not None:
            row.append(format(gaze["conditions"][name]["value"], ".3f"))
        if spread is not None:
            row += [f"{spread[name]['fid']:.1f}", f"{1000 * spread[name]['kid']:.2f}"]
        rows.append(row)
    return rows


def _above(figures: dict[str, Any], condition: str) -> str:
    found = figures["right_above"].get(condition)
    if found is None:
        return "not measured"
    psnr = found["psnr_db"]
    return f"{psnr['value']:+.2f} dB [{psnr['low']:+.2f}, {psnr['high']:+.2f}]"


def markdown(protocol: dict[str, Any], by_hole: dict[str, dict[str, Any]]) -> str:
    """The results as a page."""
    heading = next(iter(by_hole.values()))["heading"]
    lines = [
        f"# {protocol['name']}, version {protocol['version']}",
        "",
        f"{heading['photos']} trials of {heading['people']} people; list {heading['trials'][:12]}, framed photos "
        f"{protocol['framed'][:12]}. Ours: run {heading['run']}. Judge: {heading['judge']}.",
    ]
    for hole, figures in by_hole.items():
        head, *rows = result_rows(figures)
        lines += ["", f"## {hole}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        lines += [
            "",
            f"The right reference is better than a wrong one by {_above(figures, WRONG)}, than the same with something "
            f"over the face by {_above(figures, OCCLUDED)} (PSNR in the hole, 95 % over people).",
        ]
    skipped = {name: reason for figures in by_hole.values() for name, reason in figures["skipped"].items()}
    lines += ["", *(f"Not measured: {name} ({reason})." for name, reason in skipped.items())]
    return "\n".join(lines) + "\n"


def write_results(protocol: dict[str, Any], by_hole: dict[str, dict[str, Any]], folder: Path) -> Sequence[Path]:
    """Write table and figures; returns their files."""
    table, results = folder / TABLE_FILE, folder / RESULTS_FILE
    write_text(table, markdown(protocol, by_hole))
    write_text(results, json.dumps({"protocol": protocol, "holes": by_hole}, indent=2) + "\n")
    return table, results
