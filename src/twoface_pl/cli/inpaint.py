"""``twoface inpaint``."""

from __future__ import annotations

import argparse
from pathlib import Path

from twoface_pl.errors import TwoFaceError
from twoface_pl.model_file import SHIPPED_NAME, model_path


def parse_box(text: str) -> tuple[int, int, int, int]:
    """``x,y,width,height`` in pixels."""
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not x,y,width,height in whole pixels") from None
    return x, y, width, height


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=model_path,
        default=SHIPPED_NAME,
        help="an ONNX file of `twoface export`, or a folder of numbered versions (%(default)s: comes with the package)",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--image", type=Path, required=True, help="the photo to fill, or a folder of photos")
    add(
        "--reference",
        type=Path,
        required=True,
        nargs="+",
        metavar="PHOTO",
        help="other photos of the same person, one or several; a folder has a photo's reference under its name",
    )
    add("--output", type=Path, required=True, help="where the result goes (.png, .bmp, .tiff), or a folder")
    add("--mask", type=Path, help="white = hole, of the photo's size, or a folder; else the model's default mask")
    add(
        "--box",
        type=parse_box,
        metavar="X,Y,W,H",
        help="the face in the photo, brow to chin, where it is hidden or one of several; negative: --box=-5,0,90,90",
    )
    add("--reference-box", type=parse_box, metavar="X,Y,W,H", help="the face in the reference")
    add_model(parser)
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where onnxruntime runs (%(default)s)")
    add("--force", action="store_true", help="replace existing outputs")


def run(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from twoface_pl.serving.inpaint import plan_jobs, run_job
    from twoface_pl.serving.session import FillSession, find_model

    jobs = list(plan_jobs(arguments.image, arguments.reference, arguments.output, arguments.mask))
    session = FillSession(find_model(arguments.model), arguments.device)
    failures = []
    for job in tqdm(jobs, desc="inpainting", unit="photo", disable=len(jobs) == 1):
        try:
            run_job(session, job, arguments.box, arguments.reference_box, arguments.force)
        except TwoFaceError as error:
            failures.append(f"{job.photo}: {error}" if len(jobs) > 1 else str(error))
    if failures:
        done = f"{len(jobs) - len(failures)} of {len(jobs)} photos filled\n" if len(jobs) > 1 else ""
        raise TwoFaceError(done + "\n".join(failures))
    print(arguments.output if len(jobs) > 1 else jobs[0].output)
    return 0
