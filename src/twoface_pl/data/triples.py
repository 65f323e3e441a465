"""Triples: a photo with a hole, the same photo whole, and references of the same person."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field
from functools import cached_property
from typing import NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from twoface_pl.data.augment import Augmentation
from twoface_pl.data.augment_options import AugmentOptions
from twoface_pl.data.decoded import Decoded
from twoface_pl.data.index import read_frame, read_index, split_name
from twoface_pl.data.landmarks import read_landmarks
from twoface_pl.data.names import Names
from twoface_pl.data.protocol import Trial, Trials, hole_rng
from twoface_pl.data.references import next_references, positions_of, reference_candidates, usable_targets
from twoface_pl.data.source import Source
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import resize
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.listing import some_of
from twoface_pl.masks import MaskPolicy

log = logging.getLogger(__name__)

MOST_BROKEN = 20  # broken photos in a row that a sample gives up after

Key = tuple[int, int]  # epoch and index: a sample is a function of these and the seed


class Triple(TypedDict):
    """One sample, or a batch of them with a leading N; photos are uint8 RGB (H, W, 3)."""

    photo: Tensor
    references: Tensor  # (R, H, W, 3): one or several photos of the person
    real: Tensor  # another photo, for the discriminators
    mask: Tensor  # bool (H, W), True = hole
    broken: Tensor | int  # how many photos could not be read before these
    wrong_references: NotRequired[Tensor]  # (R, H, W, 3): somebody else's, in evaluation only, where there is somebody


class BrokenPhotoError(TwoFaceError):
    """A photo of the data set that cannot be read."""


@dataclass(frozen=True)
class TripleOptions:
    """How samples are drawn."""

    image_size: int  # side of the photos, in pixels; others are an error, but larger ones are shrunk for evaluation
    seed: int  # with epoch and index it decides everything that is drawn
    training: bool  # draw the reference and the real photo at random; else the next in the list
    references: int = 1  # photos of the person in each sample; who has fewer has some of them twice
    itself: float = 0.0  # share of training samples, at first, whose reference is the photo itself, changed
    itself_epochs: int = 1  # that share falls to zero over so many
    decoded: bool = False  # photos are decoded once, when the samples are made
    skip_broken: bool = False  # take another sample for a photo that cannot be read, and count it
    augment_photo: AugmentOptions = field(default_factory=AugmentOptions)  # photo and truth alike; real photos too
    augment_reference: AugmentOptions = field(default_factory=AugmentOptions)
    trials: Trials | None = None  # of an evaluation: photos, references and holes are those of a list


class Triples(Dataset[Triple]):
    """The triples of one split.

    Args:
        source: a prepared data set.
        split: ``train``, ``validation`` or ``test``.
        policy: draws the masks.
        options: of the samples.

    Raises:
        TwoFaceError: as :func:`read_index`; no photo has a reference other than itself; a mask policy that
            needs landmarks where there are none, or holes that do not fit.
    """

    def __init__(self, source: Source, split: str, policy: MaskPolicy, options: TripleOptions) -> None:
        self.source = source
        self.split = split
        self.policy = policy
        self.options = options
        policy.check(options.image_size)
        self.index = read_index(source, split)
        self.targets = usable_targets(self.index) if options.trials is None else self._listed(options.trials)
        shown = source.shown(split)
        if not len(self.targets):
            raise TwoFaceError(
                f"{shown}: no photo has a reference other than itself; "
                "each person needs at least two photos (split=few_photos shares them among the roles)"
            )
        self.people = sorted(Names.of(self.index.references).among(self.targets.before("/")))
        self.landmarks = self._landmarks() if policy.needs_landmarks else None
        self._decoded = Decoded(source, split, options.image_size) if options.decoded else None
        self._augment_photo = Augmentation(options.augment_photo)
        self._augment_reference = Augmentation(options.augment_reference)
        self._said: set[str] = set()

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Each target's position among its person's, in the order of names; training asks for none."""
        return positions_of(self.targets)

    def _listed(self, trials: Trials) -> Names:
        """The list's targets, whose photos must all be there."""
        masked = set(self.index.masked)
        there = {f"{person}/{file}" for person, files in self.index.references.items() for file in files}
        missing = [name for name in trials.photos if name not in there] + sorted(set(trials.by_target) - masked)
        if missing:
            raise TwoFaceError(f"{self.source.shown(self.split)}: photos of the list are not there: {some_of(missing)}")
        return Names.of(list(trials.by_target))

    def trial(self, target: str) -> Trial | None:
        """What a list says of a target, where there is one."""
        return self.options.trials.by_target[target] if self.options.trials is not None else None

    def _landmarks(self) -> np.ndarray:
        """Each target's landmarks (N, 5, 2): its own, or where the frame has them in the mean."""
        found = read_landmarks(self.source, self.split)
        frame = read_frame(self.source)
        if not found and not frame.aligned:
            raise TwoFaceError(
                f"mask policy '{self.policy.name}' needs to know where faces are, and {self.source.shown('')} does not "
                "say; prepare the photos with frame=tight or loose"
            )
        rows = found.names.rows_of(self.targets)
        missing = np.flatnonzero(rows < 0)
        if len(missing) and not frame.aligned:
            raise TwoFaceError(
                f"{self.source.shown(self.split)}: no landmarks of {self.targets[int(missing[0])]}; run prepare again"
            )
        points = found.points[rows] if found else np.empty((len(rows), 5, 2), np.float32)
        if len(missing):
            points[missing] = frame.landmarks()
        return points

    def load_own_size(self, role: str, identity: str, file: str) -> np.ndarray:
        """A photo as it was prepared, uint8 (H, W, 3): of a set for evaluation it may be larger than ``image_size``.

        Raises:
            BrokenPhotoError: it cannot be read.
        """
        name = f"{self.split}/{role}/{identity}/{file}"
        known = self._decoded.find(name) if self._decoded is not None else None
        if known is not None:
            return known
        try:
            return decode_image(self.source.read(name), self.source.shown(name))
        except TwoFaceError as error:
            raise BrokenPhotoError(str(error)) from None

    def _load(self, role: str, identity: str, file: str) -> np.ndarray:
        pixels = self.load_own_size(role, identity, file)
        shown = self.source.shown(f"{self.split}/{role}/{identity}/{file}")
        size = self.options.image_size
        height, width = pixels.shape[:2]
        if height == width > size and not self.options.training:
            return resize(pixels, size)
        if (height, width) != (size, size):
            raise TwoFaceError(
                f"{shown} is {width}x{height}, not {size}x{size}; "
                f"set image_size or run `twoface prepare image_size={size}` again"
            )
        return pixels

    def load_reference(self, identity: str, file: str) -> np.ndarray:
        """A reference photo, uint8 (H, W, 3).

        Raises:
            TwoFaceError: it cannot be read.
        """
        return self._load("reference", identity, file)

    def _several(self, files: list[str]) -> list[str]:
        return [files[number % len(files)] for number in range(self.options.references)]

    def _wrong_references(self, target: str, rng: np.random.Generator) -> tuple[str, list[str]]:
        """References of somebody else."""
        trial = self.trial(target)
        if trial is not None:
            person, file = split_name(trial.wrong_reference)
            return person, self._several([file])
        identity = split_name(target)[0]
        others = [person for person in self.people if person != identity]
        wrong = others[rng.integers(len(others))]
        return wrong, self._several(list(self.index.references[wrong]))

    def evaluation_references(self, target: str) -> list[str]:
        """The files of the person that an evaluation gives, in their order: the list's, or all that can be."""
        trial = self.trial(target)
        if trial is not None:
            return [split_name(trial.reference)[1]]
        return next_references(self.index, *split_name(target), self.positions[target])

    def _training_references(self, position: int, rng: np.random.Generator) -> list[str]:
        candidates = reference_candidates(self.index, *split_name(self.targets[position]))
        if self.options.references == 1:
            return [candidates[rng.integers(len(candidates))]]
        return self._several([candidates[number] for number in rng.permutation(len(candidates))])

    def _shows_itself(self, epoch: int, rng: np.random.Generator) -> bool:
        """Whether a training sample's reference is the photo itself, so that looking across is learnt."""
        share = self.options.itself * (1 - epoch / self.options.itself_epochs)
        return self.options.training and share > 0 and bool(rng.random() < share)

    def _load_references(self, epoch: int, position: int, rng: np.random.Generator) -> list[np.ndarray]:
        identity, file = split_name(self.targets[position])
        if self._shows_itself(epoch, rng):
            return [self._load("masked", identity, file)] * self.options.references
        if self.options.training:
            files = self._training_references(position, rng)
        else:
            files = self._several(self.evaluation_references(self.targets[position]))
        return [self._load("reference", identity, file) for file in files]

    def _draw(self, epoch: int, position: int, rng: np.random.Generator) -> Triple:
        options = self.options
        target = self.targets[position]
        references = self._load_references(epoch, position, rng)
        real = split_name(self.index.real[int(rng.integers(len(self.index.real)))])
        drawn = random.Random(int(rng.integers(2**62)))
        photo, landmarks = self._augment_photo(
            self._load("masked", *split_name(target)),
            rng,
            drawn,
            None if self.landmarks is None else self.landmarks[position].astype(np.float64),
        )
        trial = self.trial(target)
        of_hole = rng if trial is None else hole_rng(trial)
        mask = self.policy.draw(of_hole, options.image_size, landmarks, epoch if options.training else None)
        triple = Triple(
            photo=torch.from_numpy(photo),
            references=torch.from_numpy(
                np.stack([self._augment_reference(reference, rng, drawn)[0] for reference in references])
            ),
            real=torch.from_numpy(self._augment_photo(self._load("real", *real), rng, drawn)[0]),
            mask=torch.from_numpy(mask),
            broken=0,
        )
        if not options.training and (trial is not None or len(self.people) > 1):
            wrong, files = self._wrong_references(target, rng)
            triple["wrong_references"] = torch.from_numpy(
                np.stack([self._load("reference", wrong, file) for file in files])
            )
        return triple

    def __getitem__(self, key: Key) -> Triple:
        epoch, position = key
        for broken in range(MOST_BROKEN):
            rng = np.random.default_rng((self.options.seed, epoch, position, broken))
            try:
                triple = self._draw(epoch, (position + broken) % len(self.targets), rng)
                triple["broken"] = broken
                return triple
            except BrokenPhotoError as error:
                if not self.options.skip_broken:
                    raise
                if str(error) not in self._said:
                    self._said.add(str(error))
                    log.warning("left out, another photo takes its place: %s", error)
        raise TwoFaceError(f"{self.source.shown(self.split)}: {MOST_BROKEN} broken photos in a row; prepare it again")
