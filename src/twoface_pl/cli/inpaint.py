"""``twoface inpaint``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from twoface_pl.cli.inpaint_options import REFERENCES, add_arguments, check_arguments
from twoface_pl.cli.several import do_all, named_lines, report
from twoface_pl.errors import TwoFaceError
from twoface_pl.model_file import REPAIR

__all__ = ["add_arguments", "run"]

if TYPE_CHECKING:
    from twoface_pl.serving.jobs import Done, JobOptions
    from twoface_pl.serving.plan import Job, Plan
    from twoface_pl.serving.repair import RepairSession


def _plan(arguments: argparse.Namespace) -> tuple[Plan, Path]:
    """What there is to do, and where it goes."""
    from twoface_pl.serving.plan import default_output, drawn_output, plan_jobs, result_suffix
    from twoface_pl.serving.table import is_table, plan_table

    image, chosen = arguments.image, arguments.output is not None
    of_table = is_table(image)
    check_arguments(arguments, of_table)
    suffixes: Callable[[Path], str] = partial(result_suffix, reencode=arguments.reencode)
    output = arguments.output
    if not chosen:
        output = image.with_name(f"{image.stem}-filled") if of_table else default_output(image, suffixes)
    if arguments.dry_run:
        output, suffixes = drawn_output(output, of_table or image.is_dir()), lambda photo: ".png"
    if of_table:
        return plan_table(image, output, arguments.force, suffixes), output
    given = arguments.reference, output, arguments.mask, arguments.force
    return plan_jobs(image, *given, suffixes, chosen, arguments.references_from), output


def _tell(plan: Plan, again: str) -> None:
    from twoface_pl.faces.listing import counted, some_of

    if plan.left_out:
        print(f"left out, not photos by their names: {some_of(plan.left_out)}", file=sys.stderr)
    if plan.kept:
        there = counted(len(plan.kept), "photo is", "photos are")
        those = "it" if len(plan.kept) == 1 else "them"
        print(f"{there} there already and kept; --force {again} {those} anew", file=sys.stderr)


def _options(arguments: argparse.Namespace, session: RepairSession, output: Path) -> JobOptions:
    """What jobs need beside their files; what is missing is said before any photo is filled."""
    from twoface_pl.serving.album import read_album
    from twoface_pl.serving.credentials import Signer
    from twoface_pl.serving.jobs import JobOptions
    from twoface_pl.serving.likeness import Likeness, find_recogniser
    from twoface_pl.serving.mask_input import MaskOptions

    signer = Signer(*arguments.sign) if arguments.sign is not None else None
    likeness = album = None
    if arguments.check or arguments.recogniser is not None:
        likeness = Likeness(find_recogniser(arguments.recogniser), session)
    if arguments.references_from is not None:
        embed = likeness.embed if likeness is not None else None
        most = arguments.references or REFERENCES
        album = read_album(arguments.references_from, session, most, embed, [output])
    return JobOptions(
        arguments.box,
        arguments.reference_box,
        arguments.force,
        arguments.reencode,
        arguments.compare,
        MaskOptions(arguments.invert, arguments.grow, arguments.mask_colour),
        album,
        likeness,
        signer,
    )


def _do_several(plan: Plan, output: Path, do: Callable[[Job], Done], jobs: int, done_to: str) -> None:
    from twoface_pl.serving.likeness import Verdict, write_table

    verdicts: dict[str, Verdict] = {}

    def do_and_note(job: Job) -> None:
        verdict = do(job).verdict
        if verdict is not None:
            verdicts[str(job.photo)] = verdict

    try:
        failures = do_all(plan, do_and_note, jobs, done_to)
    finally:  # where it is stopped too: what is done is not looked at again
        if verdicts:
            print(f"likeness to the references: {write_table(output, verdicts)}", file=sys.stderr)
    report(plan, output, failures, done_to)
    print(output)


def _do_one(job: Job, do: Callable[[Job], Done]) -> None:
    done = do(job)
    if str(done.path) != "-":
        print(done.path)
    if done.verdict is not None:
        print(f"likeness to the references {done.verdict.likeness:.2f}: {done.verdict.words}", file=sys.stderr)
        if done.verdict.remark:
            print(done.verdict.remark, file=sys.stderr)


def run(arguments: argparse.Namespace) -> int:
    with named_lines():
        return _inpaint(arguments)


def _inpaint(arguments: argparse.Namespace) -> int:
    from twoface_pl.faces.detector import usable_cores
    from twoface_pl.faces.finder import UnsureError
    from twoface_pl.serving.jobs import draw_job, run_job
    from twoface_pl.serving.repair import RepairSession
    from twoface_pl.serving.versions import find_model

    plan, output = _plan(arguments)
    _tell(plan, "draws" if arguments.dry_run else "fills")
    done_to = "drawn" if arguments.dry_run else "filled"
    if not plan.jobs:
        report(plan, output, plan.failures, done_to)
        print(output)
        return 0
    jobs = min(arguments.jobs, len(plan.jobs))
    threads = max(1, usable_cores() // jobs)
    session = RepairSession(find_model(arguments.model, REPAIR), arguments.device, threads)
    options = _options(arguments, session, output)

    def do(job: Job) -> Done:
        if arguments.dry_run:
            return draw_job(session, job, options)
        try:
            return run_job(session, job, options)
        except UnsureError as error:
            raise TwoFaceError(f"{error}; --dry-run draws it") from None

    if plan.several:
        _do_several(plan, output, do, jobs, done_to)
    else:
        _do_one(plan.jobs[0], do)
    return 0
