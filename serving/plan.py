"""Which photos there are to fill, with which masks and references, and where their results go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.jpeg import can_rewrite
from twoface_pl.faces.listing import list_photos, some_of
from twoface_pl.faces.writing import JPEG_SUFFIXES, KINDS, LOSSLESS_SUFFIXES
from twoface_pl.serving.files import STANDARD, same_file


@dataclass(frozen=True)
class Job:
    """One photo to fill, by files."""

    photo: Path
    references: tuple[Path, ...]
    output: Path
    mask: Path | None = None
    instead: Path | None = None  # a PNG, where the output's format would change the photo; None: no other will do
    comparison: Path | None = None  # where photo, references and result lie beside each other, where that is asked for

    def check_apart(self, output: Path) -> None:
        """As :func:`check_apart`, of one more file that this job writes."""
        check_apart([output], [self.photo, *self.references, *([self.mask] if self.mask else [])])


@dataclass
class Plan:
    """What there is to do, and what is not done."""

    jobs: list[Job] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # photos that lack a mask or a reference
    kept: list[Path] = field(default_factory=list)  # outputs of an earlier run
    left_out: list[str] = field(default_factory=list)  # files of the folder that are no photos
    several: bool = True  # of a folder or a table, though it may hold one

    def keeps(self, output: Path, instead: Path, force: bool) -> bool:
        """Whether a result of an earlier run is there and is kept, which is noted."""
        there = [path for path in (output, instead) if path.exists()]
        if there and not force:
            self.kept.append(there[0])
        return bool(there) and not force


def result_suffix(photo: Path, reencode: bool = False) -> str:
    """Of a photo's result: its own where that leaves what lies outside the hole as it is, else a PNG's."""
    suffix = photo.suffix.lower()
    kept = suffix in LOSSLESS_SUFFIXES or (suffix in JPEG_SUFFIXES and (reencode or can_rewrite()))
    return photo.suffix if kept else ".png"


class _Partners:
    """A file for each photo: one for all, or of a folder the one of the same name, else of the same stem."""

    def __init__(self, given: Path, what: str) -> None:
        self.given = given
        self.what = what
        self.hint = "; `references_from` takes those of a person's folder that fit" if what == "reference" else ""
        self._files: dict[tuple[Path, str], list[Path]] | None = None
        if given.is_dir():
            self._files = {}
            for path in list_photos(given).paths:
                self._files.setdefault((path.relative_to(given).parent, path.stem), []).append(path)

    def of(self, photo: Path) -> Path:
        """The file for a photo, given by its path in its folder.

        Raises:
            TwoFaceError: there is none.
        """
        if self._files is None:
            return self.given
        for place in (photo.parent, Path()):
            found = self._files.get((place, photo.stem), [])
            if found:
                return min(found, key=lambda path: (path.name != photo.name, path.name))
        raise TwoFaceError(f"{self.given}: no {self.what} named like {photo.name}{self.hint}")


def check_output_folder(output: Path, of: str) -> None:
    """Refuse an output for several photos that is no folder, or would hardly be meant as one.

    Raises:
        TwoFaceError: a file, standard output, or a name that is a picture's.
    """
    if output == STANDARD or (output.exists() and not output.is_dir()):
        raise TwoFaceError(f"output {output} is a file; for a {of} of photos give a folder")
    if output.suffix.lower() in KINDS and not output.exists():
        raise TwoFaceError(f"output {output} is a picture's name; for a {of} of photos give a folder")


def check_apart(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Refuse results that would replace what they are made from, whether or not others may be replaced.

    Raises:
        TwoFaceError: names one.
    """
    given = {path.resolve() for path in inputs if path != STANDARD}
    for output in outputs:
        if output != STANDARD and output.resolve() in given:
            raise TwoFaceError(f"{output} is a photo, mask or reference that is given; give another output")


def _check_folders(image: Path, output: Path, others: Sequence[Path]) -> None:
    if STANDARD in others:
        raise TwoFaceError("- (standard input) is one picture; for a folder of photos give files or folders")
    check_output_folder(output, "folder")
    for given in (image, *others):
        if output.exists() and same_file(given, output):
            raise TwoFaceError(f"{output} holds the photos, masks or references; give another folder for the output")


def unused(name: Path, taken: set[str]) -> Path:
    """A name, with a number where it is taken already, in whatever case; it is taken then.

    >>> unused(Path("a.png"), {"A.png".casefold()}).name
    'a-2.png'
    """
    found, number = name, 1
    while str(found).casefold() in taken:
        number += 1
        found = name.with_stem(f"{name.stem}-{number}")
    taken.add(str(found).casefold())
    return found


def as_png(names: Collection[Path]) -> list[Path]:
    """By names of results, none of them twice, names of PNGs that may stand for them; a PNG stands for itself.

    >>> [path.name for path in as_png([Path("a.jpg"), Path("a.png"), Path("b.jpg"), Path("b.webp")])]
    ['a-jpg.png', 'a.png', 'b.png', 'b-webp.png']
    """
    taken = {str(name).casefold() for name in names}
    pngs = []
    for name in names:
        png = name.with_suffix(".png")
        if png != name:
            if str(png).casefold() in taken:
                png = name.with_name(f"{name.name.replace('.', '-')}.png")
            png = unused(png, taken)
        pngs.append(png)
    return pngs


def comparisons(names: Collection[Path], pngs: Collection[Path]) -> list[Path]:
    """By names of results, where each is shown beside its photo: none of them twice, nor another result.

    >>> [path.name for path in comparisons([Path("a.jpg"), Path("a.png"), Path("b.png"), Path("b-compare.jpg")], [])]
    ['a-jpg-compare.jpg', 'a-png-compare.jpg', 'b-compare-2.jpg', 'b-compare-compare.jpg']
    """
    taken = {str(name).casefold() for name in (*names, *pngs)}
    stems = Counter(str(name.with_suffix("")).casefold() for name in names)
    found = []
    for name in names:
        alone = stems[str(name.with_suffix("")).casefold()] == 1
        stem = name.stem if alone else name.name.replace(".", "-")
        found.append(unused(name.with_name(f"{stem}-compare.jpg"), taken))
    return found


def _output_names(photos: list[Path], suffixes: Callable[[Path], str]) -> dict[Path, Path]:
    """``<stem>.<suffix of its result>`` for each photo, in its sub-folder; where two would be one file,
    ``<stem>-<its own suffix>`` instead."""
    results = {photo: photo.with_suffix(suffixes(photo)) for photo in photos}
    counts = Counter(results.values())
    names: dict[Path, Path] = {}
    taken: set[str] = set()
    for photo in sorted(photos, key=lambda photo: counts[results[photo]]):  # whose name is theirs alone, first
        stem = photo.stem if counts[results[photo]] == 1 else photo.name.replace(".", "-")
        name = unused(results[photo].with_stem(stem), taken)
        names[photo] = name
    return {photo: names[photo] for photo in photos}


def plan_jobs(
    image: Path,
    references: Sequence[Path],
    output: Path,
    mask: Path | None = None,
    force: bool = False,
    suffixes: Callable[[Path], str] = result_suffix,
    chosen: bool = True,
    album: Path | None = None,
) -> Plan:
    """One job for a photo, one for each photo of a folder and its sub-folders.

    For a folder of photos, each of ``references`` and ``mask`` is one file for all of them or a folder with
    files of the same names; ``output`` is a folder. What is in it already is kept, unless ``force`` is given.
    ``suffixes`` says by a photo what its result's is, where the output is a folder; ``chosen`` whether an output that
    is a file was asked for by its name; ``album`` is a folder of references that are no photos to fill.

    Raises:
        TwoFaceError: a folder that cannot be read or holds no photos; of a single photo, a partner that is missing.
    """
    others = [_Partners(given, "reference") for given in references]
    masks = _Partners(mask, "mask") if mask is not None else None
    if not image.is_dir():
        if output.is_dir():
            chosen = False
            output = output / (f"{image.stem}{suffixes(image)}" if image != STANDARD else "filled.png")
        name = Path(image.name)
        partners = tuple(each.of(name) for each in others)
        for partner, each in zip(partners, others, strict=True):
            if each.given.is_dir() and same_file(partner, image):
                raise TwoFaceError(f"{each.given} has no {each.what} of {image} but the photo itself{each.hint}")
        check_apart([output], [image, *partners, *([masks.of(name)] if masks else [])])
        instead = None if chosen or output == STANDARD else output.with_suffix(".png")
        compared = comparisons([output], [])[0] if output != STANDARD else None
        job = Job(image, partners, output, masks.of(name) if masks else None, instead, compared)
        return Plan([job], several=False)
    given = [path for path in (*references, mask, album) if path is not None]
    _check_folders(image, output, given)
    apart = [folder for folder in (output, *given) if folder.is_dir()]
    found = list_photos(image, [folder for folder in apart if not folder.samefile(image)])
    plan = Plan(left_out=[str(path.relative_to(image)) for path in found.left_out])
    if not found.paths:
        others_there = f"; it has {some_of(plan.left_out)}" if plan.left_out else ""
        raise TwoFaceError(f"{image}: no photos in this folder{others_there}")
    names = _output_names([path.relative_to(image) for path in found.paths], suffixes)
    pngs = as_png(names.values())
    shown = comparisons(names.values(), pngs)
    for (name, target), png, compared in zip(names.items(), pngs, shown, strict=True):
        if plan.keeps(output / target, output / png, force):
            continue
        try:
            partners = tuple(each.of(name) for each in others)
            own = masks.of(name) if masks else None
            files = output / target, own, output / png, output / compared
            plan.jobs.append(Job(image / name, partners, *files))
        except TwoFaceError as error:
            plan.failures.append(f"{image / name}: {error}")
    return plan


def default_output(image: Path, suffixes: Callable[[Path], str] = result_suffix) -> Path:
    """Beside a photo, or a folder of photos.

    Raises:
        TwoFaceError: it is standard input.
    """
    require(image != STANDARD, "`output` is needed where the photo comes from standard input")
    if image.name in ("", ".."):  # the folder one is in, or the one above
        image = image.resolve()
    return image.with_name(f"{image.name}-filled" if image.is_dir() else f"{image.stem}-filled{suffixes(image)}")


def drawn_output(output: Path, of_folder: bool) -> Path:
    """Where a dry run draws what would be filled into an output: beside it, or a folder's into one within it."""
    if output == STANDARD:
        return output
    if of_folder or output.is_dir():
        return output / "placement"
    return output.with_name(f"{output.stem}-placement.png")
