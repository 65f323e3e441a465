"""``twoface export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twoface_pl.export.price import Pricer
    from twoface_pl.export.variants import Feeds
    from twoface_pl.networks.checkpoint import TrainedGenerator


def _measured(config: dict[str, Any], names: list[str], trained: TrainedGenerator) -> tuple[list[Feeds], Pricer]:
    """What variants are calibrated on, and what measures them: opened before the long export."""
    from twoface_pl.export.price import Pricer, calibration
    from twoface_pl.export.variants import INT8
    from twoface_pl.faces.recogniser import sface_file

    root = Path(config["root"])
    pricer = Pricer(root, trained, config["photos"], sface_file(config["sface"]))
    return calibration(root, trained) if INT8 in names else [], pricer


def run(config: dict[str, Any], folder: Path) -> None:
    from twoface_pl.cli.overrides import command_line
    from twoface_pl.cli.trained import load_trained
    from twoface_pl.export.export import export
    from twoface_pl.export.figures import read_figures
    from twoface_pl.export.variants import check_variants
    from twoface_pl.model_file import FILES, REPAIR

    names = [config["variants"]] if isinstance(config["variants"], str) else config["variants"]
    check_variants(names, config["half"])
    trained = load_trained(config["checkpoint"])
    paths = [config["figures"]] if isinstance(config["figures"], str) else config["figures"]
    figures = read_figures([Path(path) for path in paths], trained.run, trained.batches) or trained.figures
    measured = _measured(config, names, trained) if names else None
    result = export(trained, Path(config["output"]), config["half"], figures, config["licence"])
    batches, references = (sorted(set(numbers)) for numbers in zip(*result.parity, strict=True))
    print(
        f"{result.path} ({result.path.stat().st_size / 1e6:.1f} MB), and as a whole repair {FILES[REPAIR]}\n"
        "largest difference to torch "
        f"{max(result.parity.values()):.1e}, at batches {batches} with {references} references"
    )
    if measured is not None:
        from twoface_pl.export.price import write_variants

        table = write_variants(result.folder, names, *measured, config["force"])
        print(f"{', '.join(names)} beside it, with what they cost, {table}:\n{table.read_text()}", end="")
    model = command_line("inpaint", "--model", str(result.folder.parent))
    print(f"next: {model} --image PHOTO --reference PHOTO --output filled.png")
