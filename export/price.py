"""What variants of a generator cost: size, time, and what their fills lose, on photos that it was not trained on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from tqdm import tqdm

from twoface_pl.data.source import open_source
from twoface_pl.data.triples import Triple, TripleOptions, Triples
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.evaluation.judge import IdentityJudge
from twoface_pl.evaluation.metrics import psnr_in_hole
from twoface_pl.evaluation.perceptual import ShiftTolerantLPIPS
from twoface_pl.export.timing import median_of_turns
from twoface_pl.export.variants import VARIANTS, Feeds, write_variant
from twoface_pl.export.write import open_unlogged
from twoface_pl.faces.files import write_folder_atomically, write_text
from twoface_pl.masks import build_mask_policy
from twoface_pl.model_file import FILES, GENERATOR
from twoface_pl.model_signature import GENERATOR_INPUTS, OUTPUT, OWN_SIZE_OUTPUT
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.tensors import to_uint8

TABLE, EXPORTED = "variants.csv", "as exported"
CALIBRATED_ON = 64  # training triples
BATCHES, ROUNDS = (1, 8), 5
# What a variant may lose beside the file that it comes from, in the mean.
MOST_LOST = {"psnr_db": 0.1, "st_lpips": 0.005, "sface_to_truth": 0.01}
LOWER_IS_BETTER = ("st_lpips",)


@dataclass(frozen=True)
class Price:
    """A file's figures; None of what could not be measured."""

    variant: str
    megabytes: float
    ms_batch_1: float  # a picture, in onnxruntime on this CPU
    ms_batch_8: float
    mean_difference: float  # in the hole, in levels of 255, from the file that it comes from
    largest_difference: float
    psnr_db: float  # in the hole
    st_lpips: float | None
    sface_to_truth: float | None

    def lost(self, other: Price) -> dict[str, float]:
        """What it loses beside another file, by figure."""
        losses = {}
        for name in MOST_LOST:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not None and theirs is not None:
                losses[name] = (mine - theirs) if name in LOWER_IS_BETTER else (theirs - mine)
        return losses


def _triples(root: Path, split: str, trained: TrainedGenerator) -> Triples:
    references = trained.generator.only_references or 1
    options = TripleOptions(trained.image_size, seed=0, training=False, references=references)
    return Triples(open_source(root), split, build_mask_policy(trained.mask), options)


def _feeds(triple: Triple) -> Feeds:
    """A batch of one."""
    photo, references = (triple[name].numpy()[None].astype(np.float32) / 255 for name in ("photo", "references"))
    mask = triple["mask"].numpy()[None, ..., None].astype(np.float32)
    return dict(zip(GENERATOR_INPUTS, (photo * (1 - mask), mask, references), strict=True))


def calibration(root: Path, trained: TrainedGenerator) -> list[Feeds]:
    """Training triples, from all over the split, as an exported file takes them.

    Raises:
        TwoFaceError: no such data.
    """
    triples = _triples(root, "train", trained)
    positions = np.linspace(0, len(triples) - 1, min(CALIBRATED_ON, len(triples))).astype(int)
    return [_feeds(triples[0, int(position)]) for position in positions]


class Pricer:
    """Measures files on a data set's validation photos.

    Args:
        root: the prepared data set.
        trained: the generator.
        photos: how many; 0: all.
        sface: the recogniser's file; None: identity is not measured.

    Raises:
        TwoFaceError: data that cannot be used.
    """

    def __init__(self, root: Path, trained: TrainedGenerator, photos: int, sface: Path | None) -> None:
        self._triples = _triples(root, "validation", trained)
        self._count = min(len(self._triples), photos or len(self._triples))
        self._judge = IdentityJudge(self._triples, sface) if sface is not None else None
        try:
            self._perceptual: ShiftTolerantLPIPS | None = ShiftTolerantLPIPS(torch.device("cpu"))
        except TwoFaceError:  # not installed
            self._perceptual = None

    def _samples(self, what: str) -> Iterator[tuple[str, Triple]]:
        for position in tqdm(range(self._count), desc=f"measuring {what}", unit="photo"):
            yield self._triples.targets[position], self._triples[0, position]

    def _filled(self, session: onnxruntime.InferenceSession, feeds: Feeds) -> np.ndarray:
        there = {output.name for output in session.get_outputs()}
        return np.asarray(session.run([OWN_SIZE_OUTPUT if OWN_SIZE_OUTPUT in there else OUTPUT], dict(feeds))[0])

    def _milliseconds(self, sessions: Mapping[str, onnxruntime.InferenceSession], batch: int) -> dict[str, float]:
        """Of a picture, by session."""
        several = {name: np.repeat(values, batch, axis=0) for name, values in _feeds(self._triples[0, 0]).items()}
        runs = {name: partial(self._filled, session, several) for name, session in sessions.items()}
        return {name: 1000 * seconds / batch for name, seconds in median_of_turns(runs, ROUNDS).items()}

    def price(self, variant: str, path: Path, origin: Path) -> tuple[Price, Price]:
        """A variant's figures and those of the file that it comes from, in one run."""
        files = {variant: path, EXPORTED: origin}
        sessions = {name: open_unlogged(file.read_bytes()) for name, file in files.items()}
        times = [self._milliseconds(sessions, batch) for batch in BATCHES]
        differences: list[np.ndarray] = []
        figures: dict[str, dict[str, list[float]]] = {name: {} for name in files}
        for target, triple in self._samples(variant):
            truth, mask = triple["photo"].numpy(), triple["mask"].numpy()
            fills = {name: self._filled(session, _feeds(triple)) for name, session in sessions.items()}
            differences.append(255 * np.abs(fills[variant] - fills[EXPORTED])[0][mask])
            for name, filled in fills.items():
                pixels = to_uint8(torch.from_numpy(filled).movedim(-1, 1))
                for figure, value in self._judged(pixels, truth[None], mask[None], target).items():
                    figures[name].setdefault(figure, []).append(value)
        off = np.concatenate(differences)

        def priced(name: str, mean: float, largest: float) -> Price:
            means = {figure: float(np.mean(values)) for figure, values in figures[name].items()}
            one, eight = (of_batch[name] for of_batch in times)
            judged = means["psnr_db"], means.get("st_lpips"), means.get("sface_to_truth")
            return Price(name, files[name].stat().st_size / 1e6, one, eight, mean, largest, *judged)

        return priced(variant, float(off.mean()), float(off.max())), priced(EXPORTED, 0.0, 0.0)

    def _judged(self, filled: np.ndarray, truth: np.ndarray, mask: np.ndarray, target: str) -> dict[str, float]:
        found = {"psnr_db": float(psnr_in_hole(filled, truth, mask)[0])}
        if self._perceptual is not None:
            found["st_lpips"] = float(self._perceptual(filled, truth)[0])
        if self._judge is not None:
            one, other = self._judge.embed(np.concatenate([filled, truth]), [target, target])
            found["sface_to_truth"] = float(one @ other)
        return found


def _check(price: Price, origin: Price) -> None:
    over = [
        f"{name} {loss:.3f} (at most {MOST_LOST[name]})"
        for name, loss in price.lost(origin).items()
        if not loss <= MOST_LOST[name]
    ]
    require(
        not over,
        f"variant {price.variant} loses too much: {', '.join(over)}; it is not written; force=true writes it",
    )


def write_variants(version: Path, names: Sequence[str], samples: Sequence[Feeds], pricer: Pricer, force: bool) -> Path:
    """Write variants into folders of an exported version, and a table of what they cost beside them.

    Args:
        version: the exported folder.
        names: of ``VARIANTS``.
        samples: that int8 is calibrated on.
        pricer: what measures them.
        force: write those too that lose more than they may.

    Returns:
        The table.

    Raises:
        TwoFaceError: a variant loses more than it may; those before it are there.
    """
    origin = version / FILES[GENERATOR]
    rows: list[Price] = []
    for name in [name for name in VARIANTS if name in names]:
        found: list[Price] = []

        def write(folder: Path, name: str = name, found: list[Price] = found) -> None:
            found += pricer.price(name, write_variant(name, origin, samples, folder), origin)
            if not force:
                _check(*found)

        write_folder_atomically(version / name, write)
        rows = [found[1], *rows[1:], found[0]]
        write_text(version / TABLE, _table(rows))
    return version / TABLE


def _table(prices: Sequence[Price]) -> str:
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow([field.name for field in fields(Price)])
    for price in prices:
        values = asdict(price).values()
        table.writerow([f"{value:.4g}" if isinstance(value, float) else value for value in values])  # None: nothing
    return stream.getvalue()
