"""Step: the same picture twice, and pictures too alike for one to be the other's reference.

Two framed photos are compared as grey pictures of 32x32 without their coarse shading (a Gaussian of 3
pixels is taken off), by the cosine of what is left, one of them also mirrored. On LFW and CelebA photos,
0.9 and more was always one picture (coded anew, recoloured, cut otherwise), 0.7 and more were mostly
pictures of one moment, and photos of different people reach 0.7 once in fifty thousand pairs.
"""

from __future__ import annotations

from collections import defaultdict

import cv2
import numpy as np

from twoface_pl.data_prep.identities import People, Person
from twoface_pl.data_prep.photos import Values, thumbnail
from twoface_pl.data_prep.sources import Photo, Reject

SAME_PICTURE = 0.9
TOO_ALIKE = 0.7  # for a target and its reference
SHADING = 3.0  # pixels of the thumbnail
BLOCK = 512  # photos compared at once


class Likeness:
    """Compares framed photos.

    Args:
        values: alignments' results, by photo.
        same_picture: from this likeness on two photos are one picture.
    """

    def __init__(self, values: dict[str, Values], same_picture: float = SAME_PICTURE) -> None:
        self.values = values
        self.same_picture = same_picture
        self._details: dict[str, np.ndarray] = {}

    def _detail(self, key: str) -> np.ndarray:
        if key not in self._details:
            grey = thumbnail(self.values[key]).astype(np.float32)
            detail = grey - cv2.GaussianBlur(grey, (0, 0), SHADING)
            self._details[key] = detail / max(float(np.linalg.norm(detail)), 1e-6)
        return self._details[key]

    def stack(self, photos: list[Photo]) -> tuple[np.ndarray, np.ndarray]:
        """The photos' details and the mirrored ones', a row each."""
        details = np.stack([self._detail(photo.key) for photo in photos])
        return details.reshape(len(photos), -1), details[:, :, ::-1].reshape(len(photos), -1)

    def among(self, photos: list[Photo]) -> np.ndarray:
        """Likeness of each pair: (N, N), -1 to 1."""
        details, mirrored = self.stack(photos)
        return np.maximum(details @ details.T, details @ mirrored.T)

    def quality(self, photo: Photo) -> tuple[float, float, str]:
        """What sorts copies of a picture: the largest face first, then the sharpest."""
        value = self.values[photo.key]
        return -value["side"], -value["sharpness"], photo.key


def drop_copies(people: People, likeness: Likeness) -> tuple[People, list[Reject]]:
    """Of each person's copies of a picture only the best stays."""
    kept: People = {}
    rejects = []
    for person, photos in people.items():
        ranked = sorted(photos, key=likeness.quality)
        alike = likeness.among(ranked)
        stays: list[int] = []
        seen: dict[str, str] = {}  # the first photo of each digest
        for at, photo in enumerate(ranked):
            first = seen.setdefault(likeness.values[photo.key]["digest"], photo.key)
            copies = [other for other in stays if alike[at, other] >= likeness.same_picture]
            if not copies:
                stays.append(at)
            elif first != photo.key:
                rejects.append(Reject(photo.key, "duplicate", f"the same picture as {first}"))
            else:
                best = max(copies, key=lambda other: alike[at, other])
                reason = f"the same picture as {ranked[best].key} ({alike[at, best]:.2f} alike)"
                rejects.append(Reject(photo.key, "near duplicate", reason))
        staying = {ranked[at].key for at in stays}
        kept[person] = [photo for photo in photos if photo.key in staying]
    return kept, rejects


def drop_shared(people: People, likeness: Likeness) -> tuple[People, list[Reject]]:
    """Of a picture that stands under two people nobody knows whose it is: it goes from both."""
    owners = [(person, photo) for person, photos in people.items() for photo in photos]
    if not owners:
        return people, []
    details, mirrored = likeness.stack([photo for _, photo in owners])
    numbers = {person: number for number, person in enumerate(people)}
    whose = np.array([numbers[person] for person, _ in owners])
    shared: dict[str, str] = {}
    for start in range(0, len(owners), BLOCK):
        block = details[start : start + BLOCK]
        alike = np.maximum(block @ details.T, block @ mirrored.T)
        alike[whose[start : start + BLOCK, None] == whose[None]] = 0
        for row, column in zip(*np.nonzero(alike >= likeness.same_picture), strict=True):
            shared[owners[start + row][1].key] = owners[column][1].key
    rejects = [
        Reject(key, "shared picture", f"the same picture as {other}, which is another person's; whose it is is open")
        for key, other in sorted(shared.items())
    ]
    return {
        person: [photo for photo in photos if photo.key not in shared] for person, photos in people.items()
    }, rejects


def too_alike(people: People, likeness: Likeness, limit: float = TOO_ALIKE) -> dict[Person, dict[str, list[str]]]:
    """By person and photo: the person's photos that must not be its reference."""
    pairs: dict[Person, dict[str, list[str]]] = {}
    for person, photos in people.items():
        found = defaultdict(list)
        for row, column in zip(*np.nonzero(likeness.among(photos) >= limit), strict=True):
            if row != column:
                found[photos[row].key].append(photos[column].key)
        pairs[person] = dict(found)
    return pairs
