"""A training whose data break under it goes on and counts; an evaluation says which photo it is."""

import logging
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import HOLE, SIZE, tiny_data, tiny_module, tiny_options

from twoface_pl.data.decoded import Decoded
from twoface_pl.data.source import FolderSource
from twoface_pl.data.triples import TripleOptions, Triples
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.evaluate import evaluate
from twoface_pl.evaluation.evaluator import EvaluateOptions
from twoface_pl.faces.image import write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.masks import CenterSquare
from twoface_pl.networks.checkpoint import load_generator
from twoface_pl.training.train import train


@pytest.fixture
def damaged(prepared: Path, tmp_path: Path) -> Path:
    """The prepared set with every fifth photo broken, in each split, after its index was made."""
    root = tmp_path / "set"
    shutil.copytree(prepared, root)
    for split in ("train", "validation", "test"):
        for number, photo in enumerate(sorted((root / split / "masked").rglob("*.jpg"))):
            if number % 5 == 2:
                photo.write_bytes(photo.read_bytes()[:100])
    return root


@pytest.mark.parametrize("workers", [0, 2])
def test_training_goes_on_past_broken_photos_and_counts_them(
    workers: int, damaged: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tiny_data(damaged, workers)
    length = len(data.train_triples)
    with caplog.at_level(logging.WARNING):
        result = train(tiny_module(), data, tiny_options(tmp_path / "run", max_batches=length // 4, validate_every=5))
    assert result.batches == length // 4
    # one epoch: each broken target was met, one of them perhaps in the part that fills no batch
    expected = sum(number % 5 == 2 for number in range(length))
    assert expected - 1 <= result.broken_photos <= 2 * expected
    assert "cannot be read, named above; others took their places" in caplog.text
    if workers == 0:
        assert "left out, another photo takes its place: " in caplog.text


def _options(**changes) -> TripleOptions:
    return TripleOptions(**{"image_size": SIZE, "seed": 0, "training": True, "skip_broken": True, **changes})


def test_photos_decoded_once_give_the_same_samples(damaged: Path, prepared: Path) -> None:
    each, once = (
        Triples(FolderSource(damaged), "train", CenterSquare(HOLE), _options(decoded=decoded, references=2))
        for decoded in (False, True)
    )
    before = once._decoded._pixels.copy()
    broken = 0
    for position in range(len(each)):
        first, second = each[1, position], once[1, position]
        assert first.keys() == second.keys()
        assert all(torch.equal(torch.as_tensor(first[key]), torch.as_tensor(second[key])) for key in first)
        broken += second["broken"]
    assert broken
    assert np.array_equal(once._decoded._pixels, before)
    whole = Decoded(FolderSource(prepared), "train", SIZE)
    assert len(whole) == len({path.read_bytes() for path in (prepared / "train").rglob("*.jpg")})
    assert whole.find("train/masked/nobody/0.jpg") is None
    assert len(Decoded(FolderSource(prepared), "train", SIZE + 1)) == 0  # of another size: said when they are asked for


def test_which_photo_takes_the_place_is_always_the_same(damaged: Path) -> None:
    first, second = (Triples(FolderSource(damaged), "train", CenterSquare(HOLE), _options()) for _ in range(2))
    counts = []
    for position in range(len(first)):
        one, two = first[(0, position)], second[(0, position)]
        assert all(np.array_equal(one[key], two[key]) for key in one)  # type: ignore[literal-required]
        counts.append(one["broken"])
    assert set(counts) >= {0, 1}


def test_an_evaluation_names_the_broken_photo(damaged: Path, checkpoint: Path) -> None:
    options = EvaluateOptions(damaged, "test", None, 4, 0, 0, "cpu")
    with pytest.raises(TwoFaceError, match=r"test/masked/.*\.jpg: (broken|not a) picture"):
        evaluate(load_generator(checkpoint), options, None)


def test_where_all_are_broken_training_ends(damaged: Path) -> None:
    for photo in (damaged / "train" / "reference").rglob("*.jpg"):
        photo.write_bytes(b"broken")
    triples = Triples(FolderSource(damaged), "train", CenterSquare(HOLE), _options())
    with pytest.raises(TwoFaceError, match="20 broken photos in a row; prepare it again"):
        triples[(0, 0)]


def test_a_photo_of_another_size_is_no_broken_one(damaged: Path) -> None:
    for photo in (damaged / "train" / "masked").rglob("*.jpg"):
        write_image(photo, synthetic_photo(1, 0, 48))
    triples = Triples(FolderSource(damaged), "train", CenterSquare(HOLE), _options())
    with pytest.raises(TwoFaceError, match=f"48x48, not {SIZE}x{SIZE}"):
        triples[(0, 0)]


def test_a_full_disk_at_repair_time(model: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "photo.png", synthetic_photo(1, 0, 200))
    command = [
        sys.executable, "-m", "twoface_pl", "inpaint", "--model", str(model), "--image", "photo.png",
        "--reference", "photo.png", "--output", "out/filled.png",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "filled.png: cannot be written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
