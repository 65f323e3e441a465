"""The LightningDataModule around the triples."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import pytorch_lightning as L
from torch.utils.data import DataLoader

from twoface_pl.data.augment_options import AugmentOptions
from twoface_pl.data.samplers import EvaluationKeys, TrainingBatches
from twoface_pl.data.source import open_source
from twoface_pl.data.triples import Triple, TripleOptions, Triples
from twoface_pl.errors import require
from twoface_pl.masks import MaskPolicy

log = logging.getLogger(__name__)

MOST_WORKERS = 256  # loading processes; each is one of the system's


@dataclass(frozen=True)
class DataOptions:
    """Where the data are and how they are read."""

    root: Path  # a folder, or a zip
    image_size: int
    batch_size: int
    workers: int
    seed: int
    validation_photos: int  # photos used in each validation; 0: all
    references: int = 1  # photos of the person in a training sample
    itself: float = 0.0  # share of samples, at first, whose reference is the photo itself, changed
    itself_epochs: int = 1  # that share falls to zero over so many
    zip_in_memory: bool = True  # a zip is held in memory; else mapped
    decoded: bool = False  # photos that are trained on are decoded once
    augment_photo: AugmentOptions = field(default_factory=AugmentOptions)  # in training only
    augment_reference: AugmentOptions = field(default_factory=AugmentOptions)

    def __post_init__(self) -> None:
        for name, least in (
            ("image_size", 16),
            ("batch_size", 1),
            ("workers", 0),
            ("validation_photos", 0),
            ("references", 1),
            ("itself_epochs", 1),
        ):
            value = getattr(self, name)
            require(isinstance(value, int) and value >= least, f"{name}={value} is not a whole number from {least}")
        require(self.workers <= MOST_WORKERS, f"data.workers={self.workers} is more than {MOST_WORKERS} processes")
        require(0 <= self.itself <= 1, f"references.itself={self.itself} is no share, 0 to 1")


class TripleDataModule(L.LightningDataModule):
    """Training and validation triples of a prepared data set.

    Raises:
        TwoFaceError: data that cannot be used, said at construction, before anything heavy starts.
    """

    def __init__(self, options: DataOptions, policy: MaskPolicy) -> None:
        super().__init__()
        self.options = options
        source = open_source(options.root, options.zip_in_memory)
        drawn: dict[str, Any] = {"image_size": options.image_size, "seed": options.seed, "skip_broken": True}
        training = TripleOptions(
            **drawn,
            training=True,
            decoded=options.decoded,
            references=options.references,
            itself=options.itself,
            itself_epochs=options.itself_epochs,
            augment_photo=options.augment_photo,
            augment_reference=options.augment_reference,
        )
        self.train_triples = Triples(source, "train", policy, training)
        self.start_batch = 0  # set where a training goes on
        split = "validation"
        if not source.has_folder(split):
            split = "train"
            log.warning("%s has no validation split: figures will be of photos that are trained on", source.shown(""))
        self.validation_triples = Triples(source, split, policy, TripleOptions(**drawn, training=False))

    def _loader(self, triples: Triples, **sampling: Any) -> DataLoader[Triple]:
        workers = self.options.workers
        # Small pictures: OpenCV's own threads would only wait for each other. Said here, not in the workers: a
        # fork has none of the threads that it would have to stop.
        cv2.setNumThreads(1)
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return DataLoader(
            triples,
            num_workers=workers,
            persistent_workers=workers > 0,
            worker_init_fn=_apart,
            pin_memory=on_gpu,
            **sampling,
        )

    def train_dataloader(self) -> DataLoader[Triple]:
        options = self.options
        rank, ranks = _rank(self.trainer)
        batches = TrainingBatches(
            len(self.train_triples), options.batch_size, options.seed, self.start_batch, rank, ranks
        )
        return self._loader(self.train_triples, batch_sampler=batches)

    def val_dataloader(self) -> DataLoader[Triple]:
        length = min(len(self.validation_triples), self.options.validation_photos or len(self.validation_triples))
        keys = EvaluationKeys(length, *_rank(self.trainer))
        return self._loader(self.validation_triples, sampler=keys, batch_size=self.options.batch_size)


def _apart(_: int) -> None:
    """A loading process gets no signal that is sent to the terminal's or a service's whole group: the main process
    ends it, once it has saved what is to be saved."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()


def _rank(trainer: L.Trainer | None) -> tuple[int, int]:
    return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)
