"""Conditions: the same photos and holes, filled in every way that a figure must be held against."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from twoface_pl.data.index import split_name
from twoface_pl.data.triples import Triple, Triples
from twoface_pl.evaluation.compared import Compared
from twoface_pl.evaluation.controls import fill_without_reference, pasted_reference
from twoface_pl.evaluation.names import NEAREST, NONE, OCCLUDED, PASTED, RIGHT, WRONG
from twoface_pl.evaluation.occlusion import Occluder
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.identity import IdentityNetwork, embed
from twoface_pl.networks.tensors import to_float, to_uint8

AT_ONCE = 16  # photos that are embedded


PhotoKey = tuple[str, bytes]  # ``identity/file`` and a digest: roles may hold different files of one name


def photo_key(entry: str, pixels: np.ndarray) -> PhotoKey:
    """What an untouched photo is known by."""
    return entry, hashlib.blake2b(pixels.tobytes(), digest_size=12).digest()


@dataclass(frozen=True)
class Plan:
    """Beside the triples themselves: what else is looked up for each target, by its position."""

    nearest: dict[str, str]  # by person: the most similar other one; empty without an identity network
    galleries: list[str | None]  # a file of the person: neither target nor reference, nor alike to either
    embeddings: dict[PhotoKey, np.ndarray]  # the identity network's, of photos as they are


def _embed_references(
    triples: Triples, network: IdentityNetwork, device: torch.device
) -> tuple[dict[str, list[np.ndarray]], dict[PhotoKey, np.ndarray]]:
    """Embeddings of everybody's references, by person and by photo."""
    entries = [(person, file) for person in triples.people for file in triples.index.references[person]]
    of_people: dict[str, list[np.ndarray]] = {}
    of_photos = {}
    for start in tqdm(range(0, len(entries), AT_ONCE), desc="who looks like whom", unit="batch", mininterval=1):
        some = entries[start : start + AT_ONCE]
        photos = np.stack([triples.load_reference(person, file) for person, file in some])
        embeddings = embed(network, to_float(torch.from_numpy(photos).to(device)), AT_ONCE).cpu().numpy()
        for (person, file), pixels, each in zip(some, photos, embeddings, strict=True):
            of_people.setdefault(person, []).append(each)
            of_photos[photo_key(f"{person}/{file}", pixels)] = each
    return of_people, of_photos


def make_plan(triples: Triples, network: IdentityNetwork | None, device: torch.device) -> Plan:
    """Who looks most like whom, by the identity network, and each target's gallery photo."""
    nearest: dict[str, str] = {}
    embeddings: dict[PhotoKey, np.ndarray] = {}
    if network is not None and len(triples.people) > 1:
        of_people, embeddings = _embed_references(triples, network, device)
        names = list(of_people)
        likeness = np.stack([np.mean(each, axis=0) for each in of_people.values()])
        likeness /= np.linalg.norm(likeness, axis=1, keepdims=True)
        cosine = likeness @ likeness.T
        np.fill_diagonal(cosine, -np.inf)
        nearest = {name: names[int(best)] for name, best in zip(names, cosine.argmax(axis=1), strict=True)}
    galleries: list[str | None] = []
    for target in triples.targets:
        trial = triples.trial(target)
        if trial is not None:
            galleries.append(split_name(trial.gallery)[1])
            continue
        person, files = split_name(target)[0], triples.evaluation_references(target)
        used, beside = files[: triples.options.references], files[triples.options.references :]
        # A second picture of the reference's moment would be matched by what was copied from the reference.
        alike = frozenset().union(*(triples.index.alike.get(f"{person}/{name}", ()) for name in used))
        galleries.append(next((name for name in beside if name not in alike), None))
    return Plan(nearest, galleries, embeddings)


def _nearest_references(triples: Triples, plan: Plan, targets: list[str], count: int) -> Tensor:
    pictures = []
    for target in targets:
        person = plan.nearest[split_name(target)[0]]
        files = triples.index.references[person]
        pictures.append(np.stack([triples.load_reference(person, files[n % len(files)]) for n in range(count)]))
    return torch.from_numpy(np.stack(pictures))


class Conditions:
    """Fills of a split's photos under each condition.

    Args:
        trained: the generator.
        against: what it is compared with; None: nothing.
        triples: the split.
        plan: who looks like whom.
        baselines: OpenCV's better method, and what else sees no reference.
        device: of the networks.
        occluded: also from references in which something covers the face.
    """

    def __init__(
        self,
        trained: TrainedGenerator,
        against: Compared | None,
        triples: Triples,
        plan: Plan,
        baselines: Sequence[str],
        device: torch.device,
        occluded: bool = False,
    ) -> None:
        self.trained, self.against, self.triples, self.plan = trained, against, triples, plan
        self.baselines, self.device = baselines, device
        self._occluder = Occluder(triples.source, triples.split) if occluded else None

    def fills(self, batch: Triple, targets: list[str]) -> dict[str, np.ndarray]:
        """By condition, uint8 (N, H, W, 3)."""
        photo = to_float(batch["photo"].to(self.device))
        mask = batch["mask"][:, None].to(self.device, photo.dtype)
        masked = photo * (1 - mask)
        generator = self.trained.generator
        references = {
            name: to_float(pictures.to(self.device)) for name, pictures in self._given(batch, targets).items()
        }
        references[NONE] = generator.no_references(masked)
        made = {name: to_uint8(generator(masked, mask, pictures)) for name, pictures in references.items()}
        if self.against is not None:
            made |= dict(self.against.fills(masked, mask, references, batch, targets))
        photos, masks = batch["photo"].numpy(), batch["mask"].numpy()
        made |= {name: fill_without_reference(photos, masks, name) for name in self.baselines}
        made[PASTED] = pasted_reference(photos, masks, batch["references"][:, 0].numpy())
        return made

    def _given(self, batch: Triple, targets: list[str]) -> dict[str, Tensor]:
        """References by condition, uint8 (N, R, H, W, 3)."""
        given = {RIGHT: batch["references"]}
        if "wrong_references" in batch:
            given[WRONG] = batch["wrong_references"]
        if self.plan.nearest:
            given[NEAREST] = _nearest_references(self.triples, self.plan, targets, batch["references"].shape[1])
        if self._occluder is not None:
            given[OCCLUDED] = self._occluded(self._occluder, batch["references"], targets)
        return given

    def _occluded(self, occlude: Occluder, references: Tensor, targets: list[str]) -> Tensor:
        pictures = references.numpy().copy()
        for number, target in enumerate(targets):
            person = split_name(target)[0]
            files = self.triples.evaluation_references(target)
            for place in range(pictures.shape[1]):
                pictures[number, place] = occlude(f"{person}/{files[place % len(files)]}", pictures[number, place])
        return torch.from_numpy(pictures)
