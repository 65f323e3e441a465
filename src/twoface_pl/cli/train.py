"""``twoface train``."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from twoface_pl.cli.overrides import command_line, override

MOST_SEED = 2**32 - 1  # what NumPy takes


def run(config: dict[str, Any], folder: Path) -> None:
    import pytorch_lightning as L

    from twoface_pl.cli.identity import identity_from_config
    from twoface_pl.cli.trained import load_trained
    from twoface_pl.data.augment import AugmentOptions
    from twoface_pl.data.datamodule import DataOptions, TripleDataModule
    from twoface_pl.data.index import read_frame
    from twoface_pl.errors import Stopped
    from twoface_pl.masks import build_mask_policy
    from twoface_pl.networks.options import require_whole
    from twoface_pl.training.module import BEGUN, InpaintingModule
    from twoface_pl.training.objective import check_losses
    from twoface_pl.training.start import start_from
    from twoface_pl.training.train import TrainOptions, train

    # A resume goes on with its checkpoint's weights, whatever the training began from.
    begun_from = load_trained(config["init"]) if config["init"] and not config["resume"] else None
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
        resume=Path(config["resume"]) if config["resume"] else None,
        progress=config["progress"],
    )
    try:
        result = train(module, data, options)
    except Stopped as stopped:
        if module.batches_saved is None or module.batches_saved >= options.max_batches:
            raise
        raise Stopped(stopped.number, f"{stopped.kept}; go on with:\n{_go_on(folder)}") from None
    if module.global_rank == 0:
        print(f"trained {result.batches} batches; the best checkpoint is {result.best}, the last {result.last}")
        judged = [override("checkpoint", result.best), override("root", data_options["root"])]
        print(f"next: {command_line('evaluate', *judged)}")


def _go_on(folder: Path) -> str:
    """The command that goes on with this training in its folder, with all else that it was given."""
    new = [override("resume", folder / "last.ckpt"), override("hydra.run.dir", folder)]
    replaced = tuple(f"{entry.partition('=')[0]}=" for entry in new)
    given = [argument for argument in sys.argv[2:] if not argument.lstrip("+").startswith(replaced)]
    return command_line("train", *given, *new)
