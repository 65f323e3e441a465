"""Fills as users get them: raw photos with the hole painted over, and the face found from what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from twoface_pl.data.damage import PAINTS, in_photo, paint
from twoface_pl.data.index import read_frame
from twoface_pl.data.originals import Original, read_originals
from twoface_pl.data.triples import Triple, Triples
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.evaluation.summary import Figures, difference
from twoface_pl.faces.detector import usable_cores
from twoface_pl.faces.face import Box, Face
from twoface_pl.faces.finder import FaceFinder, Sought
from twoface_pl.faces.frame import Frame, FrameKind
from twoface_pl.faces.hole import as_levels
from twoface_pl.faces.image import Photo, decode_image
from twoface_pl.faces.paste import content, hole_in_frame
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.tensors import to_float, to_uint8

KINDS = ("true", "damaged", "rough_box")
PLACED, IN_PLACE = "found in the damaged photo", "placed by the whole photo"
REFUSED, MISPLACED, FINE = "refused", "misplaced", "fine"
# From where on a face is misplaced: eye distances at the frame's middle, times its size, degrees.
SHIFT, GROWTH, TURN = 0.25, 1.165, 8.0
ROUGH = 0.2  # by which share a rough box is off, in its place and in its size


def outcome(found: Frame, true: Frame, kind: FrameKind) -> str:
    """Whether a face was found where it is: ``misplaced`` or ``fine``."""
    shift, growth, turn = true.apart(found)
    eyes = float(np.hypot(*(kind.landmarks()[1] - kind.landmarks()[0])))  # apart, as a share of the frame
    return FINE if shift <= SHIFT * eyes and growth <= GROWTH and turn <= TURN else MISPLACED


def rough_box(landmarks: np.ndarray, rng: np.random.Generator) -> Box:
    """A box as drawn in haste: by up to ``ROUGH`` too large or small, and beside its place."""
    x, y, width, height = Face.by_landmarks(landmarks, 1.0).box
    size = rng.uniform(1 - ROUGH, 1 + ROUGH)
    right, down = rng.uniform(-ROUGH, ROUGH, 2) * (width, height)
    left, top = x + right + (1 - size) * width / 2, y + down + (1 - size) * height / 2
    return (left, top, size * width, size * height)


@dataclass(frozen=True)
class _Damaged:
    """One photo with its hole painted over, and where it is filled."""

    photo: np.ndarray
    hole: np.ndarray
    true: Frame
    found: Frame | None  # None: refused


class DamagedPhotos:
    """The raw photos of a split, damaged by the masks of the evaluation.

    Args:
        triples: the split.
        kind: ``damaged``, or ``rough_box``, where a box is given that is up to 20 % off.
        painted: one of ``PAINTS``; None: each in turn.
        seed: of paint and boxes.

    Raises:
        TwoFaceError: a data set that does not say which photos it was made of.
    """

    def __init__(self, triples: Triples, kind: str, painted: str | None, seed: int) -> None:
        self._frame = read_frame(triples.source)
        require(self._frame.aligned, "placement=damaged needs a data set that was prepared with frame=tight or loose")
        self._originals = self._read(triples)
        self._kind, self._painted, self._seed = kind, painted, seed
        self._finder = FaceFinder(usable_cores())
        self._numbers = {target: number for number, target in enumerate(triples.targets)}
        self.outcomes: dict[str, str] = {}  # by target

    @staticmethod
    def _read(triples: Triples) -> dict[str, Original]:
        originals = read_originals(triples.source, triples.split)
        for target in triples.targets:
            if target not in originals or not originals[target].photo.is_file():
                where = originals[target].photo if target in originals else triples.source.shown(target)
                raise TwoFaceError(
                    f"{where} is not there: placement=damaged needs the photos that the data set was made of; "
                    "put them back, or run `twoface prepare` again"
                )
        return originals

    def _damage(self, target: str, mask: np.ndarray) -> _Damaged:
        original, number = self._originals[target], self._numbers[target]
        rng = np.random.default_rng((self._seed, number))
        photo = decode_image(original.photo)
        true = self._frame.place(Face.by_landmarks(original.landmarks, 1.0))
        hole = in_photo(mask, true, photo.shape[0], photo.shape[1])
        damaged = paint(photo, hole, self._painted or PAINTS[number % len(PAINTS)], rng)
        box = rough_box(original.landmarks, rng) if self._kind == "rough_box" else None
        found = None
        try:
            found = self._frame.place(self._finder.find(Sought(damaged, hole=hole, box=box)))
            hole_in_frame(found, hole, len(mask))
            self.outcomes[target] = outcome(found, true, self._frame)
        except TwoFaceError:
            found = None
            self.outcomes[target] = REFUSED
        return _Damaged(damaged, hole, true, found)

    def conditions(
        self,
        trained: TrainedGenerator,
        batch: Triple,
        targets: list[str],
        instead: np.ndarray,
        device: torch.device,
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Two conditions, uint8 (N, H, W, 3) in the true frame: found from what is left, and truly placed.

        Args:
            trained: the generator.
            batch: with its masks and references.
            targets: ``identity/file`` of each of the batch.
            instead: uint8 (N, H, W, 3), fills of photos that are refused.
            device: of the generator.
        """
        references = to_float(batch["references"].to(device))
        damaged = [self._damage(target, mask) for target, mask in zip(targets, batch["mask"].numpy(), strict=True)]
        truth, masks = batch["photo"].numpy(), batch["mask"].numpy()
        size = masks.shape[1]
        for name in (PLACED, IN_PLACE):
            frames = [each.found if name == PLACED else each.true for each in damaged]
            fills = instead.copy()
            pairs = {
                number: (each, frame)
                for number, (each, frame) in enumerate(zip(damaged, frames, strict=True))
                if frame is not None and each.hole.any()
            }
            if pairs:
                filled = _fill(trained, list(pairs.values()), references[list(pairs)], size, device)
                for (number, (each, frame)), pixels in zip(pairs.items(), filled, strict=True):
                    fill = each.true.crop(_pasted(each, frame, pixels), size)
                    fills[number] = np.where(masks[number][..., None], fill, truth[number])
            yield name, fills


def _fill(
    trained: TrainedGenerator,
    placed: list[tuple[_Damaged, Frame]],
    references: torch.Tensor,
    size: int,
    device: torch.device,
) -> np.ndarray:
    """Fills in their frames, uint8 (N, size, size, 3)."""
    photos = np.stack([frame.crop(each.photo, size) for each, frame in placed])
    masks = np.stack([frame.crop_mask(each.hole, size) for each, frame in placed])
    mask = torch.from_numpy(masks)[:, None].to(device, references.dtype)
    masked = to_float(torch.from_numpy(photos).to(device)) * (1 - mask)
    return to_uint8(trained.generator(masked, mask, references))


def _pasted(each: _Damaged, frame: Frame, filled: np.ndarray) -> np.ndarray:
    """The photo with a fill put back."""
    fill = content(frame, filled, each.photo, each.hole)
    return Photo(each.photo).with_fill(fill, as_levels(each.hole)).pixels


def summarise_placement(outcomes: dict[str, str], figures: Figures, people: np.ndarray) -> dict[str, Any]:
    """Shares of refused, misplaced and fine photos; what the true placement is better by, photo by photo."""
    counts = Counter(outcomes.values())
    return {
        **{name: round(counts[name] / len(outcomes), 4) for name in (REFUSED, MISPLACED, FINE)},
        "lost": {
            figure: difference(figures[IN_PLACE][figure], values, people, figure)
            for figure, values in figures[PLACED].items()
        },
    }
