"""The photos that a list of trials names, prepared: all of them in the test split, framed as they are."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from twoface_pl.data.protocol import Trials
from twoface_pl.data_prep.options import PrepareOptions
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.result import PrepareResult
from twoface_pl.data_prep.split import SplitRule
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import sha256_of, write_text
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.listing import some_of

SMALLEST_FACE = 10  # pixels: whom a list names is judged
NEVER = 2.0  # likeness of copies: what a list names stays
MADE_OF = "made_of.txt"  # checksum of what a set was prepared from; written last


def find_listed(root: Path, photos: list[str]) -> dict[str, Path]:
    """Each photo ``identity/file`` in somebody's copy: by person, or all files in one folder.

    Raises:
        TwoFaceError: photos that are not there.
    """
    if not root.is_dir():
        raise TwoFaceError(f"photos={root}: no folder")
    names = Counter(Path(photo).name for photo in photos)
    found: dict[str, Path] = {}
    for photo in photos:
        name = Path(photo).name
        beside = [root / name] if names[name] == 1 else []  # else one file would be two people's
        for path in (root / photo, *beside):
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


def _digest(found: dict[str, Path], frame: FrameKind, image_size: int) -> str:
    """Of the photos' content and of what they are made into."""
    digest = hashlib.sha256(json.dumps([frame.options(), image_size], sort_keys=True).encode())
    for name, path in sorted(found.items()):
        digest.update(f"{name}\0{sha256_of(path)}\0".encode())
    return digest.hexdigest()


def _require_all(result: PrepareResult, photos: list[str]) -> None:
    why = {reject.path.partition("/")[2]: f"{reject.kind}, {reject.reason}" for reject in result.rejects}
    lost = [f"{photo} ({why[photo]})" for photo in photos if photo in why]
    if lost:
        raise TwoFaceError(f"{len(lost)} photos of the list cannot be used: {some_of(lost)}; get whole copies of them")


def prepare_listed(root: Path, trials: Trials, into: Path, frame: FrameKind, image_size: int) -> Path:
    """The prepared set of a list's photos; one that is there of the same photos is taken as it is.

    Args:
        root: somebody's copy of the photos, which stays as it is.
        trials: the list; the set's names are those of :meth:`Trials.as_prepared`.
        into: a folder of this function's own: what is in it is replaced, where it made that.
        frame: of the faces.
        image_size: side of the framed photos, in pixels.

    Raises:
        TwoFaceError: photos that are not there, or that cannot be used; the folder holds something else.
    """
    data, photos, made_of = into / "data", into / "photos", into / MADE_OF
    found = find_listed(root, trials.photos)
    digest = _digest(found, frame, image_size)
    if made_of.is_file() and made_of.read_text("utf-8").strip() == digest:
        return data
    if into.exists() and not made_of.is_file():
        raise TwoFaceError(f"{into} holds something else than framed photos; give another output=")
    if root.resolve().is_relative_to(into.resolve()):
        raise TwoFaceError(f"photos={root} lies in {into}, which is replaced; give another output=")
    shutil.rmtree(into, ignore_errors=True)
    write_text(made_of, "not done\n")
    for name, path in found.items():
        target = photos / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    rule = all_tested({name.partition("/")[0] for name in found}, into / "people.txt")
    result = prepare(
        PrepareOptions(
            (photos,), data, image_size, frame, rule,
            min_photos=1, min_face=SMALLEST_FACE, same_picture=NEVER, too_alike=NEVER,
        )
    )  # fmt: skip
    _require_all(result, trials.photos)
    shutil.rmtree(photos)
    write_text(made_of, digest + "\n")
    return data
