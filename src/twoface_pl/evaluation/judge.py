"""The judge of identity: a recogniser that no loss has seen, with landmarks from the untouched photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twoface_pl.data.index import read_frame, split_name
from twoface_pl.data.landmarks import read_landmarks
from twoface_pl.data.triples import Triple, Triples
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.conditions import PhotoKey, Plan, photo_key
from twoface_pl.evaluation.summary import verify
from twoface_pl.evaluation.verification import FALSE_ACCEPTS
from twoface_pl.faces.recogniser import SFace


class IdentityJudge:
    """Embeds photos of one split's frames.

    Args:
        triples: the split.
        weights: SFace's file.

    Raises:
        TwoFaceError: a file of another kind, or a data set that does not say where the faces are.
    """

    def __init__(self, triples: Triples, weights: Path) -> None:
        self._triples = triples
        self._network = SFace(weights)
        self._landmarks = read_landmarks(triples.source, triples.split)
        frame = read_frame(triples.source)
        self._mean = frame.landmarks() if frame.aligned else None
        if not self._landmarks and self._mean is None:
            raise TwoFaceError("the data set does not say where the faces are; prepare it with frame=tight or loose")

    def embed(self, pictures: np.ndarray, entries: list[str]) -> np.ndarray:
        """Unit embeddings (N, D) of uint8 (N, H, W, 3), by the landmarks of the untouched photos ``identity/file``."""
        found = []
        for pixels, entry in zip(pictures, entries, strict=True):
            landmarks = self._landmarks.get(entry, self._mean)
            if landmarks is None:
                raise TwoFaceError(f"the data set has no landmarks of {entry}; run prepare again")
            found.append(self._network.embed(pixels, landmarks * len(pixels)))
        return np.stack(found)


Embed = Callable[[np.ndarray, list[str]], np.ndarray]  # pictures uint8 (N, H, W, 3) of entries to unit (N, D)


class IdentityRecord:
    """Collects a recogniser's embeddings of a whole split, condition by condition.

    Args:
        recogniser: its name.
        figure: what its figures' names begin with.
        embed: the recogniser.
        triples: the split.
        plan: of the evaluation.
        known: embeddings of untouched photos that are there already, by :func:`photo_key`.
    """

    def __init__(
        self,
        recogniser: str,
        figure: str,
        embed: Embed,
        triples: Triples,
        plan: Plan,
        known: Mapping[PhotoKey, np.ndarray] | None = None,
    ) -> None:
        self.recogniser = recogniser
        self._figure, self._embed, self._triples, self._plan = figure, embed, triples, plan
        self._known = dict(known or {})  # of untouched photos, which come as target, reference and gallery
        self.truth: list[np.ndarray] = []
        self.gallery: list[np.ndarray] = []
        self.probes: dict[str, list[np.ndarray]] = {}

    def _of_photos(self, pictures: np.ndarray, entries: list[str]) -> np.ndarray:
        keys = [photo_key(entry, pixels) for entry, pixels in zip(entries, pictures, strict=True)]
        new = [number for number, key in enumerate(keys) if key not in self._known]
        if new:
            found = self._embed(pictures[new], [entries[number] for number in new])
            self._known.update(zip([keys[number] for number in new], found, strict=True))
        return np.stack([self._known[key] for key in keys])

    def _galleries(self, targets: list[str], start: int) -> np.ndarray:
        """Of a third photo of each target's person; zeros where there is none."""
        files = self._plan.galleries[start : start + len(targets)]
        people = [split_name(target)[0] for target in targets]
        there = [number for number, file in enumerate(files) if file is not None]
        found = np.zeros((len(targets), self.truth[0].shape[1]), np.float32)
        if there:
            photos = np.stack([self._triples.load_reference(people[n], str(files[n])) for n in there])
            found[there] = self._of_photos(photos, [f"{people[n]}/{files[n]}" for n in there])
        return found

    def add(
        self, batch: Triple, fills: dict[str, np.ndarray], targets: list[str], references: list[str], start: int
    ) -> Iterator[tuple[str, str, np.ndarray]]:
        """Embeds a batch, from the target number ``start`` on; gives cosines by condition and figure."""
        truth = self._of_photos(batch["photo"].numpy(), targets)
        reference = self._of_photos(batch["references"][:, 0].numpy(), references)
        self.truth.append(truth)
        self.gallery.append(self._galleries(targets, start))
        for name, pictures in fills.items():
            probes = self._embed(pictures, targets)
            self.probes.setdefault(name, []).append(probes)
            yield name, f"{self._figure}_to_truth", (probes * truth).sum(axis=1)
            yield name, f"{self._figure}_to_reference", (probes * reference).sum(axis=1)

    def verification(self, people: np.ndarray) -> dict[str, Any]:
        """Of all conditions, once every batch was measured; by the share of false accepts."""
        has_gallery = np.array([file is not None for file in self._plan.galleries[: len(people)]])
        probes = {name: np.concatenate(parts) for name, parts in self.probes.items()}
        truth, gallery = np.concatenate(self.truth), np.concatenate(self.gallery)
        return {
            f"{self.recogniser}, {share:.1%} false accepts": verify(probes, truth, gallery, people, has_gallery, share)
            for share in FALSE_ACCEPTS
        }
