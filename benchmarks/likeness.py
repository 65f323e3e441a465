"""The recogniser's thresholds, and what an album's choice is worth, on photos of known people.

    make bench-likeness ARGS="photos"

``photos/<person>/<photo>``, two or more of each. It prints which likeness of untouched photos one in 100 and one in
1,000 pairs of different people reach; how far below their own people's references damaged photos come, and how many of
other people's are told by that; and how much better the reference that is chosen first fills than one of all.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.finder import Sought
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import as_levels
from twoface_pl.faces.image import Photo, decode_image
from twoface_pl.masks import MaskPolicy
from twoface_pl.masks.face_parts import FaceParts
from twoface_pl.masks.shapes import CenterSquare
from twoface_pl.model_file import REPAIR, SHIPPED
from twoface_pl.serving.album import Album, Candidate, look_of
from twoface_pl.serving.inpaint import fill
from twoface_pl.serving.likeness import TWO_PEOPLE, Likeness, find_recogniser
from twoface_pl.serving.placing import place
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.target import Target
from twoface_pl.serving.versions import find_model

HOLES: dict[str, MaskPolicy] = {
    "centre 64": CenterSquare(64),
    **{part: FaceParts([part]) for part in ("eyes", "nose", "mouth", "lower_half", "left_half")},
}


class Face(NamedTuple):
    path: Path
    pixels: np.ndarray
    frame: Frame
    embedding: np.ndarray


def _faces(folder: Path, session: RepairSession, likeness: Likeness, most: int) -> list[list[Face]]:
    """Of each person, photos with one clear face."""
    people = []
    for person in tqdm(sorted(path for path in folder.iterdir() if path.is_dir()), desc="finding faces", unit="person"):
        found = []
        for path in sorted(person.iterdir())[:most]:
            try:
                pixels = decode_image(path)
                frame = place(session, Sought(pixels))
            except TwoFaceError:
                continue
            found.append(Face(path, pixels, frame, likeness.embed(pixels, frame)))
        if len(found) > 1:
            people.append(found)
    return people


def print_thresholds(people: list[list[Face]]) -> None:
    embeddings = np.stack([face.embedding for faces in people for face in faces])
    names = np.repeat(np.arange(len(people)), [len(faces) for faces in people])
    alike = embeddings @ embeddings.T
    different = alike[names[:, None] < names]
    same = alike[(names[:, None] == names) & ~np.eye(len(names), dtype=bool)]
    for share in (0.01, 0.001):
        threshold = float(np.quantile(different, 1 - share))
        print(f"{share:.1%} of {len(different):,} pairs of different people: {threshold:.3f} or more", end="")
        print(f"; so {(same >= threshold).mean():.1%} of one person's")


def _target(face: Face, policy: MaskPolicy, session: RepairSession, rng: np.random.Generator) -> Target:
    drawn = policy.draw(rng, session.image_size, session.facts.canonical)
    mask = as_levels(face.frame.mask_in_photo(drawn, *face.pixels.shape[:2]))
    return Target(Photo(face.pixels), face.pixels, mask, face.frame)


def print_damaged(people: list[list[Face]], session: RepairSession, likeness: Likeness) -> None:
    rng = np.random.default_rng(0)
    print(f"\nof damaged photos, how many are below {TWO_PEOPLE} to a reference, and the likeness of 1 % of their own")
    for name, policy in HOLES.items():
        own, others = [], []
        for faces, strangers in zip(people, people[1:] + people[:1], strict=True):
            target = _target(faces[0], policy, session, rng)
            left = likeness.embed(target.without_hole(), target.frame)
            own.append(float(left @ faces[1].embedding))
            others.append(float(left @ strangers[0].embedding))
        below = [float((np.array(values) < TWO_PEOPLE).mean()) for values in (own, others)]
        print(f"  {name:10} own {below[0]:6.1%}   others {below[1]:6.1%}   {np.quantile(own, 0.01):.2f}")


def _psnr(filled: np.ndarray, target: Target) -> float:
    error = filled[target.hole].astype(np.float64) - target.seen[target.hole]
    return float(10 * np.log10(255**2 / np.square(error).mean()))


def print_choice(people: list[list[Face]], session: RepairSession, likeness: Likeness) -> None:
    rng = np.random.default_rng(0)
    print("\nthe reference that fits best, against the mean of all: dB in the hole, likeness to the truth; and the two")
    for name in ("centre 64", "eyes", "mouth"):
        gains = []
        for faces in (faces for faces in people if len(faces) > 3):
            target = _target(faces[0], HOLES[name], session, rng)
            by_path = {face.path: face for face in faces[1:]}
            album = Album([Candidate(face.path, face.frame, look_of(face.pixels, face.frame)) for face in faces[1:]], 1)
            ranked = [by_path[each.path] for each in album.ranked(target)]
            figures = []
            for chosen in (*([face] for face in ranked), ranked[:2]):
                filled = fill(session, target, [face.pixels for face in chosen], [face.frame for face in chosen]).pixels
                alike = float(likeness.embed(filled, target.frame) @ faces[0].embedding)
                figures.append((_psnr(filled, target), alike))
            mean = np.mean(figures[:-1], axis=0)
            gains.append([np.subtract(figures[0], mean), np.subtract(figures[-1], mean)])
        one, two = np.mean(gains, axis=0)
        said = "   ".join(f"{what} {of[0]:+.2f} dB {of[1]:+.3f}" for what, of in (("one", one), ("two", two)))
        print(f"  {name:10} {said}   ({len(gains)} people)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="<person>/<photo>")
    parser.add_argument("--recogniser", type=Path, help="SFace's ONNX file (else of twoface-pl[check])")
    parser.add_argument("--most", type=int, default=6, help="photos of a person (%(default)s)")
    given = parser.parse_args()
    logging.disable()
    session = RepairSession(find_model(SHIPPED, REPAIR), "cpu")
    likeness = Likeness(find_recogniser(given.recogniser), session)
    people = _faces(given.photos, session, likeness, given.most)
    print(f"{len(people)} people, {sum(map(len, people))} photos")
    print_thresholds(people)
    print_damaged(people, session, likeness)
    print_choice(people, session, likeness)


if __name__ == "__main__":
    main()
