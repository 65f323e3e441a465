"""Fills at the photos' own size, of a data set whose photos are larger than the generator's pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from twoface_pl.data.index import split_name
from twoface_pl.data.triples import Triple, Triples
from twoface_pl.evaluation.controls import OPENCV_METHODS, opencv_fill, opencv_name, pasted_reference
from twoface_pl.evaluation.judge import IdentityRecord
from twoface_pl.evaluation.metrics import energy_above, psnr_in_hole, rim_gradient, ssim_in_hole
from twoface_pl.evaluation.names import PASTED, RIGHT, WRONG
from twoface_pl.evaluation.perceptual import ShiftTolerantLPIPS
from twoface_pl.evaluation.picture import show_hole
from twoface_pl.evaluation.summary import LOWER_IS_BETTER, Figures, summarise
from twoface_pl.faces.frame import resize
from twoface_pl.faces.hole import bounding_box
from twoface_pl.model_file import SIZE_STEP
from twoface_pl.networks.full_size import FullSize, enlarged
from twoface_pl.networks.generator import MatchingGenerator
from twoface_pl.networks.tensors import to_float, to_uint8

ENLARGED, TWO = "enlarged fill", "two references"
BOX_SIZES = (256, 512)  # pixels that the hole's box is brought to, for perceptual distances
SHOWN_SIDE = 512  # pixels a side, in the picture

Fills = dict[str, np.ndarray]  # by condition, uint8 (S, S, 3)


class FullSizePhotos:
    """A split's photos at their own size: their holes, references and fills.

    Args:
        triples: the split, at the generator's size; its masks are enlarged.
        generator: what fills.
        device: that it runs on.
    """

    def __init__(self, triples: Triples, generator: MatchingGenerator, device: torch.device) -> None:
        self.triples = triples
        self.image_size = triples.options.image_size
        self._device = device
        self._several = any(len(self.files(position)) > 1 for position in range(len(triples)))
        self._network = FullSize(generator, self.image_size).to(device).eval()

    def load(self, role: str, entry: str, size: int | None = None) -> np.ndarray:
        """A photo, a multiple of 8 pixels wide, or at ``size``."""
        pixels = self.triples.load_own_size(role, *split_name(entry))
        return resize(pixels, size or max(len(pixels) // SIZE_STEP * SIZE_STEP, self.image_size))

    def mask(self, position: int, size: int) -> np.ndarray:
        """The hole of a target, bool (size, size)."""
        mask = self.triples[(0, position)]["mask"].numpy().astype(np.uint8)
        return cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST) > 0

    def files(self, position: int) -> list[str]:
        """A target's references, ``identity/file``."""
        target = self.triples.targets[position]
        return [f"{split_name(target)[0]}/{name}" for name in self.triples.evaluation_references(target)]

    def references(self, position: int, size: int) -> dict[str, np.ndarray]:
        """By condition, uint8 (R, size, size, 3); who has only one has it twice where others have two."""
        files, people = self.files(position), self.triples.people
        given = {RIGHT: files[:1]}
        if self._several:
            given[TWO] = [files[0], files[1 % len(files)]]
        if len(people) > 1:
            other = people[(people.index(split_name(files[0])[0]) + 1) % len(people)]
            given[WRONG] = [f"{other}/{self.triples.index.references[other][0]}"]
        return {name: np.stack([self.load("reference", file, size) for file in some]) for name, some in given.items()}

    def fill(self, photo: np.ndarray, mask: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Filled at full size, and by the generator's own fill enlarged."""
        image, others = (to_float(torch.from_numpy(pixels).to(self._device)) for pixels in (photo[None], references))
        hole = torch.from_numpy(mask)[None, None].to(self._device, image.dtype)
        filled, own = self._network(image * (1 - hole), hole, others[None])
        return to_uint8(filled)[0], to_uint8(enlarged(own, image, hole))[0]

    def conditions(self, photo: np.ndarray, mask: np.ndarray, references: dict[str, np.ndarray]) -> Fills:
        """Every condition's fill of a photo."""
        fills: Fills = {}
        for name, given in references.items():
            fills[name], own = self.fill(photo, mask, given)
            if name == RIGHT:
                fills[ENLARGED] = own
        fills[PASTED] = pasted_reference(photo[None], mask[None], references[RIGHT])[0]
        return fills | {opencv_name(name): opencv_fill(photo[None], mask[None], name)[0] for name in OPENCV_METHODS}


def _box_distance(
    metric: Callable[[np.ndarray, np.ndarray], np.ndarray], filled: np.ndarray, photo: np.ndarray, mask: np.ndarray
) -> dict[str, float]:
    box, found = bounding_box(mask), {}
    for size in BOX_SIZES:
        shrinks = max(photo[box].shape[:2]) > size
        method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        here, there = (cv2.resize(picture[box], (size, size), interpolation=method) for picture in (filled, photo))
        found[f"st_lpips_{size}"] = float(metric(here[None], there[None])[0])
    return found


class FullSizeRecord:
    """Collects figures of fills at full size, photo by photo.

    Args:
        photos: the split's.
        perceptual: None: not measured.
        judge: of identity; None: not measured.
    """

    def __init__(
        self, photos: FullSizePhotos, perceptual: ShiftTolerantLPIPS | None, judge: IdentityRecord | None
    ) -> None:
        self._photos, self._perceptual, self._judge = photos, perceptual, judge
        self.sides: list[int] = []
        self.measured: dict[str, dict[str, list[float]]] = {}

    def add(self, position: int) -> None:
        """Fill and measure a target."""
        target = self._photos.triples.targets[position]
        photo = self._photos.load("masked", target)
        mask, references = self._photos.mask(position, len(photo)), self._photos.references(position, len(photo))
        fills = self._photos.conditions(photo, mask, references)
        self.sides.append(len(photo))
        for name, filled in fills.items():
            for figure, value in self._figures(filled, photo, mask).items():
                self.measured.setdefault(name, {}).setdefault(figure, []).append(value)
        if self._judge is None:
            return
        batch = Triple(
            photo=torch.from_numpy(photo)[None],
            references=torch.from_numpy(references[RIGHT])[None],
            real=torch.empty(0),
            mask=torch.from_numpy(mask)[None],
            broken=0,
        )
        alone = {name: filled[None] for name, filled in fills.items()}
        for name, figure, values in self._judge.add(batch, alone, [target], self._photos.files(position)[:1], position):
            self.measured[name].setdefault(figure, []).append(float(values[0]))

    def _figures(self, filled: np.ndarray, photo: np.ndarray, mask: np.ndarray) -> dict[str, float]:
        found = {
            "psnr_db": float(psnr_in_hole(filled[None], photo[None], mask[None])[0]),
            "ssim": float(ssim_in_hole(filled[None], photo[None], mask[None])[0]),
        }
        if self._perceptual is not None:
            found |= _box_distance(self._perceptual, filled, photo, mask)
        size = self._photos.image_size
        found[f"energy_above_{size}"] = energy_above(filled, mask, size) / energy_above(photo, mask, size)
        found["rim"] = rim_gradient(filled, mask) / rim_gradient(photo, mask)
        return found

    def verification(self, people: np.ndarray) -> dict[str, Any]:
        """Of all conditions, once every photo was measured."""
        return self._judge.verification(people) if self._judge is not None else {}

    def figures(self) -> Figures:
        """All of them, as of every evaluation."""
        return {name: {figure: np.array(values) for figure, values in of.items()} for name, of in self.measured.items()}


def measure_full_size(record: FullSizeRecord, people: np.ndarray) -> dict[str, Any]:
    """Fill and measure the first targets of a split, as many as there are people; for the report's JSON."""
    for position in tqdm(range(len(people)), desc="at full size", unit="photo", mininterval=1):
        record.add(position)
    figures = record.figures()
    return {
        "sides": [int(value) for value in np.percentile(record.sides, (0, 50, 100))],
        **summarise(figures, people),
        "of_enlarged": {
            figure: round(float(figures[RIGHT][figure].mean() / figures[ENLARGED][figure].mean()), 4)
            for figure in figures[RIGHT]
            if figure in LOWER_IS_BETTER
        },
        "verification": record.verification(people),
    }


def full_size_examples(photos: FullSizePhotos, psnr: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of a picture: the best, the median and the worst photo, all at one size."""
    order = np.argsort(-psnr, kind="stable")
    chosen = list(dict.fromkeys(int(order[number]) for number in (0, len(order) // 2, -1)))
    columns: dict[str, list[np.ndarray]] = {}
    for position in chosen:
        photo = photos.load("masked", photos.triples.targets[position])
        mask, references = photos.mask(position, len(photo)), photos.references(position, len(photo))
        filled, own = photos.fill(photo, mask, references[RIGHT])
        for name, picture in (
            ("hole", show_hole(photo, mask)),
            ("reference", references[RIGHT][0]),
            ("enlarged", own),
            ("filled", filled),
            ("photo", photo),
        ):
            columns.setdefault(name, []).append(resize(picture, SHOWN_SIDE))
    return {name: np.stack(pictures) for name, pictures in columns.items()}
