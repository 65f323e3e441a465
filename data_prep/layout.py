"""Step: the prepared data set, in the 2018 layout, and the same as one zip."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twoface_pl.data.index import FACTS_FILE, INDEX_FILES, ROLES, SplitIndex, write_index
from twoface_pl.data.landmarks import LANDMARKS_FILE, write_landmarks
from twoface_pl.data.originals import ORIGINALS_FILE, Original, write_originals
from twoface_pl.data.source import SPLITS
from twoface_pl.data_prep.identities import Person
from twoface_pl.data_prep.photos import to_face
from twoface_pl.data_prep.sources import Photo, Reject, safe_name
from twoface_pl.data_prep.split import Lists, OwnPhotos, Roles, SplitRule
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import CHECKSUM, sha256_of, write_atomically, write_text
from twoface_pl.faces.listing import counted

ZIP_FILE = "data.zip"
NO_HARD_LINKS = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the same bytes whenever it is made


@dataclass(frozen=True)
class Identity:
    """A person of the prepared set."""

    name: str
    split: str
    roles: Roles  # names of files, by role
    photos: dict[str, Photo]  # by name of file
    alike: dict[str, list[str]]  # by name: files that must not be its reference
    borrowed: frozenset[str] = frozenset()  # files of another split, references here

    @property
    def own(self) -> dict[str, Photo]:
        """The photos that this split alone has."""
        return {file: photo for file, photo in self.photos.items() if file not in self.borrowed}


@dataclass
class Placed:
    """Who went where."""

    identities: list[Identity] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def people(self) -> Counter[str]:
        return Counter(identity.split for identity in self.identities)

    def photos(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for identity in self.identities:
            counts[identity.split] += len(identity.own)
        return counts


def _names(people: Iterable[Person]) -> dict[Person, str]:
    """Each person's folder: the identity, with its source before it where an earlier source has one of that name."""
    names: dict[Person, str] = {}
    taken: set[str] = set()
    for source, identity in people:
        free = identity.casefold() not in taken
        names[source, identity] = _unique(identity if free else safe_name(f"{source}-{identity}"), "", taken)
    return names


def _unique(stem: str, suffix: str, taken: set[str]) -> str:
    """A name that nobody has yet, on file systems too that do not tell large letters from small ones."""
    name, number = stem + suffix, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    taken.add(name.casefold())
    return name


def _photo_names(person: Person, photos: list[Photo]) -> dict[str, Photo]:
    """Each photo's file; those that came from another source have its name before theirs."""
    taken: set[str] = set()
    names = {}
    for photo in sorted(photos, key=lambda photo: photo.person != person):
        stem = photo.name.removesuffix(".jpg")
        if photo.person != person:
            stem = safe_name(f"{photo.source}-{photo.identity}-{stem}")
        names[_unique(stem, ".jpg", taken)] = photo
    return names


def place(
    listed: list[Person],
    people: dict[Person, list[Photo]],
    alike: dict[Person, dict[str, list[str]]],
    rule: SplitRule,
    min_photos: int,
    kin: dict[Person, Person],
) -> Placed:
    """Each person's split and their photos' roles.

    Args:
        listed: everybody, those without a usable photo too.
        people: usable photos by person.
        alike: by person and photo, the photos that must not be its reference.
        rule: of splits and roles.
        min_photos: people with fewer are rejected.
        kin: of people who may be one, the one whose split all of them go to; lists by hand count for more.
    """
    placed = Placed()
    names = _names(listed)

    def reject(person: Person, kind: str, reason: str) -> None:
        placed.rejects.append(Reject("/".join(person), kind, reason))
        placed.rejects += [Reject(photo.key, kind, f"its person: {reason}") for photo in people.get(person, [])]

    joined = {photo.person for photos in people.values() for photo in photos}
    for person in listed:
        photos = people.get(person, [])
        if not photos and person in joined:
            continue  # they stand under another name
        files = _photo_names(person, photos)
        if len(files) < min_photos:
            found = counted(len(files), "usable photo") if files else "no usable photo"
            reject(person, "few photos", f"{found}; a person needs at least {min_photos}")
            continue
        leader = person if isinstance(rule.splitting, Lists) else kin.get(person, person)
        file_of = {photo.key: file for file, photo in files.items()}
        not_for = {file_of[key]: [file_of[other] for other in others] for key, others in alike.get(person, {}).items()}
        places = rule.places(leader[1], sorted(files), not_for)
        if not places and isinstance(rule.splitting, OwnPhotos):
            found = f"{counted(len(files), 'photo')} of too few moments to train on some and fill others"
            reject(person, "few photos", f"{found}; add photos of other days")
            continue
        if not places:
            reject(person, "not listed", "in none of the split's lists")
            continue
        if not all(roles["masked"] for roles in places.values()):
            name = rule.options["name"]
            few = counted(len(files), "photo is", "photos are")
            reject(person, "few photos", f"{few} too few for split {name}; try split=few_photos")
            continue
        # One photo alone, where min_photos lets it be, can still be somebody else's wrong reference.
        if len(files) > 1 and not all(_has_reference(roles, not_for) for roles in places.values()):
            reject(person, "all alike", f"{len(files)} photos, all of one moment: none can be another's reference")
            continue
        elsewhere: set[str] = set()
        for split, roles in places.items():
            used = sorted({file for of_role in roles.values() for file in of_role})
            there = {file: files[file] for file in used}
            near = {file: [other for other in not_for.get(file, ()) if other in there] for file in used}
            near = {file: others for file, others in near.items() if others}
            placed.identities.append(Identity(names[person], split, roles, there, near, frozenset(elsewhere)))
            elsewhere |= set(used)
    return placed


def _has_reference(roles: Roles, not_for: dict[str, list[str]]) -> bool:
    """Whether a photo to be filled has a reference other than itself and its near-duplicates."""
    return any(
        other != target and other not in not_for.get(target, ())
        for target in roles["masked"]
        for other in roles["reference"]
    )


def _link(source: Path, target: Path) -> None:
    """The same photo in another place: a hard link where the file system has them, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        shutil.copyfile(source, target)


def originals_of(placed: Placed, found: dict[str, Any]) -> dict[str, Original]:
    """Where photos come from, and where their faces are, by photo; nothing where no faces were looked for."""
    photos = {photo.key: photo for identity in placed.identities for photo in identity.photos.values()}
    return {
        key: Original(photo.path.resolve(), to_face(found[key]).landmarks)
        for key, photo in photos.items()
        if "landmarks" in found[key]
    }


def _write_split(
    split: str,
    identities: list[Identity],
    building: Path,
    values: dict[str, Any],
    originals: dict[str, Original],
    seed: str,
) -> None:
    entries = {}
    for role in ("masked", "real"):
        lines = [f"{identity.name}/{name}" for identity in identities for name in identity.roles[role]]
        random.Random(f"{seed}/{split}/{role}").shuffle(lines)
        entries[role] = tuple(lines)
    references = {identity.name: tuple(identity.roles["reference"]) for identity in identities}
    folder = building / split
    alike = {
        f"{identity.name}/{file}": frozenset(others)
        for identity in identities
        for file, others in identity.alike.items()
    }
    write_index(SplitIndex(entries["masked"], entries["real"], references, alike), folder)
    landmarks = {
        f"{identity.name}/{file}": values[photo.key]["landmarks"]
        for identity in identities
        for file, photo in sorted(identity.photos.items())
    }
    if all(points is not None for points in landmarks.values()):
        write_landmarks(landmarks, folder / LANDMARKS_FILE)
    of_split = {
        f"{identity.name}/{file}": originals[photo.key]
        for identity in identities
        for file, photo in identity.photos.items()
        if photo.key in originals
    }
    if of_split:
        write_originals(of_split, folder / ORIGINALS_FILE)


def write_layout(
    placed: Placed,
    files: dict[str, Path],
    values: dict[str, Any],
    originals: dict[str, Original],
    facts: dict[str, Any],
    building: Path,
) -> None:
    """Write the whole set into a folder: photos, indexes, landmarks, where they come from, facts."""
    for identity in placed.identities:
        for role in ROLES:
            for name in identity.roles[role]:
                source = files[identity.photos[name].key]
                _link(source, building / identity.split / role / identity.name / name)
    for split in SPLITS:
        identities = [identity for identity in placed.identities if identity.split == split]
        if identities:
            _write_split(split, identities, building, values, originals, str(facts["split"].get("seed", 0)))
    for name in INDEX_FILES.values():  # where the 2018 system had the train split's index
        if (building / "train" / name).is_file():
            shutil.copyfile(building / "train" / name, building / name)
    (building / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


def write_zip(root: Path) -> Path:
    """The splits of a prepared set as one zip beside them; photos lie in it as they are, uncompressed.

    Raises:
        TwoFaceError: it cannot be written.
    """
    if not (root / FACTS_FILE).is_file():
        raise TwoFaceError(f"no prepared data set {root}; run `twoface prepare` first")
    path = root / ZIP_FILE
    members = [root / FACTS_FILE, *(root / name for name in INDEX_FILES.values())]
    for split in SPLITS:
        members += sorted(member for member in (root / split).rglob("*") if member.is_file())

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for member in members:
                if member.is_file():
                    entry = zipfile.ZipInfo(member.relative_to(root).as_posix(), ZIP_DATE)
                    entry.external_attr = 0o644 << 16
                    archive.writestr(entry, member.read_bytes())

    write_atomically(path, write)
    # Who fetches the zip from elsewhere looks there.
    write_text(path.with_name(f"{path.name}{CHECKSUM}"), f"{sha256_of(path)}  {path.name}\n")
    return path
