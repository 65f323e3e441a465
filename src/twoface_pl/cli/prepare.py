"""``twoface prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PLAIN_KEYS = (
    "enlarge", "min_photos", "min_face", "same_picture", "too_alike", "zip", "workers", "backend", "cluster", "step",
    "force",
)  # fmt: skip


def run(config: dict[str, Any], folder: Path) -> None:
    from twoface_pl.buckets.address import require_here
    from twoface_pl.cli.recogniser import recogniser_from_config
    from twoface_pl.data_prep.options import PrepareOptions, check_root
    from twoface_pl.data_prep.prepare import prepare
    from twoface_pl.data_prep.split import SplitRule
    from twoface_pl.data_prep.words import summary
    from twoface_pl.errors import require
    from twoface_pl.faces.frame import FrameKind
    from twoface_pl.faces.synthetic import write_synthetic_photos
    from twoface_pl.networks.options import require_whole

    source = config["source"]
    roots = source["root"] if isinstance(source["root"], list) else [source["root"]]
    require(all(roots) and bool(roots), "source.root: give the folder of photos, <folder>/<person>/<photo>")
    require(bool(config["root"]), "root: give the folder that is made")
    for key, value in (("root", config["root"]), ("work", config["work"]), *(("source.root", root) for root in roots)):
        require_here(key, value)
    options = PrepareOptions(
        sources=tuple(Path(root) for root in roots),
        root=Path(config["root"]),
        image_size=config["image_size"],
        frame=FrameKind.build(config["frame"]),
        split=SplitRule.build(config["split"]),
        recogniser=recogniser_from_config(config["recogniser"]),
        work=Path(config["work"]) if config["work"] else None,
        **{key: config[key] for key in PLAIN_KEYS},
    )
    if source["name"] == "synthetic":
        for key, least in (("people", 2), ("photos", 1), ("seed", 0)):
            require_whole(f"source.{key}", source[key], least)
        check_root(options)  # before the drawing, not after it
        write_synthetic_photos(
            options.sources[0], source["people"], source["photos"], options.image_size, source["seed"]
        )
    print(summary(prepare(options), options))
