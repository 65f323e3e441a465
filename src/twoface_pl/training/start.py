"""A new training from the weights of a generator that was trained before."""

from __future__ import annotations

import logging

from twoface_pl.errors import require
from twoface_pl.networks.checkpoint import TrainedGenerator, architecture
from twoface_pl.training.module import InpaintingModule

log = logging.getLogger(__name__)


def start_from(module: InpaintingModule, trained: TrainedGenerator) -> None:
    """Give the module's generator the weights of a trained one; all else starts anew.

    Raises:
        TwoFaceError: it is of another architecture, and not a smaller one of the same kind.
    """
    before, now = architecture(trained.options), architecture(module.hparams["generator"])
    grows = module.generator.grows
    grown = {key: now[key] for key in grows if key in now and key in before and now[key] > before[key]}
    fewer = f", or one with fewer {' or '.join(grows)}" if grows else ""
    require(
        {**before, **grown} == now,
        f"init is a generator {before}, this run has {now}; start from the same generator{fewer}",
    )
    module.generator.grow_from(trained.generator)
    facts = module.hparams["facts"]
    for what, was in (("frame", trained.frame.options()), ("image_size", trained.image_size)):
        if facts[what] != was:
            log.warning("this run has %s %s; the weights it starts from had %s", what, facts[what], was)
