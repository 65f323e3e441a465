"""Conditions: the same photos and holes, filled in every way that a figure must be held against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from twoface_pl.data.index import split_name
from twoface_pl.data.triples import Triple, Triples, next_references
from twoface_pl.evaluation.controls import OPENCV_METHODS, opencv_fill, pasted_reference
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.identity import IdentityNetwork, embed
from twoface_pl.networks.tensors import to_float, to_uint8

RIGHT, WRONG, NEAREST, NONE = "right reference", "wrong reference", "nearest wrong reference", "no reference"
AGAINST, PASTED = "compared generator", "pasted reference"


def opencv_name(method: str) -> str:
    """The condition's name."""
    return f"opencv {method}"


@dataclass(frozen=True)
class Plan:
    """Beside the triples themselves: what else is looked up for each target, by its position."""

    nearest: dict[str, str]  # by person: the most similar other one; empty without an identity network
    galleries: list[str | None]  # a file of the person: neither target nor reference, nor alike to either


def _person_means(triples: Triples, network: IdentityNetwork, device: torch.device) -> dict[str, np.ndarray]:
    means = {}
    for person in triples.people:
        photos = [triples.load_reference(person, file) for file in triples.index.references[person]]
        faces = to_float(torch.from_numpy(np.stack(photos)).to(device))
        mean = embed(network, faces).mean(dim=0)
        means[person] = (mean / mean.norm()).cpu().numpy()
    return means


def make_plan(triples: Triples, network: IdentityNetwork | None, device: torch.device) -> Plan:
    """Who looks most like whom, by the identity network, and each target's gallery photo."""
    nearest = {}
    if network is not None and len(triples.people) > 1:
        means = _person_means(triples, network, device)
        names = list(means)
        likeness = np.stack([means[name] for name in names])
        cosine = likeness @ likeness.T
        np.fill_diagonal(cosine, -np.inf)
        nearest = {name: names[int(best)] for name, best in zip(names, cosine.argmax(axis=1), strict=True)}
    galleries: list[str | None] = []
    for target in triples.targets:
        person, file = split_name(target)
        files = next_references(triples.index, person, file, triples.positions[target])
        used, beside = files[: triples.options.references], files[triples.options.references :]
        # A second picture of the reference's moment would be matched by what was copied from the reference.
        alike = frozenset().union(*(triples.index.alike.get(f"{person}/{name}", frozenset()) for name in used))
        galleries.append(next((name for name in beside if name not in alike), None))
    return Plan(nearest, galleries)


def _nearest_references(triples: Triples, plan: Plan, targets: list[str], count: int) -> Tensor:
    pictures = []
    for target in targets:
        person = plan.nearest[split_name(target)[0]]
        files = triples.index.references[person]
        pictures.append(np.stack([triples.load_reference(person, files[n % len(files)]) for n in range(count)]))
    return torch.from_numpy(np.stack(pictures))


def fill_conditions(
    trained: TrainedGenerator,
    against: TrainedGenerator | None,
    batch: Triple,
    targets: list[str],
    triples: Triples,
    plan: Plan,
    device: torch.device,
) -> Iterator[tuple[str, np.ndarray]]:
    """Each condition's name and its fills of a batch, uint8 (N, H, W, 3)."""
    photo = to_float(batch["photo"].to(device))
    mask = batch["mask"][:, None].to(device, photo.dtype)
    masked = photo * (1 - mask)
    given = {RIGHT: batch["references"]}
    if "wrong_references" in batch:
        given[WRONG] = batch["wrong_references"]
    if plan.nearest:
        given[NEAREST] = _nearest_references(triples, plan, targets, batch["references"].shape[1])
    references = {name: to_float(pictures.to(device)) for name, pictures in given.items()}
    references[NONE] = trained.generator.no_references(masked)
    for name, pictures in references.items():
        yield name, to_uint8(trained.generator(masked, mask, pictures))
    if against is not None:
        yield AGAINST, to_uint8(against.generator(masked, mask, references[RIGHT]))
    photos, masks = batch["photo"].numpy(), batch["mask"].numpy()
    for method in OPENCV_METHODS:
        yield opencv_name(method), opencv_fill(photos, masks, method)
    yield PASTED, pasted_reference(photos, masks, batch["references"][:, 0].numpy())
