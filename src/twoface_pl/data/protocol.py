"""A fixed list of trials, so that figures of different systems are of the same photos, references and holes."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath

import numpy as np

from twoface_pl.errors import TwoFaceError, require

SEPARATOR = "\t"
MOST_BYTES = 2**24  # of a list


@dataclass(frozen=True)
class Trial:
    """One fill that is judged; photos are ``identity/file``."""

    target: str  # in which the hole is
    reference: str  # another photo of the same person
    gallery: str  # a third one, against which the fill is verified
    wrong_reference: str  # somebody else's
    seed: int  # of the hole


COLUMNS = tuple(field.name for field in fields(Trial))


@dataclass(frozen=True)
class Trials:
    """The trials of a list, by their targets, and the list's checksum."""

    by_target: dict[str, Trial]
    sha256: str

    def first(self, count: int) -> Trials:
        """The first so many; 0: all."""
        if not count:
            return self
        return Trials(dict(list(self.by_target.items())[:count]), self.sha256)

    def as_prepared(self) -> Trials:
        """The same trials of the photos as a prepared set names them: whatever they were, JPEG."""
        trials = []
        for trial in self.by_target.values():
            photos = (trial.target, trial.reference, trial.gallery, trial.wrong_reference)
            target, reference, gallery, wrong = map(prepared_name, photos)
            trials.append(Trial(target, reference, gallery, wrong, trial.seed))
        return Trials({trial.target: trial for trial in trials}, self.sha256)

    @property
    def photos(self) -> list[str]:
        """Every photo that some trial needs."""
        return sorted(
            {
                photo
                for trial in self.by_target.values()
                for photo in (trial.target, trial.reference, trial.gallery, trial.wrong_reference)
            }
        )


def prepared_name(photo: str) -> str:
    """What a prepared set calls a photo ``identity/file`` of a list.

    >>> prepared_name("somebody/photo.png")
    'somebody/photo.jpg'
    """
    return str(PurePosixPath(photo).with_suffix(".jpg"))


def _person(photo: str) -> str:
    return photo.partition("/")[0]


def _trial(row: dict[str, str], where: str) -> Trial:
    photos = [row[name] for name in COLUMNS[:-1]]
    for photo in photos:
        whole = len(photo.split("/")) == 2 and all(part not in ("", ".", "..") for part in photo.split("/"))
        require(whole and "\\" not in photo, f"{where}: '{photo[:80]}' is not <person>/<file>")
    target, reference, gallery, wrong = photos
    own = len({target, reference, gallery}) == 3 and {_person(reference), _person(gallery)} == {_person(target)}
    require(own, f"{where}: target, reference and gallery are not three photos of one person")
    require(_person(wrong) != _person(target), f"{where}: the wrong reference is the person's own")
    digits = row["seed"].isascii() and row["seed"].isdigit() and len(row["seed"]) < 10
    require(digits, f"{where}: '{row['seed'][:20]}' is no seed")
    return Trial(target, reference, gallery, wrong, int(row["seed"]))


def read_trials(path: Path, sha256: str | None = None) -> Trials:
    """The trials of a list: tab-separated, a head of the columns' names, a line each.

    Args:
        path: of the list.
        sha256: what its content must have; None: any.

    Raises:
        TwoFaceError: no such file, another checksum, or a line that makes no sense.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TwoFaceError(f"{path}: no list of trials ({error})") from None
    require(len(content) <= MOST_BYTES, f"{path}: larger than a list of trials may be")
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise TwoFaceError(
            f"{path} is not the protocol's list: its checksum is {digest}, not {sha256[:12]}...; one of your own needs "
            "protocol.sha256= and protocol.name="
        )
    rows = csv.DictReader(text.splitlines(), delimiter=SEPARATOR, quoting=csv.QUOTE_NONE)
    require(tuple(rows.fieldnames or ()) == COLUMNS, f"{path}: its columns are not {', '.join(COLUMNS)}")
    found: dict[str, Trial] = {}
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        whole = None not in row and None not in row.values()
        require(whole, f"{where}: not {len(COLUMNS)} columns")
        trial = _trial(row, where)
        require(trial.target not in found, f"{where}: the target {trial.target} is there twice")
        found[trial.target] = trial
    require(bool(found), f"{path}: no trials")
    trials = Trials(found, digest)
    _require_own_names(trials.photos, path)
    return trials


def _require_own_names(photos: list[str], path: Path) -> None:
    """No two photos of a list may get one name in a prepared set, where ``a.png`` is ``a.jpg`` too."""
    names: dict[str, str] = {}
    for photo in photos:
        other = names.setdefault(prepared_name(photo).casefold(), photo)
        require(other == photo, f"{path}: {other} and {photo} are one photo once they are prepared; rename one")


def digest_of(root: Path, trials: Trials) -> str:
    """A checksum of a prepared set's photos of these trials: of the same copy framed alike it is the same.

    Args:
        root: of the prepared set.
        trials: with the names that it has for the photos.
    """
    digest = hashlib.sha256()
    for photo in trials.photos:
        digest.update((root / "test" / "reference" / photo).read_bytes())
    return digest.hexdigest()


def trials_text(trials: list[Trial]) -> str:
    """A list's content."""
    lines = [SEPARATOR.join(str(getattr(trial, name)) for name in COLUMNS) for trial in trials]
    return "\n".join([SEPARATOR.join(COLUMNS), *lines]) + "\n"


def hole_rng(trial: Trial) -> np.random.Generator:
    """What a trial's hole is drawn from, by whichever policy."""
    return np.random.default_rng((trial.seed, 1))
