"""``twoface demo-training``: every command in turn, on synthetic faces, and one picture to look at."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

from twoface_pl.cli.demo_folder import add_folder, clear_folder, twoface
from twoface_pl.cli.overrides import override

SHOWN_PEOPLE = 6
MADE = (
    "photos", "data", "data.work", "run", "evaluation", "model", "pairs", "filled", "filled_wrong", "demo.png",
)  # fmt: skip
DB_ABOVE_OPENCV = 3.0  # what the test people must show, or the demo has failed
DB_RIGHT_ABOVE_WRONG = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_folder(parser, "demo-training")
    add(
        "--people",
        type=int,
        default=300,
        help="synthetic people to draw (%(default)s); fewer are drawn faster and teach less",
    )
    add("overrides", nargs="*", help="overrides for the training, such as max_batches=100")


def _write_pairs(data: Path, pairs: Path) -> None:
    """A photo, a right and a wrong reference of each person to show, as files of one name."""
    from twoface_pl.data.index import read_index
    from twoface_pl.data.references import next_reference
    from twoface_pl.data.source import FolderSource

    index = read_index(FolderSource(data), "test")
    people = sorted(index.references)[: SHOWN_PEOPLE + 1]
    for number, person in enumerate(people[:-1]):
        photo = next(entry.partition("/")[2] for entry in sorted(index.masked) if entry.startswith(f"{person}/"))
        wrong = people[number + 1]
        for name, role, whose, file in (
            ("photos", "masked", person, photo),
            ("references", "reference", person, next_reference(index, person, photo)),
            ("wrong_references", "reference", wrong, index.references[wrong][0]),
        ):
            target = pairs / name / f"{person}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(data / "test" / role / whose / file, target)


def _write_picture(folder: Path) -> Path:
    import numpy as np

    from twoface_pl.evaluation.picture import picture_grid, show_hole
    from twoface_pl.faces.image import decode_image, write_image
    from twoface_pl.faces.listing import list_photos
    from twoface_pl.serving.fill import FillSession
    from twoface_pl.serving.versions import find_model

    def read(name: str) -> np.ndarray:
        return np.stack([decode_image(path) for path in list_photos(folder / name).paths])

    truth = read("pairs/photos")
    hole = FillSession(find_model(folder / "model"), "cpu").default_mask
    columns = {
        "masked": show_hole(truth, np.broadcast_to(hole, truth.shape[:3])),
        "reference": read("pairs/references"),
        "filled": read("filled"),
        "filled from a wrong reference": read("filled_wrong"),
        "truth": truth,
    }
    picture = folder / "demo.png"
    write_image(picture, picture_grid(columns, side=192))
    return picture


def _verdict(figures: dict[str, Any]) -> bool:
    """Print the two figures; True if both are met."""
    met = True
    for what, key, wanted in (
        ("the fill beats OpenCV's by", "db_above_opencv", DB_ABOVE_OPENCV),
        ("the right reference beats a wrong one by", "db_right_above_wrong_reference", DB_RIGHT_ABOVE_WRONG),
    ):
        reached = figures[key] >= wanted
        met &= reached
        state = "met" if reached else "MISSED"
        print(f"  {what} {figures[key]:.2f} dB in the hole (at least {wanted:.0f} wanted: {state})")
    return met


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    folder: Path = arguments.folder
    clear_folder(folder, MADE)
    data, checkpoint = folder / "data", folder / "run" / "best.ckpt"
    twoface(
        "prepare",
        "source=synthetic",
        "frame=none",
        f"source.people={arguments.people}",
        "source.photos=6",
        override("source.root", folder / "photos"),
        override("root", data),
        "image_size=64",
    )
    twoface(
        "train",
        "experiment=demo",
        override("data.root", data),
        override("hydra.run.dir", folder / "run"),
        *arguments.overrides,
    )
    twoface(
        "evaluate",
        override("checkpoint", checkpoint),
        override("root", data),
        "identity=synthetic",
        "photos=160",
        override("output", folder / "evaluation"),
    )
    twoface("export", override("checkpoint", checkpoint), override("output", folder / "model"))
    pairs = folder / "pairs"
    _write_pairs(data, pairs)
    for references, output in (("references", "filled"), ("wrong_references", "filled_wrong")):
        twoface(
            "inpaint", "--model", str(folder / "model"), "--image", str(pairs / "photos"),
            "--reference", str(pairs / references), "--output", str(folder / output),
        )  # fmt: skip
    picture = _write_picture(folder)
    figures = json.loads((folder / "evaluation" / "evaluation.json").read_text("utf-8"))
    heading = figures["heading"]
    print(f"\nOn {heading['photos']} photos of {heading['people']} synthetic people the model never saw:")
    met = _verdict(figures)
    print(f"\nLook at {picture.resolve()} ({(time.monotonic() - started) / 60:.1f} minutes in all)")
    print(f"More: {folder / 'evaluation' / 'evaluation.png'}; tensorboard --logdir {folder / 'run'}")
    print(
        f"Try next: twoface serve --model {folder / 'model'}, or your own photos, as <folder>/<person>/<photo>:\n"
        "  twoface prepare source.root=<folder>, then twoface train"
    )
    return 0 if met else 1
