"""``twoface evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twoface_pl.evaluation.evaluator import EvaluateOptions
    from twoface_pl.networks.checkpoint import TrainedGenerator


def run(config: dict[str, Any], folder: Path) -> None:
    from twoface_pl.buckets.address import is_address, require_here
    from twoface_pl.buckets.fetch import local
    from twoface_pl.cli.identity import identity_from_config
    from twoface_pl.cli.recogniser import recogniser_from_config
    from twoface_pl.cli.trained import compared_with, load_trained, model_here
    from twoface_pl.errors import require
    from twoface_pl.evaluation.evaluate import evaluate
    from twoface_pl.evaluation.evaluator import EvaluateOptions
    from twoface_pl.evaluation.report import FIGURES_FILE, table, write_report
    from twoface_pl.evaluation.watch import new_checkpoints
    from twoface_pl.model_file import packaged

    checkpoint = model_here(config["checkpoint"])
    require(
        not config["watch"] or checkpoint.suffix != ".onnx",
        "watch=true is for a checkpoint of a running training, not for a .onnx file",
    )
    for key in ("output", "inputs"):
        require_here(key, config[key])
    if config["watch"]:
        require_here("checkpoint", config["checkpoint"])
    trained = None if config["watch"] else load_trained(config["checkpoint"])
    has_no_folder = str(config["checkpoint"]) in packaged() or is_address(config["checkpoint"])
    beside = Path() if has_no_folder else checkpoint.parent
    output = Path(config["output"]) if config["output"] else beside / "evaluation"
    require(not output.exists() or output.is_dir(), f"output={output} is a file; give a folder")
    for key in ("watch", "against"):
        require(not (config["inputs"] and config[key]), f"inputs= only writes pictures; leave out {key}=")
    require(
        config["watch"] or config["inputs"] or config["force"] or not (output / FIGURES_FILE).exists(),
        f"{output / FIGURES_FILE} exists and is kept; set force=true to replace it, or another output=",
    )
    options = EvaluateOptions(
        root=local(config["root"]),
        split=config["subset"],
        mask=config.get("mask"),
        batch_size=config["batch_size"],
        photos=config["photos"],
        seed=config["seed"],
        device=config["device"],
        placement=str(config["placement"]).lower(),
        painted=config["paint"],
        references=config["references"],
        recogniser=recogniser_from_config(config["recogniser"]),
        lpips=Path(config["lpips"]) if config["lpips"] else None,
        vgg=Path(config["vgg"]) if config["vgg"] else None,
        inception=Path(config["inception"]) if config["inception"] else None,
    )
    if config["inputs"]:
        assert trained is not None
        _write_inputs(trained, options, Path(config["inputs"]))
        return
    identity = identity_from_config(config["identity"])
    against = compared_with(config["against"])

    def report(trained: TrainedGenerator, into: Path) -> None:
        evaluation = evaluate(trained, options, identity, against)
        print(table(evaluation.figures), flush=True)  # first: a full disk is not to take it along
        figures, page = write_report(evaluation, into)
        print(f"figures: {figures}\npage: {page}", flush=True)

    if trained is not None:
        report(trained, output)
        return
    for newest in new_checkpoints(checkpoint, 60 * config["patience"]):
        report(newest, output / f"{newest.batches:07d}")


def _write_inputs(trained: TrainedGenerator, options: EvaluateOptions, folder: Path) -> None:
    from twoface_pl.errors import require
    from twoface_pl.evaluation.evaluate import evaluation_triples
    from twoface_pl.evaluation.inputs import write_inputs

    require(options.references == 1, f"inputs={folder} writes one reference of each; leave out references=")
    count = write_inputs(evaluation_triples(trained, options), folder, options.photos)
    print(
        f"{count} photos: {folder}\nfill each from its reference into <filled>/right/<person>/<photo>.png (and from "
        "its wrong reference, if there are such, into <filled>/wrong/...), then: the same command with "
        "against=<filled> instead of inputs="
    )
