"""``twoface inpaint``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from twoface_pl.errors import Stopped, TwoFaceError
from twoface_pl.model_file import SHIPPED_NAME, model_path

LARGEST = 10**7  # of a box's numbers


def parse_box(text: str) -> tuple[int, ...]:
    """``x,y,width,height`` in pixels, or with an angle in degrees as a fifth number."""
    parts = text.split(",")
    try:
        numbers = tuple(int(part) for part in parts)
        if len(numbers) not in (4, 5) or max(map(abs, numbers)) > LARGEST:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text[:80]}' is not x,y,width,height in whole pixels, nor these with an angle in whole degrees"
        ) from None
    return numbers


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=model_path,
        default=SHIPPED_NAME,
        help="an ONNX file of `twoface export`, or a folder of numbered versions (%(default)s: comes with the package)",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--image", type=Path, required=True, help="the photo to fill, a folder of photos, or - (standard input)")
    add(
        "--reference",
        type=Path,
        required=True,
        nargs="+",
        metavar="PHOTO",
        help="other photos of the same person, one or several; a folder has a photo's reference under its name",
    )
    add(
        "--output",
        type=Path,
        help="where the result goes (.jpg, .png, .tiff, .webp, .bmp), a folder, or - (a PNG); if left out, beside the "
        "photo, as <name>-filled in its own format, or <folder>-filled",
    )
    add("--reencode", action="store_true", help="allow a JPEG that is encoded anew, all of it, which loses a little")
    add(
        "--mask",
        type=Path,
        help="white = hole, of the photo's size, or a folder; else what is transparent, else the model's own",
    )
    add(
        "--box",
        type=parse_box,
        metavar="X,Y,W,H[,ANGLE]",
        help="the face in the photo, brow to chin, where it is hidden or one of several, and by how many degrees it is "
        "turned clockwise; negative: --box=-5,0,90,90",
    )
    add("--reference-box", type=parse_box, metavar="X,Y,W,H[,ANGLE]", help="the face in the reference")
    add_model(parser)
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where onnxruntime runs (%(default)s)")
    add("--force", action="store_true", help="replace existing outputs")
    add(
        "--dry-run",
        action="store_true",
        help="fill nothing; draw where faces and hole are, into <output>-placement.png, or the folder's placement/",
    )


def _one_standard_input(arguments: argparse.Namespace) -> None:
    given = [arguments.image, arguments.mask, *arguments.reference]
    if sum(str(path) == "-" for path in given) > 1:
        raise TwoFaceError("- (standard input) can be one of --image, --mask and --reference, not several")


def run(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from twoface_pl.faces.listing import some_of
    from twoface_pl.serving.jobs import (
        STANDARD,
        default_output,
        draw_job,
        drawn_output,
        plan_jobs,
        result_suffix,
        run_job,
    )
    from twoface_pl.serving.session import FillSession, find_model

    _one_standard_input(arguments)
    of_folder, dry_run = arguments.image.is_dir(), arguments.dry_run
    suffixes: Callable[[Path], str] = partial(result_suffix, reencode=arguments.reencode)
    output = arguments.output or default_output(arguments.image, suffixes)
    if dry_run:
        output, suffixes = drawn_output(output, of_folder), lambda photo: ".png"
    plan = plan_jobs(arguments.image, arguments.reference, output, arguments.mask, arguments.force, suffixes)
    if plan.left_out:
        print(f"left out, not photos by their names: {some_of(plan.left_out)}", file=sys.stderr)
    if plan.kept:
        again = "draws" if dry_run else "fills"
        print(f"{len(plan.kept)} photos are there already and kept; --force {again} them anew", file=sys.stderr)
    session = FillSession(find_model(arguments.model), arguments.device) if plan.jobs else None
    do, done_to = (draw_job, "drawn") if dry_run else (partial(run_job, reencode=arguments.reencode), "filled")
    failures = list(plan.failures)
    for number, job in enumerate(tqdm(plan.jobs, desc="inpainting", unit="photo", disable=not of_folder)):
        assert session is not None
        try:
            written = do(session, job, arguments.box, arguments.reference_box, arguments.force)
        except (KeyboardInterrupt, Stopped) as stop:
            if not of_folder:
                raise
            done = f"{number - len(failures) + len(plan.failures)} of {len(plan.jobs)} photos {done_to}"
            stopped_by = stop.number if isinstance(stop, Stopped) else signal.SIGINT
            raise Stopped(stopped_by, f"{done}; the same command goes on") from None
        except TwoFaceError as error:
            named = str(error).startswith(str(job.photo)) or not of_folder
            failures.append(str(error) if named else f"{job.photo}: {error}")
    if failures:
        total = len(plan.jobs) + len(plan.failures)
        done = f"{total - len(failures)} of {total} photos {done_to}\n" if of_folder else ""
        raise TwoFaceError(done + "\n".join(failures))
    if output != STANDARD:
        print(output if of_folder else written)
    return 0
