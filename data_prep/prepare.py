"""``prepare(...)``: photos of people to a prepared data set, step by step."""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twoface_pl.data.index import SPLITS
from twoface_pl.data_prep.duplicates import Likeness, drop_copies, drop_shared, too_alike
from twoface_pl.data_prep.identities import Identities, People, clean
from twoface_pl.data_prep.layout import ZIP_FILE, Placed, originals_of, place, write_layout, write_zip
from twoface_pl.data_prep.options import STEPS, PrepareOptions, check_facts, check_root, set_facts
from twoface_pl.data_prep.photos import Values, align, detect
from twoface_pl.data_prep.recognise import check_recogniser, recognise
from twoface_pl.data_prep.report import write_report
from twoface_pl.data_prep.sources import Listing, Photo, Reject, list_sources
from twoface_pl.data_prep.split import OwnPhotos
from twoface_pl.data_prep.work import Work
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.detector import usable_cores
from twoface_pl.faces.files import new_folders, write_text

MIN_VALIDATION = 2  # people
REJECTS_FILE = "rejects.csv"


@dataclass
class PrepareResult:
    """What came of it."""

    listing: Listing
    found: dict[str, Values] = field(default_factory=dict)  # detections, by photo
    framed: dict[str, Values] = field(default_factory=dict)  # alignments, by photo
    files: dict[str, Path] = field(default_factory=dict)  # framed photos
    identities: Identities | None = None  # None: no recogniser
    placed: Placed = field(default_factory=Placed)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def people(self) -> Counter[str]:
        """How many, by split."""
        return self.placed.people()

    @property
    def photos(self) -> Counter[str]:
        """How many, by split."""
        return self.placed.photos()


def _replace(building: Path, root: Path) -> None:
    """Move the finished set to its name; an old one goes only when the new one stands."""
    old = root.with_name(f"{root.name}.replaced.partial")
    shutil.rmtree(old, ignore_errors=True)
    if root.exists():
        root.rename(old)
    building.rename(root)
    shutil.rmtree(old, ignore_errors=True)


def _kept(photos: list[Photo], values: dict[str, Values], rejects: list[Reject]) -> list[Photo]:
    """The photos that a step did not reject."""
    for photo in photos:
        if "reject" in values[photo.key]:
            kind, reason = values[photo.key]["reject"]
            rejects.append(Reject(photo.key, kind, reason))
    return [photo for photo in photos if "reject" not in values[photo.key]]


def _by_person(photos: list[Photo]) -> People:
    people: People = {}
    for photo in photos:
        people.setdefault(photo.person, []).append(photo)
    return people


def _look(work: Work, options: PrepareOptions, digest: str, result: PrepareResult) -> dict[str, np.ndarray]:
    """What is done photo by photo, as far as the step needs it; returns embeddings, if there is a recogniser."""
    find = options.frame.aligned
    result.found = detect(work, result.listing.photos, find, options.min_face, options.computes("detect"))
    photos = _kept(result.listing.photos, result.found, result.rejects)
    if options.step == "detect":
        return {}
    result.framed, result.files = align(
        work, photos, result.found, options.frame, options.image_size, options.computes("align")
    )
    if options.step in ("align", "deduplicate") or options.recogniser["name"] == "none":
        require(options.step != "clean", "step=clean needs a recogniser: recogniser=facenet or sface")
        return {}
    return recognise(work, photos, result.found, options.recogniser, digest, options.computes("clean"))


def _compare(
    options: PrepareOptions, embeddings: dict[str, np.ndarray], likeness: Likeness, result: PrepareResult
) -> People:
    """What compares photos with each other: copies, and whose they are. Returns who is left."""
    kept = [photo for photo in result.listing.photos if photo.key in result.framed]
    people, rejects = drop_copies(_by_person(kept), likeness)
    result.rejects += rejects
    if embeddings:
        recogniser = options.recogniser
        result.identities = clean(people, embeddings, recogniser["same_person"], recogniser["join"])
        result.rejects += result.identities.rejects
        people, rejects = drop_copies(result.identities.people, likeness)
        result.rejects += rejects
    people, rejects = drop_shared(people, likeness)
    result.rejects += rejects
    return {person: photos for person, photos in people.items() if photos}


def _place(options: PrepareOptions, people: People, likeness: Likeness, result: PrepareResult) -> None:
    """Who goes into which split, and which of their photos are too alike."""
    alike = too_alike(people, likeness, options.too_alike)
    kin = result.identities.kin if result.identities else {}
    result.placed = place(result.listing.people, people, alike, options.split, options.min_photos, kin)
    result.rejects += result.placed.rejects
    result.rejects.sort(key=lambda reject: reject.path)
    _check_and_report(options, result)


def _check_people(options: PrepareOptions, result: PrepareResult) -> None:
    """Refuse a set that nothing can be done with: neither trained on nor evaluated.

    Raises:
        TwoFaceError: says why nobody is left, or too few for validation.
    """
    shown = ", ".join(map(str, options.sources))
    people = sum(result.people.values())
    if not people:
        raise TwoFaceError(f"{shown}: no person is left\n{_reasons(result, options)}")
    wanted = options.split.options.get("validation")
    of_everybody = isinstance(options.split.splitting, OwnPhotos)
    if of_everybody or not wanted or not result.people["train"] or result.people["validation"] >= MIN_VALIDATION:
        return
    if isinstance(wanted, str):
        raise TwoFaceError(f"{wanted}: {result.people['validation']} of these people can be used; name at least 2")
    raise TwoFaceError(
        f"of {people} people {result.people['validation']} fell into validation, which needs "
        f"{MIN_VALIDATION} for its wrong references; raise split.validation (it is {wanted}), "
        "take another split.seed or add people"
    )


def _check_beforehand(options: PrepareOptions, listing: Listing) -> None:
    """Refuse what no detection can mend: too few photos or people, by their names alone.

    Raises:
        TwoFaceError: as :func:`_check_people`, if every photo could be used.
    """
    if options.recogniser["name"] != "none" or options.step in STEPS[: STEPS.index("split")]:
        return  # a recogniser may join people of several sources; a first step needs no split
    best = PrepareResult(listing, rejects=list(listing.rejects))
    best.placed = place(listing.people, _by_person(listing.photos), {}, options.split, options.min_photos, {})
    best.rejects += best.placed.rejects
    _check_people(options, best)


def _check_and_report(options: PrepareOptions, result: PrepareResult) -> None:
    """As :func:`_check_people`; what was found is written down all the same, into the work folder."""
    try:
        _check_people(options, result)
    except TwoFaceError as error:
        folder = options.work_folder / "report"
        write_text(folder / REJECTS_FILE, _rejects_text(result.rejects))
        write_report(folder, result, options)
        raise TwoFaceError(f"{error}\nlook at {folder / 'report.html'}") from None


def _rejects_text(rejects: list[Reject]) -> str:
    stream = io.StringIO()
    rows = [(reject.path, reject.kind, reject.reason) for reject in rejects]
    csv.writer(stream, lineterminator="\n").writerows([("path", "kind", "reason"), *rows])
    return stream.getvalue()


def _write(options: PrepareOptions, result: PrepareResult) -> None:
    """The prepared set, under its name only when it is whole."""
    root = options.root
    building = root.with_name(f"{root.name}.partial")
    shutil.rmtree(building, ignore_errors=True)
    with new_folders(root.parent):
        try:
            building.mkdir()
            originals = originals_of(result.placed, result.found)
            write_layout(result.placed, result.files, result.framed, originals, set_facts(options), building)
            write_text(building / REJECTS_FILE, _rejects_text(result.rejects))
            if options.step == "all":
                write_report(building, result, options)
                if options.zip:
                    write_zip(building)
            _replace(building, root)
        except OSError as error:
            raise TwoFaceError(f"{error.filename or building}: {error.strerror or error}") from None
        finally:
            shutil.rmtree(building, ignore_errors=True)


def prepare(options: PrepareOptions) -> PrepareResult:
    """Make a prepared data set, or do one step of it.

    What is found of a photo is kept in the work folder: a run that was stopped, or one over a source that
    grew, does only what is missing. The set itself appears whole, under its name, when all of it is done.
    Nothing in the sources is changed.

    Raises:
        TwoFaceError: no photos, an existing root without ``force``, no people left for training, a step
            whose predecessors did not run.
    """
    check_root(options)
    digest = check_recogniser(options.recogniser)
    listing = list_sources(list(options.sources))
    _check_beforehand(options, listing)
    result = PrepareResult(listing, rejects=list(listing.rejects))
    workers = options.workers or usable_cores()
    with new_folders(options.work_folder.parent), closing(Work(options.work_folder, workers)) as work:
        embeddings = _look(work, options, digest, result)
    if options.step in ("detect", "align"):
        return result
    likeness = Likeness(result.framed, options.same_picture)
    people = _compare(options, embeddings, likeness, result)
    if options.step in ("deduplicate", "clean"):
        return result
    _place(options, people, likeness, result)
    if options.step in ("all", "split"):
        _write(options, result)
    elif options.step == "zip":
        check_facts(options)
        write_zip(options.root)
    else:
        check_facts(options)
        write_report(options.root, result, options)
    return result


def _hint(kind: str, options: PrepareOptions) -> str:
    """What to change where photos or people are rejected for a reason that is a matter of choice."""
    return {
        "all alike": f"too_alike={options.too_alike:g} says what is one moment; above 1 any photo may be a reference",
        "near duplicate": f"same_picture={options.same_picture:g} says what is a copy; above 1 all photos stay",
        "no face": "frame=none takes photos as they are",
        "small face": f"min_face={options.min_face:g} may be lower",
        "few photos": f"min_photos={options.min_photos} and split={options.split.options['name']} ask for more",
        "not listed": "split.rest=train, validation or test takes them in",
    }.get(kind, "")


def _reasons(result: PrepareResult, options: PrepareOptions) -> str:
    """Rejects by their kind: how many, the first one, and what would change it."""
    people = {"/".join(person) for person in result.listing.people}
    lines = []
    for kind, count in Counter(reject.kind for reject in result.rejects).most_common():
        of_kind = [reject for reject in result.rejects if reject.kind == kind]
        whole = sum(reject.path in people for reject in of_kind)  # with all their photos, which count no more
        counted = f"{whole} people" if whole else f"{count} files"
        hint = _hint(kind, options)
        lines.append(f"  {counted}: {kind}, as {of_kind[0].path}: {of_kind[0].reason}" + (f" ({hint})" if hint else ""))
    return "\n".join(lines)


def _remarks(result: PrepareResult) -> list[str]:
    """What was done to photos that are in the set."""
    used = [result.found[photo.key] for identity in result.placed.identities for photo in identity.own.values()]
    turned = sum(bool(value.get("turned")) for value in used)
    transparent = sum(value["transparent"] for value in used)
    remarks = []
    if turned:
        remarks.append(f"{turned} photos lay on their side or stood on their head; their faces were brought upright")
    if transparent:
        remarks.append(f"{transparent} photos have transparent parts; these lie on white")
    return remarks


def summary(result: PrepareResult, options: PrepareOptions) -> str:
    """What was prepared, for the terminal."""
    root = options.root
    rejected = f"{len(result.rejects)} rejects"
    if options.step in STEPS[: STEPS.index("split")]:
        text = f"step {options.step} done for {len(result.listing.photos)} photos, in {options.work_folder}; {rejected}"
        return text + (f":\n{_reasons(result, options)}" if result.rejects else "")
    counts = ", ".join(f"{split} {result.people[split]} people / {result.photos[split]} photos" for split in SPLITS)
    text = f"{root}: frame {options.frame.name}, {counts}; {rejected}"
    if result.rejects:
        text += f", each with its reason in {root / REJECTS_FILE}:\n{_reasons(result, options)}"
    text = "\n".join([text, *_remarks(result)])
    if result.identities is None:
        text += "\nidentities were not cleaned: no recogniser was given (recogniser=facenet or sface)"
    else:
        text += f"\n{len(result.identities.joined)} people of two sources were joined"
    if not result.people["train"]:
        text += "\nno person fell into train: this set can be evaluated, not trained on"
    if not result.people["test"]:
        text += "\nno person fell into test: raise split.test, take another split.seed or add people"
    if options.step == "all":
        text += f"\nlook at {root / 'report.html'}" + (f"; all of it is in {root / ZIP_FILE}" if options.zip else "")
    return text + f"\n{options.work_folder} keeps what was found, for the next run; it may be removed"
