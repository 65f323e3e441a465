"""``twoface evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def run(config: dict[str, Any], folder: Path) -> None:
    from twoface_pl.cli.identity import identity_from_config
    from twoface_pl.evaluation.evaluate import EvaluateOptions, evaluate
    from twoface_pl.evaluation.report import table, write_report
    from twoface_pl.networks.checkpoint import load_generator

    checkpoint = Path(config["checkpoint"])
    output = Path(config["output"]) if config["output"] else checkpoint.parent / "evaluation"
    evaluation = evaluate(
        load_generator(checkpoint),
        EvaluateOptions(
            root=Path(config["root"]),
            split=config["split"],
            mask=config.get("mask"),
            batch_size=config["batch_size"],
            photos=config["photos"],
            seed=config["seed"],
            device=config["device"],
            recogniser=config["recogniser"],
        ),
        identity_from_config(config["identity"]),
        load_generator(Path(config["against"])) if config["against"] else None,
    )
    figures, page = write_report(evaluation, output)
    print(table(evaluation.figures))
    print(f"figures: {figures}\npage: {page}")
