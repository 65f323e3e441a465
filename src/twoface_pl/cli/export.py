"""``twoface export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def run(config: dict[str, Any], folder: Path) -> None:
    from twoface_pl.cli.overrides import command_line
    from twoface_pl.cli.trained import load_trained
    from twoface_pl.export.export import export
    from twoface_pl.export.figures import read_figures
    from twoface_pl.model_file import FILES, REPAIR

    trained = load_trained(config["checkpoint"])
    paths = [config["figures"]] if isinstance(config["figures"], str) else config["figures"]
    figures = read_figures([Path(path) for path in paths], trained.run, trained.batches) or trained.figures
    result = export(trained, Path(config["output"]), config["half"], figures, config["licence"])
    batches, references = (sorted(set(numbers)) for numbers in zip(*result.parity, strict=True))
    print(
        f"{result.path} ({result.path.stat().st_size / 1e6:.1f} MB), and as a whole repair {FILES[REPAIR]}\n"
        "largest difference to torch "
        f"{max(result.parity.values()):.1e}, at batches {batches} with {references} references"
    )
    model = command_line("inpaint", "--model", str(result.folder.parent))
    print(f"next: {model} --image PHOTO --reference PHOTO --output filled.png")
