"""A data set of CASIA-WebFace's size: how fast its index opens, what it holds of memory, what drawing from it takes.

    make bench-index

500,000 photos of 10,575 people, made up: names as in CASIA-WebFace, every photo in every role, landmarks, and a zip of
all of it whose photos have a byte each. Each line is a process of its own, the third: what is measured is the program,
not the disk. Memory is what the process holds beside files that the system can drop.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

PHOTOS, PEOPLE = 500_000, 10_575
ROLES = ("masked", "real", "reference")


def _entries(photos: int, people: int) -> list[str]:
    """Names by person; people have from 2 photos to many, as theirs."""
    rng = np.random.default_rng(0)
    shares = rng.pareto(1.5, people) + 0.1
    counts = np.maximum(2, np.round(shares / shares.sum() * (photos - 2 * people)).astype(int) + 2)
    counts[0] += photos - counts.sum()
    return [f"{person:07d}/{number:03d}.jpg" for person, count in enumerate(counts) for number in range(count)]


def write_set(folder: Path, photos: int, people: int) -> Path:
    """The lists in a folder, and a zip with them and the photos."""
    entries = _entries(photos, people)
    rng = np.random.default_rng(1)
    by_person: dict[str, list[str]] = {}
    for entry in entries:
        person, file = entry.split("/")
        by_person.setdefault(person, []).append(file)
    points = rng.uniform(0, 1, (len(entries), 10))
    shuffled = [entries[row] for row in rng.permutation(len(entries))]
    texts = {
        "dataset.json": json.dumps({"frame": {"name": "loose", "eye_distance": 22, "eye_line": 58}, "image_size": 128}),
        "train/masked-files.txt": "\n".join(shuffled),
        "train/real-files.txt": "\n".join(reversed(shuffled)),
        "train/reference-files.txt": "\n".join(f"{person}:{','.join(files)}" for person, files in by_person.items()),
        "train/near-duplicates.txt": "\n".join(f"{entry}:000.jpg" for entry in entries[5::50]),
        "train/landmarks.txt": "\n".join(
            f"{entry}:{','.join(f'{value:.4f}' for value in row)}" for entry, row in zip(entries, points, strict=True)
        ),
    }
    path = folder / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
        for role in ROLES:
            for entry in entries:
                archive.writestr(zipfile.ZipInfo(f"train/{role}/{entry}"), b"x")
    return path


OPENED = """
import sys, time
from pathlib import Path
from twoface_pl.data.triples import Triples, TripleOptions
from twoface_pl.data.source import open_source
from twoface_pl.masks import build_mask_policy
import numpy as np, os

def held(process="self"):
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    figures = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    return (figures["Private_Clean"] + figures["Private_Dirty"]) / 1e3, figures["Anonymous"] / 1e3

path, mask = Path(sys.argv[1]), {"name": sys.argv[2]}
policy = build_mask_policy(mask)
options = TripleOptions(128, 0, training=True)
before = held()[1]
begun = time.perf_counter()
source = open_source(path, zip_in_memory=False)
of_zip = time.perf_counter() - begun
triples = Triples(source, "train", policy, options)
took = time.perf_counter() - begun
after = held()[1]

rng = np.random.default_rng(0)
def draw(position):
    triples._training_references(position, rng)
    triples.source.read("train/masked/" + triples.targets[position])

positions = rng.integers(len(triples), size=3000)
draw(0)
begun = time.perf_counter()
for position in positions:
    draw(int(position))
drawing = (time.perf_counter() - begun) / len(positions)

read, write = os.pipe()
child = os.fork()
if not child:
    begun_private = held()[0]
    for position in positions:
        draw(int(position))
    os.write(write, f"{held()[0] - begun_private:.1f}".encode())
    os._exit(0)
os.waitpid(child, 0)
worker = float(os.read(read, 100))
print(f"{len(triples)} {of_zip:.2f} {took:.2f} {after - before:.1f} {drawing * 1e6:.1f} {worker:.1f}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("--people", type=int, default=PEOPLE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        sizes = {(options.photos, options.people), (options.photos // 10, options.people // 10)}
        for photos, people in sorted(sizes):
            place = Path(folder, str(photos))
            place.mkdir()
            path = write_set(place, photos, people)
            print(f"{photos} photos, {people} people: a zip of {path.stat().st_size / 1e6:.0f} MB, mapped", flush=True)
            for mask in ("center", "face_parts"):
                for _ in range(3):
                    done = subprocess.run(
                        [sys.executable, "-c", OPENED, path, mask], capture_output=True, text=True, check=True,
                        env={**os.environ, "OMP_NUM_THREADS": "1"},
                    )  # fmt: skip
                usable, of_zip, took, memory, drawing, worker = done.stdout.split()
                with_landmarks = "with landmarks" if mask == "face_parts" else "no landmarks"
                print(
                    f"  {with_landmarks:14}: {usable} usable, opened in {took} s "
                    f"(of which the zip {of_zip}), {memory} MB; "
                    f"{drawing} us to draw and read; a worker adds {worker} MB",
                    flush=True,
                )
        print(f"in all {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
