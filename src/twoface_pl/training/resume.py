"""A training that goes on from a checkpoint: with what fits, and the batch that is due."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from twoface_pl.data.datamodule import TripleDataModule
from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.checkpoint import AVERAGE_PREFIX, architecture, read_checkpoint
from twoface_pl.training.module import BEGUN, InpaintingModule

log = logging.getLogger(__name__)


def _check(module: InpaintingModule, path: Path, content: dict[str, Any], max_batches: int) -> None:
    """Refuse a checkpoint of another architecture before Lightning lists a hundred keys; say what else differs."""
    if content["batches_done"] >= max_batches and not content.get("validation_due"):
        raise TwoFaceError(
            f"{path} has {content['batches_done']} batches behind it already; raise max_batches above that"
        )
    seconds, most = content.get("seconds", 0.0), module.max_minutes
    if most is not None and seconds >= 60 * most and not content.get("validation_due"):
        raise TwoFaceError(f"{path} has {seconds / 60:.3g} minutes behind it already; raise max_minutes above that")
    accumulate = module.optimizer_options.accumulate
    if content["batches_done"] % accumulate:
        done = content["batches_done"]
        raise TwoFaceError(
            f"{path} has {done} batches, no multiple of optimizer.accumulate={accumulate}; resume with another number, "
            "or from another checkpoint of its folder"
        )
    found, wanted = content["hyper_parameters"], module.hparams
    parts = ["generator"]
    had_discriminators = any(key.startswith("discriminators.") for key in content["state_dict"])
    if had_discriminators != (module.discriminators is not None):
        raise TwoFaceError(
            f"{path} was trained {'with' if had_discriminators else 'without'} discriminators, this run is not; "
            "resume with the same losses or start anew without resume"
        )
    if had_discriminators:
        parts.append("discriminator")
    for part in parts:
        before, now = architecture(found[part]), architecture(wanted[part])
        if before != now:
            raise TwoFaceError(
                f"{path} was trained with {part} {before}, this run has {now}; "
                f"resume with the same {part} or start anew without resume"
            )
    before, now = (options["optimizer"].get("kind", "adam") for options in (found, wanted))
    if before != now:
        raise TwoFaceError(f"{path} was trained with optimizer.kind={before}, this run has {now}; resume with the same")
    had_average = any(key.startswith(AVERAGE_PREFIX) for key in content["state_dict"])
    if had_average != (module.average is not None):
        had, has = ("with", "without") if had_average else ("without", "with")
        raise TwoFaceError(f"{path} was trained {had} ema, this run is {has} it; resume with the same")
    missing = sorted(set(module.state_dict()) - set(content["state_dict"]))
    if missing:
        raise TwoFaceError(f"{path} is of an earlier version: it has no {missing[0]}; start anew without resume")
    for key, value in wanted["facts"].items():
        if key != "run" and found["facts"].get(key) != value:
            log.warning("resuming with %s %s; the checkpoint had %s", key, value, found["facts"].get(key))


def go_on(module: InpaintingModule, data: TripleDataModule, path: Path, max_batches: int) -> None:
    """Make ready to go on from a checkpoint: with the batch that is due, and the name of what it was begun from."""
    content = read_checkpoint(path)
    _check(module, path, content, max_batches)
    _, begun, origin = content["hyper_parameters"]["facts"]["run"].partition(BEGUN)
    module.hparams["facts"]["run"] += begun + origin
    data.start_batch = int(content["batches_done"])
