"""The LightningDataModule around the triples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as L
from torch.utils.data import DataLoader

from twoface_pl.data.triples import KeySampler, Triple, Triples
from twoface_pl.errors import TwoFaceError, require
from twoface_pl.masks import MaskPolicy


@dataclass(frozen=True)
class DataOptions:
    """Where the data are and how they are read."""

    root: Path
    image_size: int
    batch_size: int
    workers: int
    seed: int
    validation_photos: int  # photos used in each validation; 0: all

    def __post_init__(self) -> None:
        for name, least in (("image_size", 16), ("batch_size", 1), ("workers", 0), ("validation_photos", 0)):
            value = getattr(self, name)
            require(isinstance(value, int) and value >= least, f"{name}={value} is not a whole number from {least}")


class TripleDataModule(L.LightningDataModule):
    """Training and validation triples of a prepared data set.

    Raises:
        TwoFaceError: data that cannot be used, said at construction, before anything heavy starts.
    """

    def __init__(self, options: DataOptions, policy: MaskPolicy) -> None:
        super().__init__()
        self.options = options
        self.train_triples = self._triples("train", policy, training=True)
        self.batches_of_epoch = 0
        self.validation_triples = self._triples("validation", policy, training=False)

    def state_dict(self) -> dict[str, Any]:
        """How far the epoch has come, for a resume in its middle."""
        loop = self.trainer.fit_loop.epoch_loop if self.trainer is not None else None
        return {"batches_of_epoch": loop.batch_progress.current.ready if loop is not None else 0}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.batches_of_epoch = state_dict["batches_of_epoch"]

    def _triples(self, split: str, policy: MaskPolicy, training: bool) -> Triples:
        options = self.options
        return Triples(options.root, split, options.image_size, policy, options.seed, training)

    def _loader(self, triples: Triples, sampler: KeySampler, drop_last: bool) -> DataLoader[Triple]:
        workers = self.options.workers
        return DataLoader(
            triples,
            batch_size=self.options.batch_size,
            sampler=sampler,
            num_workers=workers,
            drop_last=drop_last,
            persistent_workers=workers > 0,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
        )

    def train_dataloader(self) -> DataLoader[Triple]:
        rank, ranks = _rank(self.trainer)
        sampler = KeySampler(len(self.train_triples), self.options.seed, True, rank, ranks)
        if len(sampler) < self.options.batch_size:
            raise TwoFaceError(
                f"{self.options.root}/train has {len(self.train_triples)} usable photos for {ranks} "
                f"process(es), fewer than batch_size={self.options.batch_size} each; lower it or add photos"
            )
        batches = len(sampler) // self.options.batch_size
        sampler.skip = self.batches_of_epoch % batches * self.options.batch_size
        self.batches_of_epoch = 0
        return self._loader(self.train_triples, sampler, drop_last=True)

    def val_dataloader(self) -> DataLoader[Triple]:
        rank, ranks = _rank(self.trainer)
        length = min(len(self.validation_triples), self.options.validation_photos or len(self.validation_triples))
        sampler = KeySampler(length, self.options.seed, False, rank, ranks)
        return self._loader(self.validation_triples, sampler, drop_last=False)


def _rank(trainer: L.Trainer | None) -> tuple[int, int]:
    return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)
