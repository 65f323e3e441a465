"""The benchmark's pictures for programs that read flat folders, and what those made back to where it is judged.

python benchmarks/flat.py out given/center64 flat --size 256
python benchmarks/flat.py back flat made theirs/center64/right --made "{}_0_inpaint.png"

``out`` writes flat/photo/0000_photo.png, flat/mask/0000_mask.png (white is the hole) and flat/reference/
0000_reference.png, one number a trial, and flat/names.txt; ``back`` takes <made>/<pattern, with the number for {}>.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
from tqdm import tqdm

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import write_text
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.listing import some_of

NAMES = "names.txt"


def out(given: Path, flat: Path, size: int, reference: str) -> int:
    """Write one hole's pictures flat, square, ``size`` pixels a side; returns how many trials there are."""
    names = sorted(str(path.relative_to(given / "photo")) for path in (given / "photo").rglob("*.png"))
    if not names:
        raise TwoFaceError(f"{given}: no photo/<person>/<photo>.png; write them by twoface benchmark inputs=<folder>")
    for number, name in enumerate(tqdm(names, unit="trial", mininterval=1)):
        for kind, role in (("photo", "photo"), ("mask", "mask"), (reference, "reference")):
            method = cv2.INTER_NEAREST if kind == "mask" else cv2.INTER_CUBIC
            pixels = cv2.resize(decode_image(given / kind / name), (size, size), interpolation=method)
            write_image(flat / role / f"{number:04d}_{role}.png", pixels)
    write_text(flat / NAMES, "\n".join(names) + "\n")
    return len(names)


def back(flat: Path, made: Path, to: Path, pattern: str) -> int:
    """Give what was made the trials' names; returns how many pictures there are."""
    names = (flat / NAMES).read_text("utf-8").splitlines()
    there = {name: made / pattern.replace("{}", f"{number:04d}") for number, name in enumerate(names)}
    missing = [str(path) for path in there.values() if not path.is_file()]
    if missing:
        raise TwoFaceError(f"{len(missing)} of {len(names)} pictures are not there: {some_of(missing)}")
    for name, path in there.items():
        write_image(to / name, decode_image(path))
    return len(names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    way = ways.add_parser("out")
    way.add_argument("given", type=Path, help="one hole's folder of twoface benchmark inputs=")
    way.add_argument("flat", type=Path)
    way.add_argument("--size", type=int, default=256, help="side in pixels (%(default)s)")
    way.add_argument("--reference", default="reference", help="or wrong_reference, occluded_reference")
    way = ways.add_parser("back")
    way.add_argument("flat", type=Path)
    way.add_argument("made", type=Path)
    way.add_argument("to", type=Path, help="as theirs/center64/right")
    way.add_argument("--made", dest="pattern", default="{}.png", help="what the pictures are called (%(default)s)")
    given = parser.parse_args()
    try:
        if given.way == "out":
            print(f"{out(given.given, given.flat, given.size, given.reference)} trials: {given.flat}")
        else:
            print(f"{back(given.flat, given.made, given.to, given.pattern)} pictures: {given.to}")
    except (TwoFaceError, OSError) as error:
        parser.exit(1, f"flat.py: {error}\n")


if __name__ == "__main__":
    main()
