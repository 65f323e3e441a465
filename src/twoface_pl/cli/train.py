"""``twoface train``."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twoface_pl.cli.launched import RUN_ADDRESS, launched_rank
from twoface_pl.cli.overrides import command_line, override
from twoface_pl.errors import Stopped, require
from twoface_pl.faces.listing import counted

if TYPE_CHECKING:
    from twoface_pl.buckets.mirror import Mirror
    from twoface_pl.training.checkpoints import Saved

log = logging.getLogger(__name__)

AUTO = "auto"  # resume from the newest
MOST_SEED = 2**32 - 1  # what NumPy takes


def _identity_of(config: dict[str, Any]) -> list[str]:
    """Overrides by which an evaluation has this training's identity network."""
    identity = config["identity"]
    chosen = [] if identity["name"] == "facenet" else [f"identity={identity['name']}"]
    return chosen + ([override("identity.weights", identity["weights"])] if identity.get("weights") else [])


def run(config: dict[str, Any], folder: Path) -> None:
    import pytorch_lightning as L
    from pytorch_lightning.utilities import rank_zero_only

    from twoface_pl.buckets.fetch import local
    from twoface_pl.cli.identity import identity_from_config
    from twoface_pl.cli.record import write_record
    from twoface_pl.cli.trained import load_trained
    from twoface_pl.data.augment_options import AugmentOptions
    from twoface_pl.data.datamodule import DataOptions, TripleDataModule
    from twoface_pl.data.index import read_frame
    from twoface_pl.masks import build_mask_policy
    from twoface_pl.networks.options import require_number, require_whole
    from twoface_pl.training.checkpoints import newest
    from twoface_pl.training.module import BEGUN, InpaintingModule
    from twoface_pl.training.objective import check_losses
    from twoface_pl.training.start import start_from
    from twoface_pl.training.teacher import teacher_of
    from twoface_pl.training.train import TrainOptions, train

    require_whole("max_batches", config["max_batches"], 1)
    if config["max_minutes"] is not None:
        require_number("max_minutes", config["max_minutes"])
    mirror = _mirror(folder)
    if mirror is not None and config["resume"]:
        mirror.fetch()
    where = mirror.address if mirror is not None else folder
    resume = local(config["resume"]) if config["resume"] and config["resume"] != AUTO else None
    if config["resume"] == AUTO:
        found = _newest(folder)
        if found is not None and _is_done(found, config):
            batches = counted(found.batches, "batch", "batches")
            print(f"the training is done, with {batches}; its last checkpoint is {found.path}")
            return
        resume = found.path if found is not None else None
    if mirror is None and launched_rank() in (None, 0) and int(os.environ.get("LOCAL_RANK", 0)) == 0:
        _check_unused(folder, resume)
    # A resume goes on with its checkpoint's weights, whatever the training began from.
    begun_from = load_trained(config["init"]) if config["init"] and resume is None else None
    # train() says what it runs on; Lightning adds tips.
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", module="pytorch_lightning")
    require_whole("seed", config["seed"], 0, MOST_SEED)
    L.seed_everything(config["seed"], workers=True, verbose=False)
    policy = build_mask_policy(config["mask"])
    data_options = dict(config["data"], root=local(config["data"]["root"]))
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
    facts = {
        "image_size": config["image_size"],
        "frame": read_frame(data.train_triples.source).options(),
        "mask": config["mask"],
        "batch_size": config["data"]["batch_size"],
        "devices": config["trainer"]["devices"],
        "run": folder.name + (BEGUN + begun_from.run if begun_from is not None else ""),
    }
    distillation, teacher = config["losses"]["distillation"], None
    if distillation["weight"] > 0 and distillation["teacher"]:
        seen = config["references"]
        teacher = teacher_of(load_trained(distillation["teacher"]), facts, policy, seen["most"], seen["none"])
    module = InpaintingModule(
        generator=config["generator"],
        discriminator=config["discriminator"],
        losses=config["losses"],
        optimizer=config["optimizer"],
        facts=facts,
        identity_network=identity_from_config(config["identity"]) if needs_identity else None,
        teacher=teacher,
        without_reference=config["references"]["none"],
        channels_last=config["channels_last"],
        log_every=config["log_every"],
        ema=config["ema"],
        compiled=config["compile"],
        not_finite=config["not_finite"],
        collapse_after=config["collapse_after"],
        max_minutes=config["max_minutes"],
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
        save_minutes=config["save_minutes"],
        stop_when=config["stop_when"] or {},
        resume=resume,
        progress=config["progress"],
        saved=mirror.send if mirror is not None else None,
    )
    if mirror is not None and not config["resume"]:
        rank_zero_only(mirror.take_over)()
    rank_zero_only(write_record)(config, data.train_triples.source, folder)
    try:
        result = train(module, data, options)
        if mirror is not None and module.global_rank == 0:
            mirror.send()  # what was logged since the last checkpoint
    except Stopped as stopped:
        reached = newest(folder) if module.batches_saved is not None else None
        is_left = reached is not None and not _is_done(reached, config)
        more = _how_to_go_on(stopped.number, where, config["resume"] == AUTO) if is_left else ""
        raise Stopped(stopped.number, f"{stopped.kept}{more}") from None
    if module.global_rank == 0:
        best, last = (f"{where}/{path.name}" for path in (result.best, result.last))
        print(f"trained {counted(result.batches, 'batch', 'batches')}; the best checkpoint is {best}, the last {last}")
        judged = [override("checkpoint", best), override("root", str(config["data"]["root"])), *_identity_of(config)]
        print(f"next: {command_line('evaluate', *judged)}")


def _check_unused(folder: Path, resume: Path | None) -> None:
    """Refuse to train where another training has been saved than the one that is resumed.

    Raises:
        TwoFaceError: says how it goes on.
    """
    from twoface_pl.training.checkpoints import NAMES

    told = "resume=auto goes on with it; give another hydra.run.dir, or remove it, to begin anew"
    is_its_own = resume is not None and resume.resolve().parent == folder.resolve()
    is_used = any((folder / name).exists() for name in NAMES)
    require(is_its_own or not is_used, f"{folder} holds a training already; {told}")


def _is_done(saved: Saved, config: dict[str, Any]) -> bool:
    return saved.is_done(config["max_batches"], config["max_minutes"], config["stop_when"] or {})


def _mirror(folder: Path) -> Mirror | None:
    """Of a run whose folder is in a bucket."""
    from twoface_pl.buckets.mirror import Mirror

    address = os.environ.get(RUN_ADDRESS)
    return Mirror(folder, address) if address else None


def _newest(folder: Path) -> Saved | None:
    """The checkpoint of the run's folder, which must be given: a folder of its own has none."""
    from twoface_pl.training.checkpoints import newest

    given = [argument.lstrip("+").partition("=")[0] for argument in sys.argv]
    is_given = bool({"hydra.run.dir", "hydra.sweep.dir"} & set(given))
    require(is_given, "resume=auto needs a folder that stays the same: hydra.run.dir=runs/<name>")
    found = newest(folder)
    if found is None:
        log.info("no checkpoint in %s: starting anew", folder)
    else:
        log.info("going on from %s", found.path)
    return found


def _how_to_go_on(number: int, folder: Path | str, is_auto: bool) -> str:
    """What a training that was stopped before its end says of how it goes on; SLURM is asked for the job again."""
    from twoface_pl.training.stop import requeue

    if not is_auto:
        return f"; go on with:\n{_go_on(folder)}"
    said = requeue() if number == getattr(signal, "SIGUSR1", None) else None
    return f"; {said}" if said else "; the same command goes on"


def _go_on(folder: Path | str) -> str:
    """The command that goes on with this training in its folder, with all else that it was given."""
    from twoface_pl.training.checkpoints import LAST

    new = [override("resume", f"{folder}/{LAST}"), override("hydra.run.dir", folder)]
    replaced = tuple(f"{entry.partition('=')[0]}=" for entry in new)
    given = [argument for argument in sys.argv[2:] if not argument.lstrip("+").startswith(replaced)]
    return command_line("train", *given, *new)
