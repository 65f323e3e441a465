"""Evaluation of a generator on a split, with controls beside each figure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from twoface_pl.data.index import SPLITS, read_frame
from twoface_pl.data.samplers import EvaluationKeys
from twoface_pl.data.source import open_source
from twoface_pl.data.triples import Triple, TripleOptions, Triples
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.evaluation.controls import OPENCV_METHODS, opencv_fill
from twoface_pl.evaluation.metrics import psnr_in_hole, ssim_in_hole
from twoface_pl.evaluation.picture import show_hole
from twoface_pl.masks import build_mask_policy
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.identity import IdentityNetwork, embed
from twoface_pl.networks.tensors import to_float, to_uint8

log = logging.getLogger(__name__)

RIGHT, WRONG, NONE = "right reference", "wrong reference", "no reference"
EXAMPLES = 8

Embed = Callable[[np.ndarray], Tensor]
Measured = tuple[str, str, np.ndarray]


@dataclass(frozen=True)
class EvaluateOptions:
    """What to evaluate on."""

    root: Path
    split: str
    mask: dict[str, Any] | None  # None: the policy it was trained with
    batch_size: int
    photos: int  # 0: all
    seed: int
    device: str

    def __post_init__(self) -> None:
        require(self.split in SPLITS, f"split={self.split} is not one of {', '.join(SPLITS)}")
        require(self.device in ("cpu", "cuda"), f"device={self.device} is not cpu or cuda")
        require(self.batch_size > 0, f"batch_size={self.batch_size} is not above 0")


@dataclass(frozen=True)
class Evaluation:
    """The figures, as they go into JSON, and examples for the picture."""

    figures: dict[str, Any]
    examples: dict[str, np.ndarray]


def _fills(trained: TrainedGenerator, batch: Triple, device: torch.device) -> Iterator[tuple[str, np.ndarray]]:
    """Each condition's name and its fills of a batch, uint8 (N, H, W, 3)."""
    photo = to_float(batch["photo"].to(device))
    mask = batch["mask"][:, None].to(device, photo.dtype)
    masked = photo * (1 - mask)
    references = {
        RIGHT: to_float(batch["references"].to(device)),
        WRONG: to_float(batch["wrong_references"].to(device)),
        NONE: trained.generator.no_references(masked),
    }
    for name, reference in references.items():
        yield name, to_uint8(trained.generator(masked, mask, reference))
    for method in OPENCV_METHODS:
        yield f"opencv {method}", opencv_fill(batch["photo"].numpy(), batch["mask"].numpy(), method)


def _embedder(network: IdentityNetwork, device: torch.device) -> Embed:
    network.to(device)
    return lambda images: embed(network, to_float(torch.from_numpy(images).to(device))).cpu()


def _measure(fills: dict[str, np.ndarray], batch: Triple, embed_faces: Embed | None) -> Iterator[Measured]:
    """Condition, figure and its values, photo by photo."""
    truth, mask = batch["photo"].numpy(), batch["mask"].numpy()
    others = {}
    if embed_faces is not None:
        others["identity_to_truth"] = embed_faces(truth)
        others["identity_to_reference"] = embed_faces(batch["references"][:, 0].numpy())
    for name, filled in fills.items():
        yield name, "psnr_db", psnr_in_hole(filled, truth, mask)
        yield name, "ssim", ssim_in_hole(filled, truth, mask)
        if embed_faces is not None:
            of_fill = embed_faces(filled)
            for figure, other in others.items():
                yield name, figure, (of_fill * other).sum(dim=1).numpy()


def _summary(measured: dict[str, dict[str, list[np.ndarray]]]) -> dict[str, Any]:
    """Means by condition, and the two figures that say whether it fills well and listens."""
    photos = {
        name: {key: np.concatenate(values) for key, values in figures.items()} for name, figures in measured.items()
    }
    conditions = {
        name: {key: round(float(values.mean()), 4) for key, values in figures.items()}
        for name, figures in photos.items()
    }
    best_opencv = max(conditions[f"opencv {method}"]["psnr_db"] for method in OPENCV_METHODS)
    difference = photos[RIGHT]["psnr_db"] - photos[WRONG]["psnr_db"]
    return {
        "conditions": conditions,
        "db_above_opencv": round(conditions[RIGHT]["psnr_db"] - best_opencv, 4),
        "db_right_above_wrong_reference": round(float(difference.mean()), 4),
        "share_right_reference_wins": round(float((difference > 0).mean()), 4),
    }


def evaluate(
    trained: TrainedGenerator, options: EvaluateOptions, identity_network: IdentityNetwork | None
) -> Evaluation:
    """Fill a split's photos under each condition and measure.

    The reference is the person's next photo; masks and wrong references follow from the seed.

    Raises:
        TwoFaceError: data that cannot be used, a hole this generator cannot fill, a device that is not there.
    """
    source = open_source(options.root)
    frame = read_frame(source)
    if frame != trained.frame:
        log.warning("%s is in frame %s, the generator was trained in %s", options.root, frame.name, trained.frame.name)
    policy = build_mask_policy(options.mask or trained.mask)
    trained.generator.check(trained.image_size, policy)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise TwoFaceError("device=cuda, but no GPU can be used here; set device=cpu")
    device = torch.device(options.device)
    trained.generator.to(device)
    triples = Triples(source, options.split, policy, TripleOptions(trained.image_size, options.seed, training=False))
    count = min(len(triples), options.photos or len(triples))
    loader: DataLoader[Triple] = DataLoader(triples, options.batch_size, sampler=EvaluationKeys(count))
    embed_faces = _embedder(identity_network, device) if identity_network is not None else None
    measured: dict[str, dict[str, list[np.ndarray]]] = {}
    examples: dict[str, np.ndarray] = {}
    hole_ratio = []
    with torch.inference_mode():
        for batch in tqdm(loader, desc=f"evaluating {options.split}", unit="batch", mininterval=1):
            fills = dict(_fills(trained, batch, device))
            for name, figure, values in _measure(fills, batch, embed_faces):
                measured.setdefault(name, {}).setdefault(figure, []).append(values)
            hole_ratio.append(batch["mask"].float().mean(dim=(1, 2)).numpy())
            if len(examples.get("truth", ())) < EXAMPLES:
                _keep_examples(examples, fills, batch)
    heading = {
        "split": options.split,
        "photos": count,
        "people": len({target.partition("/")[0] for target in triples.targets[:count]}),
        "image_size": trained.image_size,
        "frame": frame.name,
        "mask": options.mask or trained.mask,
        "hole_ratio": round(float(np.concatenate(hole_ratio).mean()), 4),
        "generator": trained.options,
        "run": trained.run,
        "batches": trained.batches,
        "identity_network": identity_network.name if identity_network is not None else "none",
        "seed": options.seed,
    }
    return Evaluation({"heading": heading, **_summary(measured)}, examples)


def _keep_examples(examples: dict[str, np.ndarray], fills: dict[str, np.ndarray], batch: Triple) -> None:
    truth, mask = batch["photo"].numpy(), batch["mask"].numpy()
    shown = {
        "masked": show_hole(truth, mask),
        "reference": batch["references"][:, 0].numpy(),
        "filled": fills[RIGHT],
        "wrong reference": batch["wrong_references"][:, 0].numpy(),
        "filled from it": fills[WRONG],
        "no reference": fills[NONE],
        "opencv": fills["opencv telea"],
        "truth": truth,
    }
    for name, photos in shown.items():
        examples[name] = np.concatenate([examples[name], photos]) if name in examples else photos
