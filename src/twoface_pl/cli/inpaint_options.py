"""The options of ``twoface inpaint``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from twoface_pl.cli.near import nearest
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.reading import shortened
from twoface_pl.model_file import SHIPPED_NAME, model_path, packaged
from twoface_pl.serving.parsing import parse_box as box
from twoface_pl.serving.parsing import parse_colour as colour
from twoface_pl.serving.parsing import parse_pixels as pixels

T = TypeVar("T")

MOST_JOBS = 64
REFERENCES = 2  # of a folder, for a photo


def _argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A parser of options as argparse wants it."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except TwoFaceError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


parse_box, parse_pixels, parse_colour = _argument(box), _argument(pixels), _argument(colour)


def parse_count(text: str) -> int:
    """A whole number, 1 to 64."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"'{text[:80]}' is not a whole number from 1 to {MOST_JOBS}")
    return int(text)


def parse_path(text: str) -> Path:
    """A path that is one: an empty text, as of a variable that is not set, would be the folder that one is in."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; give a file or folder")
    return Path(text)


def parse_signer(text: str) -> tuple[Path, Path]:
    """``chain.pem,key.pem``."""
    certificates, comma, key = text.partition(",")
    if not (certificates and comma and key):
        raise argparse.ArgumentTypeError(f"'{text[:80]}' is not two files, as chain.pem,key.pem")
    return Path(certificates), Path(key)


def parse_model(text: str) -> Path:
    """A model's file or folder, or a name of one that comes with the package."""
    path = model_path(text)
    meant = "" if os.path.lexists(path) else nearest(text, packaged())
    if meant:
        raise argparse.ArgumentTypeError(f"no model {shortened(path)}; did you mean {meant}, of the package?")
    return path


def add_model(parser: argparse.ArgumentParser) -> None:
    names = " or ".join(packaged())
    parser.add_argument(
        "--model",
        type=parse_model,
        default=SHIPPED_NAME,
        help=f"a folder of `twoface export`, one of its versions, or of the package: {names} (%(default)s)",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--image",
        type=parse_path,
        required=True,
        help="the photo to fill, a folder of photos, a .csv of image,mask,references, or - (standard input)",
    )
    add(
        "--reference",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="PHOTO",
        help="other photos of the same person, one or several; a folder has a photo's reference under its name",
    )
    add(
        "--references-from",
        type=Path,
        metavar="FOLDER",
        help="a folder of the person's photos, of which those are taken that fit the photo best by pose and light",
    )
    add("--references", type=parse_count, metavar="N", help=f"how many of them ({REFERENCES})")
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
    add(
        "--check",
        action="store_true",
        help="say how much the fill looks like the references, and warn where they seem to be another person's photos",
    )
    add("--recogniser", type=Path, metavar="FILE", help="SFace's ONNX file, for --check (else of twoface-pl[check])")
    add(
        "--sign",
        type=parse_signer,
        metavar="CERT,KEY",
        help="sign the result with Content Credentials (C2PA): certificate chain and private key, as PEM files",
    )
    add("--jobs", type=parse_count, default=1, metavar="N", help="photos at a time, of several (%(default)s)")
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


def check_arguments(arguments: argparse.Namespace, of_table: bool) -> None:
    """Refuse options that do not go together.

    Raises:
        TwoFaceError: says which.
    """
    _one_standard_input(arguments)
    require(arguments.mask is None or arguments.mask_colour is None, "give --mask or --mask-colour, not both")
    album = arguments.references_from
    if of_table:
        given = arguments.reference or album is not None or arguments.mask is not None
        require(not given, "a table says itself which masks and references")
        return
    require(
        bool(arguments.reference) or album is not None,
        "--reference is needed: other photos of the same person, one or several; or --references-from, their folder",
    )
    require(not arguments.reference or album is None, "give --reference or --references-from, not both")
    require(album is None or album.is_dir(), f"--references-from {album}: no folder")
    told = "--references says how many --references-from takes; give one --reference after the other"
    require(album is not None or arguments.references is None, told)
    require(album is None or arguments.reference_box is None, "--reference-box is for one --reference")
