"""Step: photos that are not of their person, and people who stand in two sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twoface_pl.data_prep.sources import Photo, Reject

Person = tuple[str, str]  # source and identity
People = dict[Person, list[Photo]]
Match = tuple[Person, Person, float]  # two people, and the cosine of their means
BLOCK = 1024  # people compared at once
SMALLEST_FRACTION = 0.5  # of a person's photos must agree, or nobody knows who is meant


@dataclass(frozen=True)
class Identities:
    """Who is left; ``joined`` are the same person in two sources, ``alike`` may be one within a source."""

    people: People
    rejects: list[Reject]
    joined: list[Match]
    alike: list[Match]
    kin: dict[Person, Person]  # of people who may be one, the first


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def agreeing(embeddings: np.ndarray, same_person: float) -> tuple[np.ndarray, np.ndarray]:
    """Which of a person's photos agree with the mean of those that do.

    Begins at the photo that is most like the others, and takes turns: the mean of those that agree,
    then who agrees with it. A photo is compared with the mean of the others, never with itself.

    Args:
        embeddings: unit identity embeddings (N, D).
        same_person: least cosine to the others' mean.

    Returns:
        bool (N,), and each photo's cosine (N,).
    """
    likeness = embeddings @ embeddings.T
    agree = likeness[int(likeness.sum(axis=1).argmax())] >= same_person
    cosines = np.ones(len(embeddings))
    for _ in range(10):
        total = embeddings[agree].sum(axis=0)
        others = _unit(total - embeddings * agree[:, None])
        cosines = (others * embeddings).sum(axis=1)
        now = cosines >= same_person
        if agree.sum() == 1:  # alone: its own others are none
            now |= agree
        if (now == agree).all() or not now.any():
            break
        agree = now
    return agree, cosines


def _clean_person(photos: list[Photo], embeddings: np.ndarray, same_person: float) -> tuple[list[Photo], list[Reject]]:
    if len(photos) < 2:
        return photos, []
    agree, cosines = agreeing(embeddings, same_person)
    if agree.sum() < 2 or agree.mean() < SMALLEST_FRACTION:
        reason = (
            f"only {agree.sum()} of this person's {len(photos)} photos look like one person; which is meant is open"
        )
        return [], [Reject(photo.key, "mixed person", reason) for photo in photos]
    rejects = [
        Reject(photo.key, "other person", f"cosine {cosine:.2f} to the person's mean, less than {same_person:g}")
        for photo, stays, cosine in zip(photos, agree, cosines, strict=True)
        if not stays
    ]
    return [photo for photo, stays in zip(photos, agree, strict=True) if stays], rejects


def _matches(people: list[Person], means: np.ndarray, join: float) -> list[Match]:
    """Pairs of people whose means match, the best first."""
    found: list[Match] = []
    for start in range(0, len(people), BLOCK):
        cosines = means[start : start + BLOCK] @ means.T
        for row, column in zip(*np.nonzero(cosines >= join), strict=True):
            if start + row < column:
                found.append((people[start + row], people[column], float(cosines[row, column])))
    return sorted(found, key=lambda match: (-match[2], match[:2]))


def clean(people: People, embeddings: dict[str, np.ndarray], same_person: float, join: float) -> Identities:
    """Reject photos far from their person's mean; join people of different sources whose means match.

    Within one source nobody is joined: its folders are somebody's decision. Each person joins at most one
    of each other source, the best match first. The joined person keeps the first source's name. All that match
    and are not joined are ``alike``, and kin: they must not be parted by a split.

    Args:
        people: photos by source and identity, the sources in their order.
        embeddings: unit identity embeddings by photo.
        same_person: least cosine of a photo to the mean of its person's others.
        join: least cosine of two means that are one person.
    """
    kept: People = {}
    rejects = []
    for person, photos in people.items():
        stay, gone = _clean_person(photos, np.stack([embeddings[photo.key] for photo in photos]), same_person)
        rejects += gone
        if stay:
            kept[person] = stay
    if not kept:
        return Identities({}, rejects, [], [], {})
    names = list(kept)
    means = _unit(np.stack([np.mean([embeddings[photo.key] for photo in kept[name]], axis=0) for name in names]))
    joined: list[Match] = []
    alike: list[Match] = []
    root = {name: name for name in names}
    sources_of = {name: {name[0]} for name in names}
    for first, second, cosine in _matches(names, means, join):
        if first[0] == second[0]:
            alike.append((first, second, cosine))
            continue
        keeper, comer = root[first], root[second]
        if keeper == comer:
            continue
        if sources_of[keeper] & sources_of[comer]:
            alike.append((first, second, cosine))
            continue
        if names.index(comer) < names.index(keeper):
            keeper, comer = comer, keeper
        for name in names:
            if root[name] == comer:
                root[name] = keeper
        sources_of[keeper] |= sources_of[comer]
        joined.append((first, second, cosine))
    together: People = {}
    for name in names:
        together.setdefault(root[name], []).extend(kept[name])
    return Identities(together, rejects, joined, alike, _kin(list(together), root, alike))


def _kin(people: list[Person], root: dict[Person, Person], alike: list[Match]) -> dict[Person, Person]:
    """The first of each group of people who may be one, by each of them."""
    first_of = {person: person for person in people}
    for one, other, _ in alike:
        leaders = sorted((first_of[root[one]], first_of[root[other]]), key=people.index)
        for person, leader in first_of.items():
            if leader == leaders[1]:
                first_of[person] = leaders[0]
    return {person: leader for person, leader in first_of.items() if person != leader}
