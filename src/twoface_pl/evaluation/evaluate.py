"""Evaluation of a generator on a split, with controls beside each figure."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, default_collate
from tqdm import tqdm

from twoface_pl.data.index import read_frame, read_image_size, split_name
from twoface_pl.data.samplers import EvaluationKeys
from twoface_pl.data.source import open_source
from twoface_pl.data.triples import Triple, TripleOptions, Triples
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.compared import Compared, training_of
from twoface_pl.evaluation.conditions import Conditions
from twoface_pl.evaluation.controls import (
    OPENCV_METHODS,
    PATCHMATCH,
    better_opencv_method,
    opencv_name,
    patchmatch_fill,
)
from twoface_pl.evaluation.evaluator import EvaluateOptions, Evaluator
from twoface_pl.evaluation.full_size import FullSizePhotos, full_size_examples, measure_full_size
from twoface_pl.evaluation.names import AGAINST, NONE, RIGHT, WRONG
from twoface_pl.evaluation.picture import show_hole
from twoface_pl.evaluation.placement import PLACED, DamagedPhotos, summarise_placement
from twoface_pl.evaluation.summary import Figures, by_bucket, summarise
from twoface_pl.masks import build_mask_policy
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.generator import MatchingGenerator
from twoface_pl.networks.identity import IdentityNetwork

log = logging.getLogger(__name__)

CASES = ("best", "median", "worst")
SHOWN = 3  # photos of each case in the picture


@dataclass(frozen=True)
class Evaluation:
    """The figures, as they go into JSON, examples for the picture, and what was measured of each photo."""

    figures: dict[str, Any]
    examples: dict[str, np.ndarray]
    full_size_examples: dict[str, np.ndarray] | None  # of the picture at full size, if that was measured
    photos: list[dict[str, Any]]


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise TwoFaceError("device=cuda, but no GPU can be used here; set device=cpu")
    return torch.device(name)


def evaluation_triples(trained: TrainedGenerator, options: EvaluateOptions) -> Triples:
    """The photos, holes and references that :func:`evaluate` fills.

    Raises:
        TwoFaceError: as there.
    """
    source = open_source(options.root)
    policy = build_mask_policy(options.mask or trained.mask)
    trained.generator.check(trained.image_size, policy)
    trained.generator.check_references(options.references)
    drawn = TripleOptions(
        trained.image_size, options.seed, training=False, references=options.references, trials=options.trials
    )
    triples = Triples(source, options.split, policy, drawn)
    frame = read_frame(source)
    if frame != trained.frame:
        log.warning("%s is in frame %s, the generator was trained in %s", options.root, frame.name, trained.frame.name)
    return triples


def evaluate(
    trained: TrainedGenerator,
    options: EvaluateOptions,
    identity_network: IdentityNetwork | None,
    against: Compared | None = None,
) -> Evaluation:
    """Fill a split's photos under each condition and measure.

    References are the person's next photos; masks and wrong references follow from the seed.

    Args:
        trained: the generator.
        options: of the evaluation.
        identity_network: the one that losses use; it also finds the most similar other person.
        against: another generator, or pictures, of the same photos, holes and references.

    Raises:
        TwoFaceError: data that cannot be used, a hole a generator cannot fill or a number of references that it
            cannot take, a device that is not there.
    """
    triples = evaluation_triples(trained, options)
    frame, policy = read_frame(triples.source), triples.policy
    device = _device(options.device)
    trained.generator.to(device).to(memory_format=torch.channels_last)
    count = min(len(triples), options.photos or len(triples))
    if against is not None:
        against.check(trained.image_size, frame, policy, options.references, triples.targets[:count])
        against.to(device)
    evaluator = Evaluator(triples, options, identity_network, device)
    fills = _Fills(trained, against, triples, options, evaluator, device, count)
    figures, hole_ratio = fills.measured()
    people = np.array([split_name(target)[0] for target in triples.targets[:count]])
    damaged = fills.damaged
    heading = {
        "split": options.split,
        "photos": count,
        "people": len(np.unique(people)),
        "image_size": trained.image_size,
        "frame": frame.name,
        "references": options.references,
        "mask": options.mask or trained.mask,
        "hole_ratio": round(float(hole_ratio.mean()), 4),
        **training_of(trained),
        "identity_network": identity_network.name if identity_network is not None else "none",
        "judge": options.recogniser["name"],
        "seed": options.seed,
    }
    if damaged is not None:
        heading |= {"placement": options.placement, "paint": options.painted or "each in turn"}
    if against is not None:
        heading["compared"] = against.about
    if options.trials is not None:
        heading["trials"] = options.trials.sha256
    full_size = _full_size_photos(trained, triples, evaluator, device)
    result = {
        "heading": heading,
        **summarise(figures, people),
        "buckets": by_bucket(figures, people, hole_ratio),
        "skin": evaluator.by_skin_tone(figures, people),
        "told_apart": evaluator.told_apart(people),
        "verification": evaluator.verification(people),
        "placement": summarise_placement(damaged.outcomes, figures, people) if damaged is not None else None,
        "gaze": evaluator.gaze.summary(people),
        "distribution": evaluator.distribution(),
        "full_size": None,
        "skipped": evaluator.skipped,
    }
    cases = _cases(figures[RIGHT]["psnr_db"])
    result["cases"] = {triples.targets[number]: case for number, case in cases.items()}
    shown_full_size = None
    with torch.inference_mode():
        if full_size is not None:
            record = evaluator.full_size_record(full_size)
            result["full_size"] = measure_full_size(record, people)
            shown_full_size = full_size_examples(full_size, record.figures()[RIGHT]["psnr_db"])
    by_photo = _by_photo(figures, list(triples.targets[:count]), hole_ratio)
    return Evaluation(result, fills.examples(list(cases)), shown_full_size, by_photo)


class _Fills:
    """A split's photos filled under all conditions, batch by batch."""

    def __init__(
        self,
        trained: TrainedGenerator,
        against: Compared | None,
        triples: Triples,
        options: EvaluateOptions,
        evaluator: Evaluator,
        device: torch.device,
        count: int,
    ) -> None:
        self.trained, self.triples, self.options, self.device = trained, triples, options, device
        self.evaluator = evaluator
        self.damaged: DamagedPhotos | None = None
        if options.placement != "true":
            self.damaged = DamagedPhotos(triples, options.placement, options.painted, options.seed)
        self.keys = list(EvaluationKeys(count))
        self.loader: DataLoader[Triple] = DataLoader(triples, options.batch_size, sampler=EvaluationKeys(count))
        seen = tqdm(self.loader, desc="OpenCV's better method", unit="batch", mininterval=1)
        self.opencv = better_opencv_method((batch["photo"].numpy(), batch["mask"].numpy()) for batch in seen)
        baselines = _baselines(self.opencv, options, evaluator)
        listed = options.trials is not None
        self.conditions = Conditions(trained, against, triples, evaluator.plan, baselines, device, listed)

    def _of(self, batch: Triple, targets: list[str]) -> dict[str, np.ndarray]:
        """By condition, uint8 (N, S, S, 3)."""
        made = self.conditions.fills(batch, targets)
        if self.damaged is not None:
            opencv = made[opencv_name(self.opencv)]
            made |= self.damaged.conditions(self.trained, batch, targets, opencv, self.device)
        return made

    def measured(self) -> tuple[Figures, np.ndarray]:
        """Every photo's figures (N,), by condition and figure, and the hole's share of each photo (N,)."""
        measured: dict[str, dict[str, list[np.ndarray]]] = {}
        ratios, start = [], 0
        with torch.inference_mode():
            for batch in tqdm(self.loader, desc=f"evaluating {self.options.split}", unit="batch", mininterval=1):
                targets = list(self.triples.targets[start : start + len(batch["photo"])])
                references = [_reference_of(self.triples, target) for target in targets]
                found = self.evaluator.measure(self._of(batch, targets), batch, targets, references, start)
                for name, figure, values in found:
                    measured.setdefault(name, {}).setdefault(figure, []).append(values)
                ratios.append(batch["mask"].float().mean(dim=(1, 2)).numpy())
                start += len(targets)
        figures = {
            name: {figure: np.concatenate(values) for figure, values in of.items()} for name, of in measured.items()
        }
        return figures, np.concatenate(ratios)

    def examples(self, numbers: list[int]) -> dict[str, np.ndarray]:
        """Pictures of some photos, for people to look at."""
        with torch.inference_mode():
            batch = default_collate([self.triples[self.keys[number]] for number in numbers])
            made = self._of(batch, [self.triples.targets[number] for number in numbers])
        return _examples(made, batch, opencv_name(self.opencv))


def _full_size_photos(
    trained: TrainedGenerator, triples: Triples, evaluator: Evaluator, device: torch.device
) -> FullSizePhotos | None:
    """The split's photos at their own size, where that is larger than the generator's."""
    if (read_image_size(triples.source) or 0) <= trained.image_size:
        return None
    if not isinstance(trained.generator, MatchingGenerator):
        evaluator.skipped["at full size"] = (
            f"generator '{trained.generator.name}' fills at {trained.image_size} px only"
        )
        return None
    return FullSizePhotos(triples, trained.generator, device)


def _baselines(opencv: str, options: EvaluateOptions, evaluator: Evaluator) -> list[str]:
    """What sees no reference: OpenCV's better method; of a list of trials both, and PatchMatch."""
    if options.trials is None:
        return [opencv_name(opencv)]
    names = [opencv_name(opencv), *(opencv_name(method) for method in OPENCV_METHODS if method != opencv)]
    try:
        patchmatch_fill(np.zeros((1, 16, 16, 3), np.uint8), np.eye(16, dtype=bool)[None])
        return [*names, PATCHMATCH]
    except TwoFaceError as error:
        evaluator.skipped[PATCHMATCH] = str(error)
        return names


def _reference_of(triples: Triples, target: str) -> str:
    return f"{split_name(target)[0]}/{triples.evaluation_references(target)[0]}"


def _by_photo(figures: dict[str, dict[str, np.ndarray]], targets: list[str], ratio: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"photo": target, "hole_ratio": round(float(ratio[number]), 4), "condition": name}
        | {figure: round(float(values[number]), 4) for figure, values in of.items()}
        for number, target in enumerate(targets)
        for name, of in figures.items()
    ]


def _cases(psnr: np.ndarray) -> dict[int, str]:
    """Photos to look at, by number, from the best on: the best, the median and the worst ones; each is shown once."""
    order = np.argsort(-psnr, kind="stable").tolist()
    shown = min(SHOWN, max(1, len(order) // len(CASES)))
    middle = (len(order) - shown) // 2
    best, median, worst = CASES
    names = dict.fromkeys(order[middle : middle + shown], median)
    names |= dict.fromkeys(order[-shown:], worst) | dict.fromkeys(order[:shown], best)
    return {number: names[number] for number in order if number in names}


def _examples(fills: dict[str, np.ndarray], batch: Triple, opencv: str) -> dict[str, np.ndarray]:
    truth, mask = batch["photo"].numpy(), batch["mask"].numpy()
    compared = {name: fills[name] for name in (AGAINST, PLACED) if name in fills}
    from_wrong = {}
    if WRONG in fills:
        from_wrong = {"wrong reference": batch["wrong_references"][:, 0].numpy(), "filled from it": fills[WRONG]}
    return {
        "masked": show_hole(truth, mask),
        "reference": batch["references"][:, 0].numpy(),
        "filled": fills[RIGHT],
        **compared,
        **from_wrong,
        "no reference": fills[NONE],
        "opencv": fills[opencv],
        "truth": truth,
    }
