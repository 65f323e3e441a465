"""All that measures fills, and what it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from twoface_pl.data.index import SPLITS
from twoface_pl.data.triples import Triple, Triples
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.evaluation.conditions import NEAREST, WRONG, Plan, make_plan
from twoface_pl.evaluation.distribution import InceptionFeatures, distances
from twoface_pl.evaluation.judge import IdentityJudge, IdentityRecord
from twoface_pl.evaluation.metrics import psnr_in_hole, ssim_in_hole
from twoface_pl.evaluation.perceptual import LPIPS, ShiftTolerantLPIPS
from twoface_pl.evaluation.summary import verify
from twoface_pl.networks.identity import IdentityNetwork, embed
from twoface_pl.networks.options import require_whole
from twoface_pl.networks.tensors import to_float

MOST_PHOTOS = 4096  # of a batch
TRUTH = "truth"  # beside the conditions
Measured = tuple[str, str, np.ndarray]
T = TypeVar("T")


@dataclass(frozen=True)
class EvaluateOptions:
    """What to evaluate on, and by whom."""

    root: Path
    split: str
    mask: dict[str, Any] | None  # None: the policy it was trained with
    batch_size: int
    photos: int  # 0: all
    seed: int
    device: str
    references: int = 1  # photos of the person that the generators are given; who has fewer has some of them twice
    recogniser: dict[str, Any] = field(default_factory=lambda: {"name": "none"})  # the judge of identity
    lpips: Path | None = None  # torchvision's AlexNet weights
    inception: Path | None = None  # torch-fidelity's Inception weights, for FID and KID

    def __post_init__(self) -> None:
        require(self.split in SPLITS, f"subset={self.split} is not one of {', '.join(SPLITS)}")
        require(self.device in ("cpu", "cuda"), f"device={self.device} is not cpu or cuda")
        require_whole("batch_size", self.batch_size, 1, MOST_PHOTOS)
        require_whole("references", self.references, 1)
        for name in ("photos", "seed"):
            require_whole(name, getattr(self, name), 0)
        name = self.recogniser["name"]
        require(name in ("none", "sface"), f"recogniser={name} cannot judge here; choose sface or none")


class Evaluator:
    """All that measures one split; what cannot be had is skipped, by name and with its reason."""

    def __init__(
        self, triples: Triples, options: EvaluateOptions, network: IdentityNetwork | None, device: torch.device
    ) -> None:
        self.skipped: dict[str, str] = {}
        self.network = network
        self.device = device
        if network is not None:
            network.to(device)
        else:
            self.skipped[NEAREST] = "needs an identity network (identity=facenet)"
        if len(triples.people) < 2:
            self.skipped[WRONG] = self.skipped[NEAREST] = "the split has one person only"
        self.plan: Plan = make_plan(triples, network, device)
        self.perceptual = [
            metric
            for metric in (
                self._unless_skipped("ST-LPIPS", lambda: ShiftTolerantLPIPS(device)),
                self._of_file("LPIPS", "lpips", options.lpips, lambda file: LPIPS(file, device)),
            )
            if metric is not None
        ]
        self.inception = self._of_file(
            "FID, KID", "inception", options.inception, lambda file: InceptionFeatures(file, device)
        )
        self.features: dict[str, list[np.ndarray]] = {}
        self.record = self._record(triples, options.recogniser)

    def _unless_skipped(self, name: str, build: Callable[[], T]) -> T | None:
        try:
            return build()
        except TwoFaceError as error:
            self.skipped[name] = str(error)
            return None

    def _of_file(self, name: str, option: str, file: Path | None, build: Callable[[Path], T]) -> T | None:
        if file is None:
            self.skipped[name] = f"needs {option}=<file>"
            return None
        return self._unless_skipped(name, lambda: build(file))

    def _record(self, triples: Triples, recogniser: dict[str, Any]) -> IdentityRecord | None:
        name = "identity by a judge, verification"
        if recogniser["name"] == "none":
            self.skipped[name] = "needs recogniser=sface recogniser.weights=<file>"
            return None

        def build() -> IdentityRecord:
            require(bool(recogniser.get("weights")), "recogniser sface: no weights; give recogniser.weights")
            return IdentityRecord(IdentityJudge(triples, Path(recogniser["weights"])), self.plan)

        return self._unless_skipped(name, build)

    def _embed(self, pictures: np.ndarray) -> np.ndarray:
        assert self.network is not None
        return embed(self.network, to_float(torch.from_numpy(pictures).to(self.device))).cpu().numpy()

    def measure(
        self, fills: dict[str, np.ndarray], batch: Triple, targets: list[str], references: list[str], start: int
    ) -> Iterator[Measured]:
        """Condition, figure and its values, photo by photo."""
        truth, mask = batch["photo"].numpy(), batch["mask"].numpy()
        others = {}
        if self.network is not None:
            others["identity_to_truth"] = self._embed(truth)
            others["identity_to_reference"] = self._embed(batch["references"][:, 0].numpy())
        for name, filled in fills.items():
            yield name, "psnr_db", psnr_in_hole(filled, truth, mask)
            yield name, "ssim", ssim_in_hole(filled, truth, mask)
            for metric in self.perceptual:
                yield name, metric.name, metric(filled, truth)
            if self.network is not None:
                of_fill = self._embed(filled)
                for figure, other in others.items():
                    yield name, figure, (of_fill * other).sum(axis=1)
        if self.inception is not None:
            for name, pictures in {TRUTH: truth, **fills}.items():
                self.features.setdefault(name, []).append(self.inception(pictures))
        if self.record is not None:
            yield from self.record.add(batch, fills, targets, references, start)

    def distribution(self) -> dict[str, dict[str, float]] | None:
        """FID and KID of all conditions, once every batch was measured."""
        if self.inception is None:
            return None
        features = {name: np.concatenate(parts) for name, parts in self.features.items()}
        truth = features.pop(TRUTH)
        try:
            return {name: distances(of_fills, truth) for name, of_fills in features.items()}
        except TwoFaceError as error:
            self.skipped["FID, KID"] = str(error)
            return None

    def verification(self, people: np.ndarray) -> dict[str, Any] | None:
        """Of all conditions, once every batch was measured."""
        if self.record is None:
            return None
        has_gallery = np.array([file is not None for file in self.plan.galleries[: len(people)]])
        probes = {name: np.concatenate(parts) for name, parts in self.record.probes.items()}
        truth, gallery = np.concatenate(self.record.truth), np.concatenate(self.record.gallery)
        return verify(probes, truth, gallery, people, has_gallery)
