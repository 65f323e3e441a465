"""A folder of a person's photos, of which those are taken as references that fit a photo best."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.finder import Sought
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.listing import list_photos, some_of
from twoface_pl.faces.origin import is_made
from twoface_pl.serving.placing import LARGE_FACE, place
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.target import Target

log = logging.getLogger(__name__)

LOOK = 32  # pixels a side of a face that is compared: pose, light and expression, no features
SAME = 0.25  # least cosine of two photos of one person
Embed = Callable[[np.ndarray, Frame], np.ndarray]


@dataclass(frozen=True)
class Candidate:
    """A photo with one clear face."""

    path: Path
    frame: Frame
    look: np.ndarray  # float32 CIELAB (LOOK, LOOK, 3)


def look_of(pixels: np.ndarray, frame: Frame) -> np.ndarray:
    """How a face in a frame of a picture looks from afar: what photos are compared by."""
    return cv2.cvtColor(frame.crop(pixels, LOOK).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


class Album:
    """Photos of one person.

    Args:
        candidates: those with one clear face.
        most: references that are taken for a photo.
    """

    def __init__(self, candidates: list[Candidate], most: int) -> None:
        self.candidates, self.most = candidates, most

    def ranked(self, target: Target) -> list[Candidate]:
        """All of them, the one first that fits a photo best: by pose, light and expression of what the hole leaves."""
        looks = look_of(target.without_hole(), target.frame)
        seen = ~target.frame.crop_mask(target.mask, LOOK)

        def unlike(candidate: Candidate) -> float:
            apart = np.abs(candidate.look - looks).sum(axis=2)
            small = max(1.0, target.frame.side / candidate.frame.side / LARGE_FACE)
            return float(apart[seen].mean() if seen.any() else 0.0) * small

        return sorted(self.candidates, key=unlike)


def read_album(
    folder: Path, session: RepairSession, most: int, embed: Embed | None = None, without: Collection[Path] = ()
) -> Album:
    """Look at all photos of a folder and its sub-folders.

    Args:
        folder: of one person's photos.
        session: the model.
        most: references that are taken for a photo.
        embed: a recogniser, which leaves out other people than the most.
        without: folders in it that are not entered, as that of the results.

    Raises:
        TwoFaceError: none has a clear face.
    """
    from tqdm import tqdm

    found: list[Candidate] = []
    embeddings: list[np.ndarray] = []
    left_out: list[str] = []
    made: list[str] = []
    for path in tqdm(list_photos(folder, without).paths, desc="looking at references", unit="photo"):
        try:
            if is_made(path, str(path)):
                made.append(path.name)
                continue
            pixels = decode_image(path)
            frame = place(session, Sought(pixels, str(path)))
        except TwoFaceError:
            left_out.append(path.name)
            continue
        found.append(Candidate(path, frame, look_of(pixels, frame)))
        if embed is not None:
            embeddings.append(embed(pixels, frame))
    if left_out:
        log.warning("%s: no one clear face in %s", folder, some_of(left_out))
    if made:
        log.warning("%s: left out, as they say that a model or this program made them: %s", folder, some_of(made))
    if embeddings:
        found = _of_one_person(found, np.stack(embeddings), folder)
    require(bool(found), f"{folder}: no photo with one clear face to take as a reference")
    return Album(found, most)


def _of_one_person(candidates: list[Candidate], embeddings: np.ndarray, folder: Path) -> list[Candidate]:
    """Those that are alike to the one that is most alike to all."""
    alike = embeddings @ embeddings.T
    same = alike[np.median(alike, axis=1).argmax()] >= SAME
    if len(candidates) > 1 and same.sum() == 1:
        names = some_of([each.path.name for each in candidates])
        raise TwoFaceError(
            f"{folder}: no two of its photos seem to be of one person ({names}); give those of the person"
        )
    others = [each.path.name for each, is_same in zip(candidates, same, strict=True) if not is_same]
    if others:
        log.warning("%s: left out as photos of somebody else: %s", folder, some_of(others))
    return [each for each, is_same in zip(candidates, same, strict=True) if is_same]
