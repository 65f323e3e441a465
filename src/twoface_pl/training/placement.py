"""Trains the placement network on prepared sets' original photos: how the one that comes with the package was made.

python -m twoface_pl.training.placement --root data/prepared --output placement.ckpt
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Sampler
from tqdm import tqdm

from twoface_pl.data.originals import read_originals
from twoface_pl.data.placement import PlacementSamples
from twoface_pl.data.source import open_source
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import write_atomically
from twoface_pl.networks.placement import PlacementNetwork, placement_loss, read_placement, to_windows

log = logging.getLogger(__name__)

PHOTOS = 16  # of a batch
HOLES = 4  # of a photo, each seen through two windows
SAVE_EVERY = 200  # batches
DECAY = 0.998  # of the average of weights, by batch
CLIP = 1.0  # of the gradient's norm
Batch = tuple[Tensor, ...]


class _Keys(Sampler[tuple[int, int]]):
    """Epoch and photo, without end, from a batch on."""

    def __init__(self, photos: int, first: int, seed: int) -> None:
        self.photos, self.first, self.seed = photos, first, seed

    def __iter__(self) -> Iterator[tuple[int, int]]:
        number = self.first
        while True:
            epoch = number // self.photos
            order = np.random.default_rng((self.seed, epoch)).permutation(self.photos)
            for photo in order[number % self.photos :]:
                yield epoch, int(photo)
                number += 1


def _together(samples: list[Batch]) -> Batch:
    return tuple(torch.cat(parts) for parts in zip(*samples, strict=True))


def _restore(output: Path, parts: dict[str, Any], batches: int) -> int:
    """Go on from a checkpoint, if there is one; returns its batches."""
    if not output.exists():
        return 0
    stored = torch.load(output, weights_only=True)
    if stored["schedule"]["total_steps"] != batches:
        raise TwoFaceError(
            f"{output} is of a training of {stored['schedule']['total_steps']} batches, whose rate falls to zero over "
            f"them; go on with --batches {stored['schedule']['total_steps']}, or start from it: --init {output} and "
            "another --output"
        )
    log.warning("%s is there, with %d of %d batches; it goes on", output, stored["batches"], batches)
    for name, part in parts.items():
        part.load_state_dict(stored[name])
    return int(stored["batches"])


def fit_placement(
    roots: Sequence[Path],
    output: Path,
    batches: int,
    rate: float = 1.5e-3,
    workers: int = 1,
    seed: int = 0,
    init: Path | None = None,
    until: int | None = None,
) -> None:
    """Train on the train splits' originals.

    Args:
        roots: prepared sets.
        output: the checkpoint; one that is there goes on.
        batches: in all, of 128 windows.
        rate: the highest; it falls to zero (one cycle, Smith & Topin 2019).
        workers: processes that draw samples.
        seed: of all that is drawn.
        init: a checkpoint to start from.
        until: stop after so many of the batches, to go on later.

    Raises:
        TwoFaceError: a set that does not say which photos it was made of, a photo that cannot be read.
    """
    originals = [each for root in roots for each in read_originals(open_source(root), "train").values()]
    torch.manual_seed(seed)
    network = read_placement(init) if init is not None else PlacementNetwork()
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=batches, pct_start=0.1)
    parts: dict[str, Any] = {"network": network, "average": average, "optimizer": optimizer, "schedule": schedule}
    done = _restore(output, parts, batches)
    samples = PlacementSamples(originals, HOLES, seed)
    keys = _Keys(len(originals), done * PHOTOS, seed)
    loader = DataLoader(samples, PHOTOS, sampler=keys, num_workers=workers, collate_fn=_together)

    def save() -> None:
        stored = {name: part.state_dict() for name, part in parts.items()} | {"batches": done}
        write_atomically(output, lambda temporary: torch.save(stored, temporary))

    last = batches if until is None else until
    losses: list[float] = []
    with tqdm(total=batches, initial=done, desc="placement", unit="batch", mininterval=2) as bar:
        for windows, points, there in loader:
            if done >= last:
                break
            loss = placement_loss(network(to_windows(windows)), points, there)
            if not torch.isfinite(loss):
                raise TwoFaceError(f"the loss of batch {done + 1} is not finite; lower the rate")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
            done += 1
            losses.append(loss.item())
            bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}", refresh=False)
            bar.update()
            if done % SAVE_EVERY == 0 or done == last:
                save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, nargs="+", required=True, help="prepared sets")
    parser.add_argument("--output", type=Path, default=Path("placement.ckpt"), help="checkpoint (%(default)s)")
    parser.add_argument("--batches", type=int, default=3500, help="in all, of 128 windows (%(default)s)")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="the highest learning rate (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw samples (%(default)s)")
    parser.add_argument("--init", type=Path, help="a checkpoint to start from")
    given = parser.parse_args()
    fit_placement(given.root, given.output, given.batches, given.rate, given.workers, init=given.init)


if __name__ == "__main__":
    main()
