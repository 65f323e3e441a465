"""``twoface benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twoface_pl.data.protocol import Trials


def _trials(protocol: dict[str, Any]) -> Trials:
    from importlib.resources import as_file, files

    from twoface_pl.data.protocol import read_trials

    own = Path(protocol["trials"])
    if own.is_absolute() or own.is_file():  # a list of one's own
        return read_trials(own, protocol["sha256"])
    with as_file(files("twoface_pl.conf") / "protocol" / protocol["trials"]) as path:
        return read_trials(path, protocol["sha256"])


def _holes(protocol: dict[str, Any], chosen: Any) -> dict[str, dict[str, Any]]:
    from twoface_pl.errors import require

    there: dict[str, dict[str, Any]] = protocol["holes"]
    names = there if chosen is None else [chosen] if isinstance(chosen, str) else list(chosen)
    for name in names:
        require(name in there, f"holes: '{name}' is not in the protocol; there are: {', '.join(there)}")
    require(bool(names), f"holes: none is chosen; there are: {', '.join(there)}")
    return {name: there[name] for name in names}


def run(config: dict[str, Any], folder: Path) -> None:
    from twoface_pl.buckets.address import require_here
    from twoface_pl.cli.identity import identity_from_config
    from twoface_pl.cli.recogniser import recogniser_from_config
    from twoface_pl.cli.trained import compared_with, load_trained
    from twoface_pl.data.protocol import digest_of
    from twoface_pl.data_prep.listed import prepare_listed
    from twoface_pl.errors import require
    from twoface_pl.evaluation.benchmark import RESULTS_FILE, done_before, write_results
    from twoface_pl.evaluation.evaluate import evaluate
    from twoface_pl.evaluation.evaluator import EvaluateOptions
    from twoface_pl.evaluation.report import write_report
    from twoface_pl.faces.frame import FrameKind
    from twoface_pl.networks.options import require_whole

    for key in ("photos", "output", "inputs"):
        require_here(key, config[key])
    protocol, output = dict(config["protocol"]), Path(config["output"])
    require_whole("trials", config["trials"], 0)
    holes, listed = _holes(protocol, config["holes"]), _trials(protocol)
    trials = listed.first(config["trials"])
    results = output / RESULTS_FILE
    require(
        bool(config["inputs"]) or config["force"] or not results.exists(),
        f"{results} exists and is kept; set force=true to replace it, or another output=",
    )
    frame = FrameKind.build(protocol["frame"])
    root = prepare_listed(Path(config["photos"]), listed, output / protocol["name"], frame, protocol["image_size"])
    if config["inputs"]:
        _write_inputs(root, trials, holes, protocol["image_size"], Path(config["inputs"]))
        return
    trained = load_trained(config["checkpoint"])
    files: dict[str, Any] = {key: Path(config[key]) if config[key] else None for key in ("lpips", "vgg", "inception")}
    by_hole = {}
    for name, mask in holes.items():
        options = EvaluateOptions(
            root=root, split="test", mask=mask, batch_size=config["batch_size"], photos=0, seed=0,
            device=config["device"], recogniser=recogniser_from_config(config["recogniser"]), trials=trials, **files,
        )  # fmt: skip
        print(f"\n{protocol['name']}, {name}", flush=True)
        against = compared_with(config["against"], name)
        found = None if config["force"] else done_before(output / name, trained, options, against)
        if found is not None:
            print(f"there already: {output / name}", flush=True)
            by_hole[name] = found
            continue
        evaluation = evaluate(trained, options, identity_from_config(config["identity"]), against)
        write_report(evaluation, output / name)
        by_hole[name] = evaluation.figures
    about = {**protocol, "framed": digest_of(root, listed)}
    table, figures = write_results(about, by_hole, output)
    print(f"\n{table.read_text('utf-8')}\ntable: {table}\nfigures: {figures}", flush=True)


def _write_inputs(root: Path, trials: Trials, holes: dict[str, dict[str, Any]], image_size: int, folder: Path) -> None:
    from twoface_pl.data.source import open_source
    from twoface_pl.data.triples import TripleOptions, Triples
    from twoface_pl.evaluation.benchmark import write_inputs
    from twoface_pl.masks import build_mask_policy

    drawn = TripleOptions(image_size, seed=0, training=False, trials=trials)
    for name, mask in holes.items():
        triples = Triples(open_source(root), "test", build_mask_policy(mask), drawn)
        count = write_inputs(triples, folder / name)
    print(
        f"{count} photos for each of {', '.join(holes)}: {folder}\n"
        "fill each photo from its reference into <folder>/<hole>/right/<person>/<photo>.png (and from its wrong "
        "reference into <hole>/wrong/...), then: twoface benchmark ... against=<folder>"
    )
