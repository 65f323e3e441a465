"""``twoface train``."""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twoface_pl.cli.overrides import command_line, override
from twoface_pl.errors import Stopped

if TYPE_CHECKING:
    from twoface_pl.training.module import InpaintingModule

log = logging.getLogger(__name__)

AUTO = "auto"  # resume from the newest
MOST_SEED = 2**32 - 1  # what NumPy takes


def run(config: dict[str, Any], folder: Path) -> None:
    import pytorch_lightning as L

    from twoface_pl.cli.identity import identity_from_config
    from twoface_pl.cli.trained import load_trained
    from twoface_pl.data.augment import AugmentOptions
    from twoface_pl.data.datamodule import DataOptions, TripleDataModule
    from twoface_pl.data.index import read_frame
    from twoface_pl.masks import build_mask_policy
    from twoface_pl.networks.options import require_whole
    from twoface_pl.training.module import BEGUN, InpaintingModule
    from twoface_pl.training.objective import check_losses
    from twoface_pl.training.start import start_from
    from twoface_pl.training.train import TrainOptions, train

    resume = _checkpoint(config["resume"], folder)
    if resume is not None and config["resume"] == AUTO and _is_done(resume, config["max_batches"]):
        print(f"all {config['max_batches']} batches are done; the last checkpoint is {resume}")
        return
    # A resume goes on with its checkpoint's weights, whatever the training began from.
    begun_from = load_trained(config["init"]) if config["init"] and resume is None else None
    # train() says what it runs on; Lightning adds tips.
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", module="pytorch_lightning")
    require_whole("seed", config["seed"], 0, MOST_SEED)
    L.seed_everything(config["seed"], workers=True, verbose=False)
    policy = build_mask_policy(config["mask"])
    data_options = dict(config["data"], root=Path(config["data"]["root"]))
    data = TripleDataModule(
        DataOptions(
            **data_options,
            references=config["references"]["most"],
            itself=config["references"]["itself"],
            itself_epochs=config["references"]["itself_epochs"],
            image_size=config["image_size"],
            seed=config["seed"],
            augment_photo=AugmentOptions.build(config["augment"]["photo"]),
            augment_reference=AugmentOptions.build(config["augment"]["reference"]),
        ),
        policy,
    )
    check_losses(config["losses"])
    needs_identity = config["losses"]["identity"]["weight"] > 0
    module = InpaintingModule(
        generator=config["generator"],
        discriminator=config["discriminator"],
        losses=config["losses"],
        optimizer=config["optimizer"],
        facts={
            "image_size": config["image_size"],
            "frame": read_frame(data.train_triples.source).options(),
            "mask": config["mask"],
            "batch_size": config["data"]["batch_size"],
            "devices": config["trainer"]["devices"],
            "run": folder.name + (BEGUN + begun_from.run if begun_from is not None else ""),
        },
        identity_network=identity_from_config(config["identity"]) if needs_identity else None,
        without_reference=config["references"]["none"],
        channels_last=config["channels_last"],
        log_every=config["log_every"],
        ema=config["ema"],
        compiled=config["compile"],
    )
    if begun_from is not None:
        start_from(module, begun_from)
    module.generator.check(config["image_size"], policy)
    module.generator.check_references(config["references"]["most"])
    options = TrainOptions(
        folder=folder,
        max_batches=config["max_batches"],
        validate_every=config["validate_every"],
        logger=config["logger"]["name"],
        trainer={**config["trainer"], **config["precision"]},
        stop_when=config["stop_when"] or {},
        resume=resume,
        progress=config["progress"],
    )
    try:
        result = train(module, data, options)
    except Stopped as stopped:
        raise Stopped(stopped.number, _kept(stopped, module, options.max_batches, folder)) from None
    if module.global_rank == 0:
        print(f"trained {result.batches} batches; the best checkpoint is {result.best}, the last {result.last}")
        judged = [override("checkpoint", result.best), override("root", data_options["root"])]
        print(f"next: {command_line('evaluate', *judged)}")


def _kept(stopped: Stopped, module: InpaintingModule, max_batches: int, folder: Path) -> str:
    """What a training that was stopped says of what is saved, and of how it goes on."""
    from twoface_pl.training.stop import requeue

    said = [stopped.kept]
    if stopped.number == getattr(signal, "SIGUSR1", None) and (requeued := requeue()):
        said.append(requeued)
    if module.batches_saved is not None and module.batches_saved < max_batches:
        said.append(f"go on with:\n{_go_on(folder)}")
    return "; ".join(said)


def _checkpoint(resume: str | None, folder: Path) -> Path | None:
    """The checkpoint to go on from."""
    from twoface_pl.training.checkpoints import newest

    if resume != AUTO:
        return Path(resume) if resume else None
    found = newest(folder)
    log.info("going on from %s" if found else "no checkpoint in %s: starting anew", found or folder)
    return found


def _is_done(checkpoint: Path, max_batches: int) -> bool:
    from twoface_pl.networks.checkpoint import read_checkpoint

    return bool(read_checkpoint(checkpoint)["batches_done"] >= max_batches)


def _go_on(folder: Path) -> str:
    """The command that goes on with this training in its folder, with all else that it was given."""
    new = [override("resume", folder / "last.ckpt"), override("hydra.run.dir", folder)]
    replaced = tuple(f"{entry.partition('=')[0]}=" for entry in new)
    given = [argument for argument in sys.argv[2:] if not argument.lstrip("+").startswith(replaced)]
    return command_line("train", *given, *new)
