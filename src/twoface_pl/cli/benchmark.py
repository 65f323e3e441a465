"""``twoface benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twoface_pl.data.protocol import Trials
    from twoface_pl.evaluation.evaluator import EvaluateOptions


def _trials(protocol: dict[str, Any]) -> Trials:
    from importlib.resources import as_file, files

    from twoface_pl.data.protocol import read_trials
    from twoface_pl.errors import require

    for key in ("trials", "sha256"):
        value = protocol[key]
        require(isinstance(value, str), f"protocol.{key}={value}: give the list's {key.replace('trials', 'file')}")
    own = Path(protocol["trials"])
    published = files("twoface_pl.conf") / "protocol"
    if own.is_absolute() or own.is_file():  # a list of one's own
        is_taken = (published / f"{protocol['name']}.yaml").is_file()
        require(not is_taken, f"protocol.name={protocol['name']} is a published list's; give yours a name of its own")
        return read_trials(own, protocol["sha256"])
    listed = published / protocol["trials"]
    require(listed.is_file(), f"protocol.trials={own}: no such file")
    with as_file(listed) as path:
        return read_trials(path, protocol["sha256"])


def _holes(protocol: dict[str, Any], chosen: Any) -> list[str]:
    from twoface_pl.errors import require

    there = ", ".join(protocol["holes"])
    names = list(protocol["holes"]) if chosen is None else [chosen] if isinstance(chosen, str) else chosen
    require(isinstance(names, list) and bool(names), f"holes: none is chosen; there are: {there}")
    for name in names:
        known = isinstance(name, str) and name in protocol["holes"]
        require(known, f"holes: '{name}' is not in the protocol; there are: {there}")
    return list(dict.fromkeys(names))


def _options(config: dict[str, Any], root: Path, trials: Trials) -> EvaluateOptions:
    from twoface_pl.cli.recogniser import recogniser_from_config
    from twoface_pl.evaluation.evaluator import EvaluateOptions

    files: dict[str, Any] = {key: Path(config[key]) if config[key] else None for key in ("lpips", "vgg", "inception")}
    return EvaluateOptions(
        root=root, split="test", mask=None, batch_size=config["batch_size"], photos=0, seed=0,
        device=config["device"], recogniser=recogniser_from_config(config["recogniser"]), trials=trials, **files,
    )  # fmt: skip


def run(config: dict[str, Any], folder: Path) -> None:
    from twoface_pl.buckets.address import require_here
    from twoface_pl.cli.identity import identity_from_config
    from twoface_pl.cli.trained import compared_by_hole, load_trained
    from twoface_pl.data.protocol import digest_of
    from twoface_pl.data_prep.listed import prepare_listed
    from twoface_pl.errors import require
    from twoface_pl.evaluation.benchmark import Benchmark
    from twoface_pl.faces.frame import FrameKind
    from twoface_pl.networks.options import require_whole

    for key in ("photos", "output", "inputs"):
        require_here(key, config[key])
    protocol = dict(config["protocol"])
    require_whole("trials", config["trials"], 0)
    holes, listed = _holes(protocol, config["holes"]), _trials(protocol)
    trained = None if config["inputs"] else load_trained(config["checkpoint"])
    against = compared_by_hole(config["against"], protocol["holes"], holes)
    require(not Path(config["output"]).is_file(), f"output={config['output']} is a file; give a folder")
    place, frame = Path(config["output"]) / protocol["name"], FrameKind.build(protocol["frame"])
    root = prepare_listed(Path(config["photos"]), listed, place / "framed", frame, protocol["image_size"])
    prepared = listed.as_prepared()
    trials = prepared.first(config["trials"])
    if trained is None:
        _write_inputs(root, trials, {name: protocol["holes"][name] for name in holes}, protocol, Path(config["inputs"]))
        return
    options, identity = _options(config, root, trials), identity_from_config(config["identity"])
    benchmark = Benchmark(protocol, place, options, trained, identity, against)
    table, figures = benchmark.run(holes, digest_of(root, prepared), config["force"])
    print(f"\n{table.read_text('utf-8')}\ntable: {table}\nfigures: {figures}", flush=True)


def _write_inputs(
    root: Path, trials: Trials, holes: dict[str, dict[str, Any]], protocol: dict[str, Any], folder: Path
) -> None:
    from twoface_pl.data.source import open_source
    from twoface_pl.data.triples import TripleOptions, Triples
    from twoface_pl.evaluation.inputs import write_inputs
    from twoface_pl.masks import build_mask_policy

    drawn = TripleOptions(protocol["image_size"], seed=0, training=False, trials=trials)
    for name, mask in holes.items():
        triples = Triples(open_source(root), "test", build_mask_policy(mask), drawn)
        count = write_inputs(triples, folder / name, 0)
    print(
        f"{count} photos for each of {', '.join(holes)}: {folder}\n"
        "fill each photo from its reference into <folder>/<hole>/right/<person>/<photo>.png (and from its wrong "
        "reference into <hole>/wrong/..., from the occluded one into <hole>/occluded/...), then: "
        "twoface benchmark ... against=<folder>"
    )
