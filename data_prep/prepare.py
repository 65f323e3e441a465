"""``prepare(...)``: photos of people to a prepared data set, step by step."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np

from twoface_pl.data_prep.duplicates import Likeness, drop_copies, drop_shared, too_alike
from twoface_pl.data_prep.identities import People, clean
from twoface_pl.data_prep.layout import originals_of, place, write_layout, write_zip
from twoface_pl.data_prep.options import STEPS, PrepareOptions, check_facts, check_root, set_facts
from twoface_pl.data_prep.photos import Values, align, detect
from twoface_pl.data_prep.recognise import check_recogniser, recognise
from twoface_pl.data_prep.report import write_report
from twoface_pl.data_prep.result import REJECTS_FILE, PrepareResult
from twoface_pl.data_prep.sources import Listing, Photo, Reject, list_sources
from twoface_pl.data_prep.split import OwnPhotos
from twoface_pl.data_prep.words import reasons, rejects_text
from twoface_pl.data_prep.work import Work
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.files import new_folders, write_text
from twoface_pl.faces.listing import counted

MIN_VALIDATION = 2  # people
FEW_PEOPLE = 10  # fewer make no split: too few to choose by, or to train on


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
        work, photos, result.found, options.frame, options.image_size, options.enlarge, options.computes("align")
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
        raise TwoFaceError(f"{shown}: no person is left\n{reasons(result, options)}")
    wanted = options.split.options.get("validation")
    of_everybody = isinstance(options.split.splitting, OwnPhotos)
    if of_everybody or not wanted or not result.people["train"] or result.people["validation"] >= MIN_VALIDATION:
        return
    if isinstance(wanted, str):
        raise TwoFaceError(f"{wanted}: {result.people['validation']} of these people can be used; name at least 2")
    of = counted(people, "person", "people")
    fell = f"of {of} {result.people['validation']} fell into validation"
    told = f"{fell}, which needs {MIN_VALIDATION} for its wrong references"
    if people < FEW_PEOPLE:
        more = f"add people, raise split.validation (it is {wanted}), or judge none: split.validation=0 split.test=0"
        raise TwoFaceError(f"{told}; {more}; with ten photos of each or more, split=own_photos has all in every split")
    raise TwoFaceError(f"{told}; raise split.validation (it is {wanted}), take another split.seed or add people")


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
        write_text(folder / REJECTS_FILE, rejects_text(result.rejects))
        write_report(folder, result, options)
        raise TwoFaceError(f"{error}\nlook at {folder / 'report.html'}") from None


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
            write_text(building / REJECTS_FILE, rejects_text(result.rejects))
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
    with new_folders(options.work_folder.parent), closing(Work(options.work_folder, options.workers_used)) as work:
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
