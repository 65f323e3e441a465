"""One table of a protocol's figures, hole by hole, and what other systems need to make their pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.compared import Compared, require_fit
from twoface_pl.evaluation.evaluate import evaluate
from twoface_pl.evaluation.evaluator import EvaluateOptions
from twoface_pl.evaluation.made_from import MADE_FROM, done_before, made_from
from twoface_pl.evaluation.names import AGAINST, OCCLUDED, RIGHT, WRONG
from twoface_pl.evaluation.report import skipped_of, write_report
from twoface_pl.evaluation.verification import FALSE_ACCEPTS
from twoface_pl.faces.files import write_text
from twoface_pl.faces.frame import FrameKind
from twoface_pl.masks import build_mask_policy
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.identity import IdentityNetwork

TABLE_FILE, RESULTS_FILE = "results.md", "results.json"
# Figure by its name in the report, heading, and how it is written.
MEANS = {
    "psnr_db": ("PSNR, dB", ".2f"),
    "ssim": ("SSIM", ".3f"),
    "st_lpips": ("ST-LPIPS", ".3f"),
    "lpips": ("LPIPS", ".3f"),
}


def _interval(figure: dict[str, float], digits: int = 3) -> str:
    return f"{figure['value']:.{digits}f} ± {(figure['high'] - figure['low']) / 2:.{digits}f}"


def _columns(figures: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What was measured: by heading, each condition's figure as it is written."""
    conditions = figures["conditions"]
    columns = {
        title: {name: format(values[figure]["value"], how) for name, values in conditions.items()}
        for figure, (title, how) in MEANS.items()
        if figure in conditions[RIGHT]
    }
    if "judge_to_truth" in conditions[RIGHT]:
        likeness = {name: format(values["judge_to_truth"]["value"], ".3f") for name, values in conditions.items()}
        columns["likeness"] = likeness
    judge = figures["verification"].get(f"{figures['heading']['judge']}, {FALSE_ACCEPTS[0]:.1%} false accepts", {})
    if "conditions" in judge:
        verified = judge["conditions"]
        columns["verified"] = {name: format(verified[name]["of_untouched"]["value"], ".0%") for name in conditions}
    if figures["gaze"] is not None:
        gaze = figures["gaze"]
        columns[f"gaze, {gaze['photos']} photos"] = {name: _interval(gaze["conditions"][name]) for name in conditions}
    if figures["told_apart"] is not None:
        columns["told"] = {name: format(figures["told_apart"][name], ".2f") for name in conditions}
    if figures["distribution"] is not None:
        spread = figures["distribution"]
        columns["FID"] = {name: format(spread[name]["fid"], ".1f") for name in conditions}
        columns["1000 KID"] = {name: format(1000 * spread[name]["kid"], ".2f") for name in conditions}
    return columns


def result_rows(figures: dict[str, Any]) -> list[list[str]]:
    """A hole's table: a row for each way to fill it; the first row is the head."""
    columns = _columns(figures)
    rows = [[name, *(column[name] for column in columns.values())] for name in figures["conditions"]]
    return [["", *columns], *rows]


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
        if AGAINST in figures["right_above"]:
            lines += [
                "",
                f"Ours is above the compared system, both from the right reference, by {_above(figures, AGAINST)}.",
            ]
    skipped = {name: reason for figures in by_hole.values() for name, reason in skipped_of(figures).items()}
    lines += ["", *(f"Not measured: {name} ({reason})." for name, reason in skipped.items())]
    return "\n".join(lines) + "\n"


def write_results(protocol: dict[str, Any], by_hole: dict[str, dict[str, Any]], folder: Path) -> Sequence[Path]:
    """Write table and figures; returns their files."""
    table, results = folder / TABLE_FILE, folder / RESULTS_FILE
    write_text(table, markdown(protocol, by_hole))
    write_text(results, json.dumps({"protocol": protocol, "holes": by_hole}, indent=2) + "\n")
    return table, results


@dataclass(frozen=True)
class Benchmark:
    """One generator's figures under a protocol, and what is compared with it.

    Args:
        protocol: its name, version, holes, frame and image size, and the list's trials.
        folder: of its results, and of a folder for each hole.
        options: of the evaluation; each hole brings its own mask.
        trained: the generator.
        network: the identity network that losses use, where there is one.
        against: what is compared, by hole; empty: nothing.
    """

    protocol: dict[str, Any]
    folder: Path
    options: EvaluateOptions
    trained: TrainedGenerator
    network: IdentityNetwork | None
    against: Mapping[str, Compared]

    def _of_hole(self, hole: str) -> EvaluateOptions:
        return replace(self.options, mask=self.protocol["holes"][hole])

    def check(self, holes: Sequence[str]) -> None:
        """Refuse what some hole would be refused for, before any is filled.

        Raises:
            TwoFaceError: another size or frame, a hole that a generator cannot fill, pictures that are not there.
        """
        assert self.options.trials is not None
        targets = list(self.options.trials.by_target)
        size, frame = self.protocol["image_size"], FrameKind.build(self.protocol["frame"])
        require_fit(self.trained, size, frame, "the checkpoint")
        for hole in holes:
            policy = build_mask_policy(self.protocol["holes"][hole])
            self.trained.generator.check(size, policy)
            if self.against:
                self.against[hole].check(size, frame, policy, self.options.references, targets)

    def run(self, holes: Sequence[str], photos: str, force: bool) -> Sequence[Path]:
        """Measure what is not there yet, and write the table of all holes that are.

        Args:
            holes: of the protocol.
            photos: checksum of the framed photos.
            force: measure these again, and replace figures of anything else.

        Returns:
            the table's and the figures' files.

        Raises:
            TwoFaceError: as :meth:`check`; figures of something else are there.
        """
        self.check(holes)
        can_be = [hole for hole in self.protocol["holes"] if not self.against or hole in self.against]
        wanted = {hole: self._made_from(hole, photos) for hole in can_be}
        there = {hole: done_before(self.folder / hole, wanted[hole]) for hole in can_be}
        for hole in holes:
            figures, differs = there[hole]
            if figures is not None and differs and not force:
                raise TwoFaceError(
                    f"{self.folder / hole} holds figures of another {' and '.join(differs)}; set force=true to replace "
                    "them, or another output="
                )
        found = {hole: figures for hole, (figures, differs) in there.items() if figures is not None and not differs}
        for hole in holes:
            if hole in found and not force:
                print(f"there already: {self.folder / hole}", flush=True)
                continue
            print(f"\n{self.protocol['name']}, {hole}", flush=True)
            evaluation = evaluate(self.trained, self._of_hole(hole), self.network, self.against.get(hole))
            evaluation.figures[MADE_FROM] = wanted[hole]
            write_report(evaluation, self.folder / hole)
            found[hole] = evaluation.figures
        in_order = {hole: found[hole] for hole in self.protocol["holes"] if hole in found}
        return write_results({**self.protocol, "framed": photos}, in_order, self.folder)

    def _made_from(self, hole: str, photos: str) -> dict[str, str]:
        return made_from(self.trained, self._of_hole(hole), self.network, self.against.get(hole), photos)
