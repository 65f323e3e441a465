"""``twoface prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def run(config: dict[str, Any], folder: Path) -> None:
    from twoface_pl.data.synthetic import write_synthetic_photos
    from twoface_pl.data_prep.prepare import PrepareOptions, check_root, prepare, summary
    from twoface_pl.data_prep.split import SplitOptions

    source = config["source"]
    photos = Path(source["root"])
    options = PrepareOptions(
        source=photos,
        root=Path(config["root"]),
        image_size=config["image_size"],
        split=SplitOptions(**config["split"]),
        min_photos=config["min_photos"],
        force=config["force"],
    )
    if source["name"] == "synthetic":
        check_root(options)  # before the drawing, not after it
        write_synthetic_photos(photos, source["people"], source["photos"], config["image_size"], source["seed"])
    print(summary(prepare(options), options.root))
