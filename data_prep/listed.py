"""The photos that a list of trials names, prepared: all of them in the test split, framed as they are."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from twoface_pl.data.protocol import Trials
from twoface_pl.data_prep.options import PrepareOptions
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.split import SplitRule
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import write_text
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.listing import some_of

SMALLEST_FACE = 10  # pixels: whom a list names is judged
NEVER = 2.0  # likeness of copies: what a list names stays


def find_listed(root: Path, photos: list[str]) -> dict[str, Path]:
    """Each photo ``identity/file`` in somebody's copy: by person, or all files in one folder.

    Raises:
        TwoFaceError: photos that are not there.
    """
    if not root.is_dir():
        raise TwoFaceError(f"photos={root}: no folder")
    found: dict[str, Path] = {}
    for photo in photos:
        for path in (root / photo, root / Path(photo).name):
            if path.is_file():
                found[photo] = path
                break
    missing = [photo for photo in photos if photo not in found]
    if missing:
        raise TwoFaceError(f"photos={root}: {len(missing)} of {len(photos)} photos are not there: {some_of(missing)}")
    return found


def all_tested(people: Iterable[str], names: Path) -> SplitRule:
    """A rule that puts these people, whose names it writes into a file, into the test split."""
    write_text(names, "\n".join(sorted(people)) + "\n")
    return SplitRule.build({"name": "lists", "train": None, "validation": None, "test": str(names), "rest": None})


def prepare_listed(root: Path, trials: Trials, into: Path, frame: FrameKind, image_size: int) -> Path:
    """The prepared set of a list's photos, in ``into``; one that is there already is taken as it is.

    Raises:
        TwoFaceError: photos that are not there.
    """
    data, photos = into / "data", into / "photos"
    if data.is_dir():
        return data
    for name, path in find_listed(root, trials.photos).items():
        target = photos / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    rule = all_tested({name.partition("/")[0] for name in trials.photos}, into / "people.txt")
    prepare(
        PrepareOptions(
            (photos,), data, image_size, frame, rule,
            min_photos=1, min_face=SMALLEST_FACE, same_picture=NEVER, too_alike=NEVER,
        )
    )  # fmt: skip
    return data
