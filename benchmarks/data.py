"""Speed of feeding: our loader against a plain one, in one run, on one core.

    make bench-data ARGS="--root data/prepared"

The plain loader is what one writes first: torchvision's ImageFolder, PIL, torchvision's transforms. It makes
the same triples (photo, reference, real photo, mask) from the same files, with the same augmentations at
the same chances, as uint8 tensors of the same shapes. Without --root both read drawn faces. At the end, of a set
that is given: what a GPU is fed with by `experiment=large`.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from twoface_pl.data.augment import Augmentation
from twoface_pl.data.augment_options import AugmentOptions
from twoface_pl.data.samplers import TrainingBatches
from twoface_pl.data.source import FolderSource, open_source
from twoface_pl.data.triples import TripleOptions, Triples
from twoface_pl.data_prep.layout import write_zip
from twoface_pl.data_prep.options import PrepareOptions
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.split import SplitRule
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.synthetic import write_synthetic_photos
from twoface_pl.masks import CenterSquare, build_mask_policy

PHOTO = AugmentOptions(flip=0.5, affine=0.3, colour=0.3)  # conf/augment/default.yaml
REFERENCE = AugmentOptions(flip=0.5, affine=0.5, colour=0.5, blur=0.1, jpeg=0.2)
NO_AUGMENTATION = AugmentOptions()
BATCH = 16
FED = 256  # photos a step of experiment=large


def _plain_transform(at: AugmentOptions) -> Callable[[Image.Image], torch.Tensor]:
    def chance(transform: Any, p: float) -> list[Any]:
        return [v2.RandomApply([transform], p)] if p else []

    affine = v2.RandomAffine(
        at.degrees, (at.shift, at.shift), (1 - at.scale, 1 + at.scale), interpolation=v2.InterpolationMode.BILINEAR
    )
    return v2.Compose(
        [
            *([v2.RandomHorizontalFlip(at.flip)] if at.flip else []),
            *chance(affine, at.affine),
            *chance(v2.ColorJitter(at.brightness, at.contrast, at.saturation, at.hue), at.colour),
            *chance(v2.GaussianBlur(5, tuple(at.blur_sigma)), at.blur),
            v2.PILToTensor(),
            *chance(v2.JPEG(tuple(at.jpeg_quality)), at.jpeg),
        ]
    )


class PlainTriples(Dataset[dict[str, torch.Tensor]]):
    """The first thing one would write."""

    def __init__(self, root: Path, photo: AugmentOptions, reference: AugmentOptions) -> None:
        self.masked, self.real, self.references = (
            ImageFolder(str(root / "train" / role)) for role in ("masked", "real", "reference")
        )
        self.by_person: dict[int, list[int]] = {}
        for number, person in enumerate(self.references.targets):
            self.by_person.setdefault(person, []).append(number)
        self.photo, self.reference = _plain_transform(photo), _plain_transform(reference)

    def __len__(self) -> int:
        return len(self.masked)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        photo, person = self.masked[index]
        candidates = self.by_person[person]
        reference, _ = self.references[candidates[int(torch.randint(len(candidates), ()))]]
        real, _ = self.real[int(torch.randint(len(self.real), ()))]
        mask = torch.zeros(photo.size[::-1], dtype=torch.bool)
        start = (len(mask) - 32) // 2
        mask[start : start + 32, start : start + 32] = True
        return {
            "photo": self.photo(photo),
            "reference": self.reference(reference),
            "real": self.photo(real),
            "mask": mask,
        }


def _ours(root: Path, size: int, photo: AugmentOptions, reference: AugmentOptions) -> Iterator[Any]:
    options = TripleOptions(size, 0, training=True, skip_broken=True, augment_photo=photo, augment_reference=reference)
    triples = Triples(open_source(root), "train", CenterSquare(32), options)
    return iter(DataLoader(triples, batch_sampler=TrainingBatches(len(triples), BATCH, seed=0)))


def _plain(root: Path, size: int, photo: AugmentOptions, reference: AugmentOptions) -> Iterator[Any]:
    loader = DataLoader(PlainTriples(root, photo, reference), BATCH, shuffle=True, drop_last=True)
    return itertools.chain.from_iterable(itertools.repeat(loader))


def _rates(loaders: dict[str, Iterator[Any]], batches: int, rounds: int) -> dict[str, float]:
    """Photos a second (three a triple), the median of rounds taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in loaders}
    for loader in loaders.values():
        next(loader)
    for _ in range(rounds):
        for name, loader in loaders.items():
            start = time.perf_counter()
            for _ in range(batches):
                next(loader)
            times[name].append(time.perf_counter() - start)
    return {name: 3 * BATCH * batches / statistics.median(values) for name, values in times.items()}


def _microseconds(function: Callable[[], Any], times: int = 300) -> float:
    function()
    start = time.perf_counter()
    for _ in range(times):
        function()
    return (time.perf_counter() - start) / times * 1e6


def _where_time_goes(root: Path, size: int) -> None:
    """Each part of one triple, alone."""
    source = FolderSource(root)
    options = TripleOptions(size, 0, training=True, augment_photo=PHOTO, augment_reference=REFERENCE)
    triples = Triples(source, "train", CenterSquare(32), options)
    name = f"train/masked/{triples.targets[0]}"
    content = source.read(name)
    pixels = decode_image(content)
    rng, drawn = np.random.default_rng(0), random.Random(0)
    photo, reference = Augmentation(PHOTO), Augmentation(REFERENCE)
    samples = [triples[(0, index)] for index in range(min(BATCH, len(triples)))]
    parts = {
        "read 3 files": 3 * _microseconds(lambda: source.read(name)),
        "decode 3 photos": 3 * _microseconds(lambda: decode_image(content)),
        "augment photo and real": 2 * _microseconds(lambda: photo(pixels, rng, drawn)),
        "augment reference": _microseconds(lambda: reference(pixels, rng, drawn)),
        "draw the mask": _microseconds(lambda: triples.policy.draw(rng, size)),
        "collate": _microseconds(lambda: torch.utils.data.default_collate(samples)) / len(samples),
        "the whole triple": _microseconds(lambda: triples[(0, int(rng.integers(len(triples))))]),
    }
    print("where the time of one triple goes, in microseconds:")
    for part, duration in parts.items():
        print(f"  {part:24}{duration:8.0f}")
    landmarks = FrameKind("tight", 33, 54).landmarks()
    for mask in ({"name": "strokes"}, {"name": "face_parts"}, {"name": "random_box"}):
        policy = build_mask_policy(mask)
        cost = _microseconds(lambda policy=policy: policy.draw(rng, size, landmarks))
        print(f"  mask {mask['name']:19}{cost:8.0f}")


def _feed(root: Path, size: int, batches: int) -> None:
    """What `experiment=large` has its GPU fed with: big batches, all holes, much augmentation, a process a core."""
    with initialize_config_module("twoface_pl.conf", version_base="1.3"):
        composed = compose("train", ["experiment=large"])
        augment, mask = (cast(dict[str, Any], OmegaConf.to_container(composed[part])) for part in ("augment", "mask"))
    photo, reference = (AugmentOptions.build(augment[part]) for part in ("photo", "reference"))
    options = TripleOptions(size, 0, training=True, skip_broken=True, augment_photo=photo, augment_reference=reference)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(f"experiment=large, in batches of {FED}, photos a second and core:")
    for title, how in (("decoded each time", options), ("decoded once", replace(options, decoded=True))):
        triples = Triples(open_source(root), "train", build_mask_policy(mask), how)
        rates = {count: _fed(triples, count, batches) for count in (0, workers)}
        print(f"  {title}: {rates[0]:.0f} by the main process, {rates[workers] / workers:.0f} by {workers} others")


def _fed(triples: Triples, workers: int, batches: int) -> float:
    """Photos a second out of so many loading processes."""
    sampler = TrainingBatches(len(triples), FED, seed=0)
    loader = iter(DataLoader(triples, batch_sampler=sampler, num_workers=workers))
    for _ in range(1 + 2 * workers):  # what is loaded ahead
        next(loader)
    start = time.perf_counter()
    for _ in range(batches):
        next(loader)
    return 3 * FED * batches / (time.perf_counter() - start)


def _drawn(folder: Path) -> Path:
    write_synthetic_photos(folder / "photos", people=60, photos=6, size=128)
    split = SplitRule.build({"name": "few_photos", "validation": 0.1, "test": 0.1, "seed": 0})
    prepare(PrepareOptions((folder / "photos",), folder / "set", 128, FrameKind("none"), split))
    return folder / "set"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a prepared data set, a folder; else drawn faces")
    parser.add_argument("--batches", type=int, default=20, help="of 16 triples, a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = options.root or _drawn(Path(temporary))
        first = next((root / "train" / "masked").rglob("*.jpg"))
        size = len(decode_image(first))
        zipped = write_zip(root) if options.root is None else root / "data.zip"
        print(f"{root}: {size} px, batches of {BATCH}, one core, photos a second (a triple has three)")
        for title, photo, reference in (
            ("default augmentations", PHOTO, REFERENCE),
            ("no augmentations", NO_AUGMENTATION, NO_AUGMENTATION),
        ):
            loaders = {
                "plain": _plain(root, size, photo, reference),
                "ours": _ours(root, size, photo, reference),
            }
            if zipped.is_file():
                loaders["ours, zip"] = _ours(zipped, size, photo, reference)
            rates = _rates(loaders, options.batches, options.rounds)
            shown = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
            print(f"{title}: {shown}; ours against plain {rates['ours'] / rates['plain']:.2f}x")
        _where_time_goes(root, size)
        if options.root is not None:
            _feed(zipped if zipped.is_file() else root, size, options.batches)


if __name__ == "__main__":
    main()
