"""Photos as people have them: ``<root>/<identity>/<photo>``, from one root or several."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import led_to
from twoface_pl.faces.formats import PHOTO_SUFFIXES
from twoface_pl.faces.listing import has_photo_suffix, is_hidden

MAX_NAME_BYTES = 180  # of 255 that file systems have: room for what is added to a name


@dataclass(frozen=True)
class Photo:
    """One photo of a source."""

    source: str
    identity: str  # in its source, safe for an index
    name: str  # of the prepared file
    path: Path
    key: str  # source and path in it, printable

    @property
    def person(self) -> tuple[str, str]:
        """Whose it is: source and identity."""
        return self.source, self.identity


@dataclass(frozen=True)
class Reject:
    """A file or person that is not used."""

    path: str
    kind: str  # what a report counts
    reason: str


@dataclass(frozen=True)
class Listing:
    """What the sources hold."""

    photos: list[Photo]
    people: list[tuple[str, str]]  # source and identity, those without photos too
    rejects: list[Reject]


def printable(text: str) -> str:
    """File names need not be UTF-8; what is written and printed must be."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def safe_name(name: str) -> str:
    """A name without what index files use as separators, without what cannot be printed or encoded, not too long."""
    kept = "".join("_" if character in ",:/\\" or not character.isprintable() else character for character in name)
    if len(kept.encode()) > MAX_NAME_BYTES:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        kept = kept.encode()[: MAX_NAME_BYTES - 9].decode("utf-8", "ignore") + "-" + digest
    return kept


def _output_names(photos: list[Path]) -> dict[Path, str]:
    """``<stem>.jpg`` for each photo; a.png beside a.jpg becomes ``a-png.jpg``."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for photo in photos:
        name = f"{safe_name(photo.stem)}.jpg"
        if name.casefold() in taken:
            name = f"{safe_name(photo.stem)}-{photo.suffix[1:].lower()}.jpg"
        if name.casefold() in taken:
            name = f"{safe_name(photo.name)}-{len(taken)}.jpg"
        taken.add(name.casefold())
        names[photo] = name
    return names


def _check_people(root: Path) -> list[Path]:
    if not root.is_dir():
        raise TwoFaceError(f"no folder {root}; give photos as <folder>/<identity>/<photo> by source.root=")
    people = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not people:
        own = any(has_photo_suffix(path.name) for path in root.iterdir())
        advice = f"; for one person's photos give the folder above, {root.absolute().parent}, and split=own_photos"
        raise TwoFaceError(
            f"{root} holds no folders; photos are expected as <identity>/<photo>" + (advice if own else "")
        )
    by_name = Counter(safe_name(person.name) for person in people)
    clashing = [person.name for person in people if by_name[safe_name(person.name)] > 1]
    if clashing:
        raise TwoFaceError(
            f"{root}: folders {clashing} differ only in characters that an index cannot hold; rename one"
        )
    return people


def _leads_out(path: Path, root: Path) -> bool:
    try:
        return not led_to(path).is_relative_to(root)
    except OSError:  # a link to itself
        return True


def _list_root(source: str, root: Path, listing: Listing) -> None:
    real_root = root.resolve()

    def reject(path: Path, kind: str, reason: str) -> None:
        listing.rejects.append(Reject(printable(f"{source}/{path.relative_to(root)}"), kind, reason))

    people = _check_people(root)
    for path in sorted(root.iterdir()):
        if has_photo_suffix(path.name) and not is_hidden(path.name) and not path.is_dir():
            reject(path, "loose", "in no person's folder; put it into one")
    for person in people:
        identity = safe_name(person.name)
        if _leads_out(person, real_root):
            reject(person, "link", "a link that leads out of the source; copy it, or name its target in source.root")
            continue
        listing.people.append((source, identity))
        photos = []
        try:
            entries = sorted(person.iterdir())
        except OSError as error:
            reject(person, "unreadable", f"cannot be read ({error.strerror})")
            continue
        for path in entries:
            if is_hidden(path.name):
                continue
            if path.is_dir():
                reject(path, "folder", "a folder within a person's; put its photos beside the others of the person")
            elif not has_photo_suffix(path.name):
                kinds = ", ".join(sorted(PHOTO_SUFFIXES))
                reject(path, "format", f"not a photo format that is read ({kinds})")
            elif _leads_out(path, real_root):
                reject(path, "link", "a link that leads out of the source; copy the photo instead")
            elif not path.is_file():
                reject(path, "unreadable", "not a file that can be read")
            else:
                photos.append(path)
        for path, name in _output_names(photos).items():
            key = printable(f"{source}/{path.relative_to(root)}")
            listing.photos.append(Photo(source, identity, name, path, key))


def list_sources(roots: list[Path]) -> Listing:
    """The photos of all sources, in the order of their names.

    Raises:
        TwoFaceError: a root that is missing or holds no people, or two roots of one name.
    """
    names = [root.resolve().name for root in roots]
    if len(set(names)) < len(names):
        raise TwoFaceError(f"sources {', '.join(map(str, roots))}: two folders have one name; rename one")
    listing = Listing([], [], [])
    for name, root in zip(names, roots, strict=True):
        _list_root(safe_name(name), root, listing)
    return listing
