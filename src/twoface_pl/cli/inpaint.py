"""``twoface inpaint``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from twoface_pl.errors import Stopped, TwoFaceError, require
from twoface_pl.model_file import REPAIR, SHIPPED_NAME, model_path

if TYPE_CHECKING:
    from twoface_pl.serving.plan import Job, Plan

LARGEST = 10**7  # of a box's numbers
MOST_GROWN = 1000
FAILURES = "failed.txt"  # in the folder of several results


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


def parse_pixels(text: str) -> int:
    """A whole number of pixels, 0 to 1000."""
    if not text.isascii() or not text.isdigit() or int(text) > MOST_GROWN:
        raise argparse.ArgumentTypeError(f"'{text[:80]}' is not a number of pixels from 0 to {MOST_GROWN}")
    return int(text)


def parse_colour(text: str) -> tuple[int, int, int]:
    """``ff00ff`` or ``#ff00ff``, or ``white`` or ``black``: red, green and blue."""
    digits = {"white": "ffffff", "black": "000000"}.get(text, text.removeprefix("#"))
    if len(digits) != 6 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        raise argparse.ArgumentTypeError(f"'{text[:80]}' is no colour; give six digits, as ff00ff, or white or black")
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=model_path,
        default=SHIPPED_NAME,
        help="a folder of `twoface export`, or one of its versions (%(default)s: comes with the package)",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--image",
        type=Path,
        required=True,
        help="the photo to fill, a folder of photos, a .csv of image,mask,references, or - (standard input)",
    )
    add(
        "--reference",
        type=Path,
        nargs="+",
        default=[],
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
    add("--invert", action="store_true", help="black in the mask is the hole")
    add("--grow", type=parse_pixels, default=0, metavar="N", help="make the hole N pixels larger on all sides")
    add(
        "--mask-colour",
        type=parse_colour,
        metavar="RRGGBB",
        help="the hole is what was painted over in the photo itself with this colour, as ff00ff",
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
    add("--compare", action="store_true", help="also write photo | references | result, as <output>-compare.jpg")
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


def _check(arguments: argparse.Namespace, of_table: bool) -> None:
    _one_standard_input(arguments)
    require(arguments.mask is None or arguments.mask_colour is None, "give --mask or --mask-colour, not both")
    if of_table:
        require(not arguments.reference and arguments.mask is None, "a table says itself which masks and references")
    else:
        require(bool(arguments.reference), "--reference is needed: other photos of the same person, one or several")


def _plan(arguments: argparse.Namespace) -> tuple[Plan, Path]:
    """What there is to do, and where it goes."""
    from twoface_pl.serving.plan import default_output, drawn_output, plan_jobs, result_suffix
    from twoface_pl.serving.table import is_table, plan_table

    image, chosen = arguments.image, arguments.output is not None
    of_table = is_table(image)
    _check(arguments, of_table)
    suffixes: Callable[[Path], str] = partial(result_suffix, reencode=arguments.reencode)
    output = arguments.output
    if not chosen:
        output = image.with_name(f"{image.stem}-filled") if of_table else default_output(image, suffixes)
    if arguments.dry_run:
        output, suffixes = drawn_output(output, of_table or image.is_dir()), lambda photo: ".png"
    if of_table:
        return plan_table(image, output, arguments.force, suffixes), output
    plan = plan_jobs(image, arguments.reference, output, arguments.mask, arguments.force, suffixes, chosen)
    return plan, output


def _tell(plan: Plan, again: str) -> None:
    from twoface_pl.faces.listing import some_of

    if plan.left_out:
        print(f"left out, not photos by their names: {some_of(plan.left_out)}", file=sys.stderr)
    if plan.kept:
        print(f"{len(plan.kept)} photos are there already and kept; --force {again} them anew", file=sys.stderr)


def _do_all(plan: Plan, do: Callable[[Job], Path], done_to: str) -> list[str]:
    """Every job of several, past those that fail; returns what failed."""
    from tqdm import tqdm

    failures = list(plan.failures)
    for number, job in enumerate(tqdm(plan.jobs, desc="inpainting", unit="photo")):
        try:
            do(job)
        except (KeyboardInterrupt, Stopped) as stop:
            done = f"{number - len(failures) + len(plan.failures)} of {len(plan.jobs)} photos {done_to}"
            stopped_by = stop.number if isinstance(stop, Stopped) else signal.SIGINT
            raise Stopped(stopped_by, f"{done}; the same command goes on") from None
        except TwoFaceError as error:
            named = str(error).startswith(str(job.photo))
            failures.append(str(error) if named else f"{job.photo}: {error}")
    return failures


def _report(plan: Plan, output: Path, failures: list[str], done_to: str) -> None:
    """Write down what failed, in a file too.

    Raises:
        TwoFaceError: something did.
    """
    from twoface_pl.faces.files import write_text

    list_of_failures = output / FAILURES
    if not failures:
        list_of_failures.unlink(missing_ok=True)
        return
    write_text(list_of_failures, "\n".join(failures) + "\n")
    total = len(plan.jobs) + len(plan.failures)
    said = f"{total - len(failures)} of {total} photos {done_to}; what failed stands in {list_of_failures} too"
    raise TwoFaceError("\n".join([said, *failures]))


def run(arguments: argparse.Namespace) -> int:
    from twoface_pl.serving.files import STANDARD
    from twoface_pl.serving.jobs import JobOptions, draw_job, run_job
    from twoface_pl.serving.mask_input import MaskOptions
    from twoface_pl.serving.model import find_model
    from twoface_pl.serving.repair import RepairSession

    plan, output = _plan(arguments)
    _tell(plan, "draws" if arguments.dry_run else "fills")
    session = RepairSession(find_model(arguments.model, REPAIR), arguments.device) if plan.jobs else None
    options = JobOptions(
        arguments.box,
        arguments.reference_box,
        arguments.force,
        arguments.reencode,
        arguments.compare,
        MaskOptions(arguments.invert, arguments.grow, arguments.mask_colour),
    )

    def do(job: Job) -> Path:
        assert session is not None
        return (draw_job if arguments.dry_run else run_job)(session, job, options)

    if plan.several:
        done_to = "drawn" if arguments.dry_run else "filled"
        _report(plan, output, _do_all(plan, do, done_to), done_to)
        print(output)
    else:
        written = do(plan.jobs[0])
        if output != STANDARD:
            print(written)
    return 0
