"""From where to where a set is prepared, and how; and what must not be replaced or mixed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twoface_pl.data.index import FACTS_FILE, INDEX_FILES
from twoface_pl.data.source import SPLITS
from twoface_pl.data_prep.duplicates import SAME_PICTURE, TOO_ALIKE
from twoface_pl.data_prep.split import SplitRule
from twoface_pl.data_prep.workers import LOCAL, Workers
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.formats import MIN_SIDE
from twoface_pl.faces.frame import FrameKind

STEPS = ("detect", "align", "deduplicate", "clean", "split", "zip", "report")
NO_RECOGNISER: dict[str, Any] = {"name": "none"}


@dataclass(frozen=True)
class PrepareOptions:
    """From where to where, and how."""

    sources: tuple[Path, ...]  # each <identity>/<photo>
    root: Path  # of the prepared data set
    image_size: int
    frame: FrameKind
    split: SplitRule
    recogniser: dict[str, Any] = field(default_factory=lambda: dict(NO_RECOGNISER))
    enlarge: bool = True  # False: a frame smaller than image_size keeps its own size
    min_photos: int = 2  # people with fewer usable photos are rejected
    min_face: float = 30  # pixels; smaller faces are rejected
    same_picture: float = SAME_PICTURE  # likeness of copies; only the best one stays
    too_alike: float = TOO_ALIKE  # likeness of photos that are never each other's reference
    zip: bool = False
    workers: int = 0  # processes; 0: all cores
    backend: str = LOCAL  # where they run
    cluster: str | None = None  # its scheduler's address
    step: str = "all"
    work: Path | None = None  # folder of what steps found so far; None: beside the root
    force: bool = False  # replace an existing root

    def __post_init__(self) -> None:
        for name, least in (("image_size", MIN_SIDE), ("min_photos", 1), ("workers", 0)):
            value = getattr(self, name)
            require(isinstance(value, int) and value >= least, f"{name}={value} is not a whole number from {least}")
        for name in ("min_face", "same_picture", "too_alike"):
            value = getattr(self, name)
            require(isinstance(value, int | float) and value >= 0, f"{name}={value} is not a number from 0")
        _ = self.workers_used  # or refused before anything is read
        require(isinstance(self.enlarge, bool), f"enlarge={self.enlarge} is not true or false")
        require(self.step in ("all", *STEPS), f"step={self.step} is not one of all, {', '.join(STEPS)}")
        require(
            self.frame.aligned or self.recogniser["name"] == "none",
            f"recogniser={self.recogniser['name']} needs faces to be found; choose frame=tight or loose",
        )
        require(self.frame.name != "unknown", "frame=unknown is for other programs' data; choose tight, loose or none")

    @property
    def workers_used(self) -> Workers:
        return Workers(self.workers, self.backend, self.cluster)

    @property
    def work_folder(self) -> Path:
        root = self.root if self.root.name else self.root.resolve()  # "." has no name
        return self.work or root.with_name(f"{root.name}.work")

    def computes(self, step: str) -> bool:
        """Whether this run does a step, or only reads what it found."""
        return self.step in ("all", step)


def check_root(options: PrepareOptions) -> None:
    """Refuse a root that must not be replaced.

    Raises:
        TwoFaceError: it exists without ``force``, is no prepared data set, or holds the photos.
    """
    root = options.root.resolve()
    for folder, key in ((root, "root"), (options.work_folder.resolve(), "work")):
        for source in (source.resolve() for source in options.sources):
            if folder == source or folder in source.parents or source in folder.parents:
                raise TwoFaceError(
                    f"{key}={folder} and the photos in {source} lie in each other; choose another {key}="
                )
    work = options.work_folder.resolve()
    if work == root or root in work.parents:
        raise TwoFaceError(f"work={work} lies in {root}, which is replaced as a whole; choose another work=")
    if not root.exists() or options.step not in ("all", "split"):
        return
    if not options.force:
        raise TwoFaceError(f"{options.root} exists and is kept; set force=true to replace it, or another root=")
    if not any((root / split / INDEX_FILES["masked"]).is_file() for split in SPLITS):
        raise TwoFaceError(f"{options.root} is not a prepared data set and is not replaced; choose another root=")


def set_facts(options: PrepareOptions) -> dict[str, Any]:
    """What the set's own file says of it."""
    return {
        "frame": options.frame.options(),
        "image_size": options.image_size,
        **({} if options.enlarge else {"enlarge": False}),
        "split": options.split.options,
        "recogniser": options.recogniser["name"],
        "min_photos": options.min_photos,
        "min_face": float(options.min_face),
        "same_picture": float(options.same_picture),
        "too_alike": float(options.too_alike),
    }


def check_facts(options: PrepareOptions) -> None:
    """Refuse to add to a set that was made otherwise than this run would make it."""
    path = options.root / FACTS_FILE
    if not path.is_file():
        raise TwoFaceError(f"no prepared data set {options.root}; run `twoface prepare step=split` first")
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError:
        found = {}
    wanted = json.loads(json.dumps(set_facts(options)))
    differing = [key for key, value in wanted.items() if found.get(key) != value]
    if differing:
        raise TwoFaceError(
            f"{options.root} was made with other options ({', '.join(differing)}); "
            "give the same ones, or run step=split with force=true first"
        )
