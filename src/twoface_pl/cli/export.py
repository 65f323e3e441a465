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
    from twoface_pl.buckets.fetch import local
    from twoface_pl.export.price import Pricer, calibration
    from twoface_pl.faces.recogniser import sface_file
    from twoface_pl.model_file import INT8

    root = local(config["root"])
    pricer = Pricer(root, trained, config["photos"], sface_file(config["sface"]))
    return calibration(root, trained) if INT8 in names else [], pricer


def run(config: dict[str, Any], folder: Path) -> None:
    from twoface_pl.buckets.mirror import staged
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
    with staged(str(config["output"])) as output:
        result = export(trained, output, config["half"], figures, config["licence"])
        batches, references = (sorted(set(numbers)) for numbers in zip(*result.parity, strict=True))
        place = f"{str(config['output']).rstrip('/')}/{result.folder.name}"
        size = result.path.stat().st_size / 1e6
        print(f"{place}/{result.path.name} ({size:.1f} MB), and as a whole repair {FILES[REPAIR]}")
        difference = max(result.parity.values())
        print(f"largest difference to torch {difference:.1e}, at batches {batches} with {references} references")
        if measured is not None:
            from twoface_pl.export.price import write_variants

            table = write_variants(result.folder, names, *measured, config["force"])
            said = f"{', '.join(names)} beside it, with what they cost, {place}/{table.name}:"
            print(f"{said}\n{table.read_text()}", end="")
    model = command_line("inpaint", "--model", str(config["output"]))
    print(f"next: {model} --image PHOTO --mask MASK --reference PHOTO --output filled.png")
