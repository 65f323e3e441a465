"""Fits the small identity network to synthetic identities, in well under a minute on two cores."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from twoface_pl.faces.files import write_atomically
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.networks.identity import SmallIdentityNetwork

log = logging.getLogger(__name__)

FIRST_PERSON = 5_000_000  # far beyond those of a drawn data set (of source.seed=0 to 4)
LOGIT_SCALE = 16.0


def fit_synthetic_identity(path: Path, people: int = 300, photos: int = 12, steps: int = 400) -> None:
    """Fit by telling ``people`` apart (cosine softmax) and write the weights to ``path``, atomically."""
    log.info("fitting the synthetic identity network (%d people, once): %s", people, path)
    faces = np.stack(
        [synthetic_photo(FIRST_PERSON + person, photo, 64) for person in range(people) for photo in range(photos)]
    )
    pixels = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 127.5 - 1
    labels = torch.arange(people).repeat_interleave(photos)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SmallIdentityNetwork()
        classes = nn.Parameter(torch.randn(people, 64) * 0.1)
        optimizer = torch.optim.Adam([*network.parameters(), classes], lr=2e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        for _ in range(steps):
            chosen = torch.randint(len(labels), (64,))
            embedding = F.normalize(network(pixels[chosen]), dim=1)
            logits = LOGIT_SCALE * embedding @ F.normalize(classes, dim=1).T
            loss = F.cross_entropy(logits, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    state = network.state_dict()
    write_atomically(path, lambda temporary: torch.save(state, temporary))
