"""``prepare(...)``: photos of people to a prepared data set."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tqdm import tqdm

from twoface_pl.data.index import FACTS_FILE, INDEX_FILES, ROLES, SPLITS, SplitIndex, write_index
from twoface_pl.data_prep.split import Roles, SplitOptions, roles_of, split_of
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.files import new_folders
from twoface_pl.faces.frame import SquareFrame
from twoface_pl.faces.image import MIN_SIDE, PHOTO_SUFFIXES, decode_image, list_photos, write_image

JPEG_QUALITY = 95
MIN_VALIDATION = 2  # people
FRAME = "square"  # the largest centred square of each photo


@dataclass(frozen=True)
class PrepareOptions:
    """From where to where, and how."""

    source: Path  # <identity>/<photo>
    root: Path  # of the prepared data set
    image_size: int
    split: SplitOptions
    min_photos: int = 2  # people with fewer usable photos are rejected
    force: bool = False  # replace an existing root

    def __post_init__(self) -> None:
        for name, least in (("image_size", MIN_SIDE), ("min_photos", 1)):
            value = getattr(self, name)
            require(isinstance(value, int) and value >= least, f"{name}={value} is not a whole number from {least}")


@dataclass
class PrepareResult:
    """What came of it; ``rejects`` are (path, reason)."""

    people: Counter[str] = field(default_factory=Counter)
    photos: Counter[str] = field(default_factory=Counter)
    rejects: list[tuple[str, str]] = field(default_factory=list)


def _people(source: Path) -> list[Path]:
    if not source.is_dir():
        raise TwoFaceError(f"no folder {source}; give photos as <folder>/<identity>/<photo> by source.root=")
    people = sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not people:
        raise TwoFaceError(f"{source} holds no folders; photos are expected as <identity>/<photo>")
    by_name = Counter(safe_name(person.name) for person in people)
    clashing = [person.name for person in people if by_name[safe_name(person.name)] > 1]
    if clashing:
        raise TwoFaceError(
            f"{source}: folders {clashing} differ only in characters that an index cannot hold; rename one"
        )
    return people


def check_root(options: PrepareOptions) -> None:
    """Refuse a root that must not be replaced.

    Raises:
        TwoFaceError: it exists without ``force``, is no prepared data set, or holds the photos.
    """
    root, source = options.root.resolve(), options.source.resolve()
    if root == source or root in source.parents:
        raise TwoFaceError(f"root={options.root} would replace the photos in {options.source}; choose another root=")
    if not root.exists():
        return
    if not options.force:
        raise TwoFaceError(f"{options.root} exists and is kept; set force=true to replace it, or another root=")
    if not (root / "train" / INDEX_FILES["masked"]).is_file():
        raise TwoFaceError(f"{options.root} is not a prepared data set and is not replaced; choose another root=")


def _replace(building: Path, root: Path) -> None:
    """Move the finished set to its name; an old one goes only when the new one stands."""
    old = root.with_name(f"{root.name}.replaced.partial")
    shutil.rmtree(old, ignore_errors=True)
    if root.exists():
        root.rename(old)
    building.rename(root)
    shutil.rmtree(old, ignore_errors=True)


def safe_name(name: str) -> str:
    """A name without what index files use as separators, and without what cannot be printed or encoded."""
    return "".join("_" if character in ",:/\\" or not character.isprintable() else character for character in name)


def _output_names(photos: list[Path]) -> dict[Path, str]:
    """``<stem>.jpg`` for each photo; a.png beside a.jpg becomes ``a-png.jpg``."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for photo in photos:
        name = f"{safe_name(photo.stem)}.jpg"
        if name in taken:
            name = f"{safe_name(photo.stem)}-{photo.suffix[1:].lower()}.jpg"
        if name in taken:
            name = f"{safe_name(photo.name)}-{len(taken)}.jpg"
        taken.add(name)
        names[photo] = name
    return names


def _frame_photos(photos: list[Path], folder: Path, options: PrepareOptions, result: PrepareResult) -> list[str]:
    """Decode, crop to the centred square, resize and write one person's photos; returns their new names."""
    written = []
    for photo, name in _output_names(photos).items():
        try:
            pixels = decode_image(photo)
        except TwoFaceError as error:
            reason = str(error).removeprefix(f"{photo}: ")
            result.rejects.append((str(photo.relative_to(options.source)), reason))
            continue
        square = SquareFrame.centred(*pixels.shape[:2]).crop(pixels, options.image_size)
        write_image(folder / name, square, JPEG_QUALITY)
        written.append(name)
    return written


def _link(source: Path, target: Path) -> None:
    """The same photo in another role: a hard link where the file system has them, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _prepare_person(
    person: Path, building: Path, options: PrepareOptions, result: PrepareResult
) -> tuple[str, str, Roles] | None:
    """One person's photos into their split and roles: (split, identity, names by role), None if rejected."""
    photos = list_photos(person)
    for path in sorted(set(person.iterdir()) - set(photos)):
        if not path.name.startswith("."):
            reason = f"not a photo format that is read ({', '.join(sorted(PHOTO_SUFFIXES))})"
            result.rejects.append((str(path.relative_to(options.source)), reason))
    identity = safe_name(person.name)
    pool = building / ".pool" / identity
    names = _frame_photos(photos, pool, options, result)
    if len(names) < options.min_photos:
        found = f"{len(names)} usable photo{'s' * (len(names) != 1)}" if names else "no usable photo"
        result.rejects.append((person.name, f"{found}; a person needs at least {options.min_photos}"))
        return None
    roles = roles_of(names, options.split)
    if not roles["masked"]:
        reason = f"split {options.split.name} gives a person with {len(names)} photos nothing; try split=few_photos"
        result.rejects.append((person.name, reason))
        return None
    split = split_of(identity, options.split)
    for role in ROLES:
        for name in roles[role]:
            _link(pool / name, building / split / role / identity / name)
    result.people[split] += 1
    result.photos[split] += len(names)
    return split, identity, roles


def _write_indexes(building: Path, placed: list[tuple[str, str, Roles]], seed: int) -> None:
    for split in SPLITS:
        people = [(identity, roles) for at, identity, roles in placed if at == split]
        if not people:
            continue
        entries = {}
        for role in ("masked", "real"):
            lines = [f"{identity}/{name}" for identity, roles in people for name in roles[role]]
            random.Random(f"{seed}/{split}/{role}").shuffle(lines)
            entries[role] = tuple(lines)
        references = {identity: tuple(roles["reference"]) for identity, roles in people}
        write_index(SplitIndex(entries["masked"], entries["real"], references), building / split)
    for name in INDEX_FILES.values():  # where the 2018 system had the train split's index
        if (building / "train" / name).is_file():
            shutil.copyfile(building / "train" / name, building / name)


def _write_rejects(path: Path, rejects: list[tuple[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        csv.writer(stream).writerows([("path", "reason"), *rejects])


def prepare(options: PrepareOptions) -> PrepareResult:
    """Make a prepared data set; it appears whole, under its name, only when all of it is done.

    Raises:
        TwoFaceError: no photos, an existing root without ``force``, no people left for training.
    """
    root = options.root
    check_root(options)
    people = _people(options.source)
    building = root.with_name(f"{root.name}.partial")
    shutil.rmtree(building, ignore_errors=True)
    with new_folders(root.parent):
        try:
            building.mkdir()
            result = _build(people, building, options)
            _replace(building, root)
        except OSError as error:
            raise TwoFaceError(f"{error.filename or building}: {error.strerror or error}") from None
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return result


def _build(people: list[Path], building: Path, options: PrepareOptions) -> PrepareResult:
    result = PrepareResult()
    placed = []
    for person in tqdm(people, desc="preparing", unit="person", mininterval=1):
        entry = _prepare_person(person, building, options, result)
        if entry is not None:
            placed.append(entry)
    if not result.people["train"]:
        raise TwoFaceError(f"{options.source}: no person is left for training\n{_reasons(result)}")
    if options.split.validation > 0 and result.people["validation"] < MIN_VALIDATION:
        raise TwoFaceError(
            f"of {sum(result.people.values())} people {result.people['validation']} fell into validation, which needs "
            f"{MIN_VALIDATION} for its wrong references; raise split.validation (it is {options.split.validation}), "
            "take another split.seed or add people"
        )
    shutil.rmtree(building / ".pool")
    _write_indexes(building, placed, options.split.seed)
    _write_rejects(building / "rejects.csv", result.rejects)
    facts = {"frame": FRAME, "image_size": options.image_size, "split": asdict(options.split)}
    (building / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    return result


def _printable(text: str) -> str:
    """File names need not be UTF-8; what is printed must be."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _reasons(result: PrepareResult) -> str:
    lines = [_printable(f"  {path}: {reason}") for path, reason in result.rejects[:5]]
    more = len(result.rejects) - len(lines)
    return "\n".join(lines + ([f"  and {more} more"] if more > 0 else []))


def summary(result: PrepareResult, root: Path) -> str:
    """What was prepared, for the terminal."""
    counts = ", ".join(f"{split} {result.people[split]} people / {result.photos[split]} photos" for split in SPLITS)
    text = f"{root}: {counts}; {len(result.rejects)} rejects"
    if result.rejects:
        text += f", each with its reason in {root / 'rejects.csv'}, such as\n{_reasons(result)}"
    if not result.people["test"]:
        text += "\nno person fell into test: raise split.test, take another split.seed or add people"
    return text
