"""Samplers of (epoch, index) keys: what a worker draws follows from the key, whichever worker it is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from twoface_pl.data.triples import Key
from twoface_pl.errors import TwoFaceError

ENDLESS = 2**40  # batches; how long a training lasts is not the sampler's to say


class TrainingBatches(Sampler[list[Key]]):
    """Batches of keys without end, shuffled anew each epoch, from any batch on.

    A batch is a function of (seed, its number), so a training that goes on at batch ``start`` sees just
    what one that never stopped would have seen. What does not fill a last batch is left out of an epoch.

    Args:
        length: samples of an epoch.
        batch_size: of each of ``ranks`` processes, of which this is number ``rank``.
        seed: of the order.
        start: how many batches were done before.

    Raises:
        TwoFaceError: too few samples for one batch of each process.
    """

    def __init__(self, length: int, batch_size: int, seed: int, start: int = 0, rank: int = 0, ranks: int = 1) -> None:
        self.length = length
        self.batch_size = batch_size
        self.seed = seed
        self.start = start
        self.rank = rank
        self.ranks = ranks
        self.batches_of_epoch = length // (batch_size * ranks)
        if not self.batches_of_epoch:
            raise TwoFaceError(
                f"{length} usable photos are fewer than batch_size={batch_size} for each of {ranks} process(es); "
                "lower it or add photos"
            )

    def __len__(self) -> int:
        return ENDLESS

    def __iter__(self) -> Iterator[list[Key]]:
        ordered, order = -1, np.empty(0, int)
        for batch in itertools.count(self.start):
            epoch, place = divmod(batch, self.batches_of_epoch)
            if epoch != ordered:
                ordered, order = epoch, np.random.default_rng((self.seed, epoch)).permutation(self.length)
            first = (place * self.ranks + self.rank) * self.batch_size
            yield [(epoch, int(index)) for index in order[first : first + self.batch_size]]


class EvaluationKeys(Sampler[Key]):
    """The first ``length`` samples in their order; each process its share, all of one size."""

    def __init__(self, length: int, rank: int = 0, ranks: int = 1) -> None:
        # Every process must take as many steps: the order starts over to fill the last round.
        rounds = (length + ranks - 1) // ranks
        self.share = np.resize(np.arange(length), rounds * ranks)[rank::ranks]

    def __len__(self) -> int:
        return len(self.share)

    def __iter__(self) -> Iterator[Key]:
        return iter([(0, int(index)) for index in self.share])
