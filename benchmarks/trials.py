"""Makes a protocol's list of trials from photos: names only, the same list whenever it is run.

python benchmarks/trials.py --photos lfw --people test --most 4 --output conf/protocol/lfw.tsv --work /tmp/lfw

Of each person with three usable photos or more, some become targets; the reference is the person's next photo that is
not of the same moment, the gallery photo the next one beside it, the wrong reference any other person's.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_module

from twoface_pl.cli.recogniser import recogniser_from_config
from twoface_pl.data.index import split_name
from twoface_pl.data.protocol import Trial, trials_text
from twoface_pl.data.source import open_source
from twoface_pl.data.triples import TripleOptions, Triples
from twoface_pl.data_prep.listed import all_tested
from twoface_pl.data_prep.options import PrepareOptions
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.split import place_of
from twoface_pl.evaluation.conditions import make_plan
from twoface_pl.faces.files import write_text
from twoface_pl.faces.frame import FrameKind
from twoface_pl.masks import CenterSquare

TEST = 0.1  # share of people that trainings here never see, by the hash of their names


def _chosen(photos: Path, people: str) -> list[Path]:
    """Folders of people: those of the test split, or so many, by the hash of their names."""
    folders = sorted((path for path in photos.iterdir() if path.is_dir()), key=lambda path: place_of(0, path.name))
    if people == "test":
        return [path for path in folders if place_of(0, path.name) < TEST]
    return folders[: int(people)]


def _seed(target: str) -> int:
    return int.from_bytes(hashlib.sha256(target.encode()).digest()[:4], "big") % 10**9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="<photos>/<person>/<file>")
    parser.add_argument("--people", default="test", help="test, or how many (%(default)s)")
    parser.add_argument("--most", type=int, default=4, help="targets of a person (%(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="the list")
    parser.add_argument("--work", type=Path, required=True, help="a folder to work in; made, and left")
    given = parser.parse_args()
    photos, data = given.work / "photos", given.work / "data"
    for folder in _chosen(given.photos, given.people):
        shutil.copytree(folder, photos / folder.name, dirs_exist_ok=True)
    rule = all_tested((path.name for path in photos.iterdir()), given.work / "people.txt")
    with initialize_config_module("twoface_pl.conf", version_base="1.3"):
        config = compose("prepare", ["frame=tight", "recogniser=sface"])
    frame = FrameKind.build(dict(config.frame))
    recogniser = recogniser_from_config(dict(config.recogniser))
    prepare(PrepareOptions((photos,), data, config.image_size, frame, rule, recogniser=recogniser))
    triples = Triples(open_source(data), "test", CenterSquare(32), TripleOptions(config.image_size, 0, training=False))
    plan = make_plan(triples, None, torch.device("cpu"))
    usable = [
        (target, gallery)
        for target, gallery in sorted(zip(triples.targets, plan.galleries, strict=True))
        if gallery is not None
    ]
    people = sorted({split_name(target)[0] for target, _ in usable})
    trials: list[Trial] = []
    counts: dict[str, int] = {}
    for target, gallery in usable:
        person = split_name(target)[0]
        counts[person] = counts.get(person, 0) + 1
        if counts[person] > given.most:
            continue
        rng = np.random.default_rng(_seed(target))
        wrong = [other for other in people if other != person][rng.integers(len(people) - 1)]
        files = triples.index.references[wrong]
        reference = triples.evaluation_references(target)[0]
        wrong_reference = f"{wrong}/{files[rng.integers(len(files))]}"
        trials.append(Trial(target, f"{person}/{reference}", f"{person}/{gallery}", wrong_reference, _seed(target)))
    own = {f"{path.parent.name}/{path.stem}": f"{path.parent.name}/{path.name}" for path in photos.glob("*/*")}
    kept = ("target", "reference", "gallery", "wrong_reference")  # by their own names, not those of preparing
    trials = [
        replace(trial, **{role: own[getattr(trial, role).rpartition(".")[0]] for role in kept}) for trial in trials
    ]
    text = trials_text(trials)
    write_text(given.output, text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    print(f"{len(trials)} trials of {len(counts)} people: {given.output}, sha256 {digest}")


if __name__ == "__main__":
    main()
