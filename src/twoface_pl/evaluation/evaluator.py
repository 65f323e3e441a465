"""All that measures fills, and what it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from twoface_pl.data.damage import PAINTS
from twoface_pl.data.index import read_frame
from twoface_pl.data.landmarks import read_landmarks
from twoface_pl.data.protocol import Trials
from twoface_pl.data.source import SPLITS
from twoface_pl.data.triples import Triple, Triples
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.evaluation.colour import Colours, by_skin_tone
from twoface_pl.evaluation.conditions import Plan, make_plan
from twoface_pl.evaluation.distribution import InceptionFeatures, distances
from twoface_pl.evaluation.full_size import FullSizePhotos, FullSizeRecord
from twoface_pl.evaluation.gaze import GazeRecord
from twoface_pl.evaluation.judge import IdentityJudge, IdentityRecord
from twoface_pl.evaluation.metrics import psnr_in_hole, ssim_in_hole
from twoface_pl.evaluation.names import AGAINST, NEAREST, RIGHT, WRONG
from twoface_pl.evaluation.perceptual import LPIPS, ShiftTolerantLPIPS
from twoface_pl.evaluation.placement import KINDS
from twoface_pl.evaluation.realness import RealnessFeatures, told_apart
from twoface_pl.evaluation.summary import Figures, opencv_of
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
    placement: str = "true"  # or also as found in the damaged photo, or with a rough box
    painted: str | None = None  # what stands in the hole of a damaged photo; None: each in turn
    references: int = 1  # photos of the person that the generators are given; who has fewer has some of them twice
    recogniser: dict[str, Any] = field(default_factory=lambda: {"name": "none"})  # the judge of identity
    lpips: Path | None = None  # torchvision's AlexNet weights
    vgg: Path | None = None  # VGG16's weights, for telling fills from photos
    trials: Trials | None = None  # a fixed list of them; then also what a benchmark compares
    inception: Path | None = None  # torch-fidelity's Inception weights, for FID and KID

    def __post_init__(self) -> None:
        require(self.split in SPLITS, f"subset={self.split} is not one of {', '.join(SPLITS)}")
        require(self.device in ("cpu", "cuda"), f"device={self.device} is not cpu or cuda")
        require_whole("batch_size", self.batch_size, 1, MOST_PHOTOS)
        require_whole("references", self.references, 1)
        for name in ("photos", "seed"):
            require_whole(name, getattr(self, name), 0)
        require(self.placement in KINDS, f"placement={self.placement} is not one of {', '.join(KINDS)}")
        require(self.painted in (None, *PAINTS), f"paint={self.painted} is not one of {', '.join(PAINTS)}")
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
            network.to(device).to(memory_format=torch.channels_last)  # a third faster on CPUs
        else:
            self.skipped[NEAREST] = "needs an identity network (identity=facenet)"
        if len(triples.people) < 2:
            self.skipped[NEAREST] = "the split has one person only"
            if options.trials is None:  # a list names its wrong references
                self.skipped[WRONG] = self.skipped[NEAREST]
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
        self.realness = self._of_file(
            "told from photos", "vgg", options.vgg, lambda file: RealnessFeatures(file, device)
        )
        self.colours = self._unless_skipped("CIEDE2000, colour by skin tone", Colours)
        self.looks: dict[str, list[np.ndarray]] = {}
        self.tones: list[float] = []
        self._landmarks = read_landmarks(triples.source, triples.split)
        frame = read_frame(triples.source)
        self._mean_landmarks = frame.landmarks() if frame.aligned else None
        self.gaze = GazeRecord(self._landmarks, self._mean_landmarks)
        self._triples, self._recogniser = triples, options.recogniser
        self.records = [record for record in (self._of_losses(triples), self.new_judge()) if record]

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
        return build(file)  # asked for, so what is wrong with it is no reason to go without

    def _of_losses(self, triples: Triples) -> IdentityRecord | None:
        if self.network is None:
            return None
        name = f"{self.network.name} (in the losses)"
        return IdentityRecord(
            name, "identity", lambda pictures, _: self._embed(pictures), triples, self.plan, self.plan.embeddings
        )

    def new_judge(self) -> IdentityRecord | None:
        """A record of the recogniser that no loss has seen, if there is one."""
        triples, recogniser = self._triples, self._recogniser
        name = "identity by a judge, verification"
        if recogniser["name"] == "none":
            self.skipped[name] = "needs recogniser=sface and its file (pip install 'twoface-pl[check]')"
            return None

        given = recogniser.get("weights")
        require(not given or Path(given).is_file(), f"recogniser.weights={given}: there is no such file")

        def build() -> IdentityRecord:
            require(bool(recogniser.get("weights")), "recogniser sface: no weights; give recogniser.weights")
            judge = IdentityJudge(triples, Path(recogniser["weights"]))
            return IdentityRecord(recogniser["name"], "judge", judge.embed, triples, self.plan)

        return self._unless_skipped(name, build)

    def _embed(self, pictures: np.ndarray) -> np.ndarray:
        assert self.network is not None
        return embed(self.network, to_float(torch.from_numpy(pictures).to(self.device))).cpu().numpy()

    def measure(
        self, fills: dict[str, np.ndarray], batch: Triple, targets: list[str], references: list[str], start: int
    ) -> Iterator[Measured]:
        """Condition, figure and its values, photo by photo."""
        truth, mask = batch["photo"].numpy(), batch["mask"].numpy()
        for name, filled in fills.items():
            yield name, "psnr_db", psnr_in_hole(filled, truth, mask)
            yield name, "ssim", ssim_in_hole(filled, truth, mask)
            if self.colours is not None:
                mean, high = self.colours.difference(filled, truth, mask)
                yield name, "ciede2000", mean
                yield name, "ciede2000_p95", high
            for metric in self.perceptual:
                yield name, metric.name, metric(filled, truth)
        self.tones += [self._tone(*of_photo) for of_photo in zip(truth, mask, targets, strict=True)]
        for name, pictures in {TRUTH: truth, **fills}.items():
            if self.inception is not None:
                self.features.setdefault(name, []).append(self.inception(pictures))
            if self.realness is not None:
                self.looks.setdefault(name, []).append(self.realness(pictures, mask))
        self.gaze.add(fills, truth, mask, targets)
        for record in self.records:
            yield from record.add(batch, fills, targets, references, start)

    def _tone(self, photo: np.ndarray, mask: np.ndarray, target: str) -> float:
        landmarks = self._landmarks.get(target, self._mean_landmarks)
        if self.colours is None or landmarks is None:
            return float("nan")
        return self.colours.skin_tone(photo, mask, landmarks)

    def full_size_record(self, photos: FullSizePhotos) -> FullSizeRecord:
        """Of what can be measured at the photos' own size too."""
        tolerant = next((metric for metric in self.perceptual if isinstance(metric, ShiftTolerantLPIPS)), None)
        return FullSizeRecord(photos, tolerant, self.new_judge())

    def told_apart(self, people: np.ndarray) -> dict[str, float] | None:
        """How often each condition's fills are told from photos, once every batch was measured."""
        if self.realness is None:
            return None
        looks = {name: np.concatenate(parts) for name, parts in self.looks.items()}
        truth = looks.pop(TRUTH)
        try:
            return {name: round(told_apart(of_fills, truth, people), 4) for name, of_fills in looks.items()}
        except TwoFaceError as error:
            self.skipped["told from photos"] = str(error)
            return None

    def by_skin_tone(self, figures: Figures, people: np.ndarray) -> dict[str, Any]:
        """Colour figures by tercile of skin tone, of the fills and of what they are held against."""
        tones = np.array(self.tones)
        if self.colours is None:
            return {}
        if not np.isfinite(tones).any():
            self.skipped["colour by skin tone"] = "the data set does not say where the faces are"
            return {}
        names = [name for name in (RIGHT, AGAINST, opencv_of(figures)) if name in figures]
        return by_skin_tone(figures, people, tones, names)

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

    def verification(self, people: np.ndarray) -> dict[str, Any]:
        """Of all conditions, by recogniser and share of false accepts, once every batch was measured."""
        return {title: found for record in self.records for title, found in record.verification(people).items()}
