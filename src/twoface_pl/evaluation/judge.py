"""The judge of identity: a recogniser that no loss has seen, with landmarks from the untouched photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from twoface_pl.data.index import read_frame, read_landmarks, split_name
from twoface_pl.data.triples import Triple, Triples
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.conditions import Plan
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

    def embed_gallery(self, target: str, file: str) -> np.ndarray:
        """The unit embedding (D,) of a gallery photo of the target's person."""
        person = split_name(target)[0]
        return self.embed(self._triples.load_reference(person, file)[None], [f"{person}/{file}"])[0]


class IdentityRecord:
    """Collects the judge's embeddings of a whole split, condition by condition."""

    def __init__(self, judge: IdentityJudge, plan: Plan) -> None:
        self._judge, self._plan = judge, plan
        self.truth: list[np.ndarray] = []
        self.gallery: list[np.ndarray] = []
        self.probes: dict[str, list[np.ndarray]] = {}

    def add(
        self, batch: Triple, fills: dict[str, np.ndarray], targets: list[str], references: list[str], start: int
    ) -> Iterator[tuple[str, str, np.ndarray]]:
        """Embeds a batch, from the target number ``start`` on; gives cosines by condition and figure."""
        truth = self._judge.embed(batch["photo"].numpy(), targets)
        reference = self._judge.embed(batch["references"][:, 0].numpy(), references)
        self.truth.append(truth)
        gallery = np.zeros_like(truth)  # zeros where there is none
        for number, target in enumerate(targets):
            file = self._plan.galleries[start + number]
            if file is not None:
                gallery[number] = self._judge.embed_gallery(target, file)
        self.gallery.append(gallery)
        for name, pictures in fills.items():
            probes = self._judge.embed(pictures, targets)
            self.probes.setdefault(name, []).append(probes)
            yield name, "judge_to_truth", (probes * truth).sum(axis=1)
            yield name, "judge_to_reference", (probes * reference).sum(axis=1)
