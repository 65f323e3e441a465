"""The index, triples and samplers."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SIZE, prepare_options
from torch.utils.data import DataLoader

from twoface_pl.data.index import INDEX_FILES, ROLES, SplitIndex, read_index, split_name
from twoface_pl.data.references import next_reference
from twoface_pl.data.samplers import EvaluationKeys, TrainingBatches
from twoface_pl.data.source import FolderSource
from twoface_pl.data.triples import TripleOptions, Triples
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.masks import CenterSquare


def _triples(root: Path, split: str = "train", training: bool = True) -> Triples:
    return Triples(FolderSource(root), split, CenterSquare(16), TripleOptions(SIZE, seed=0, training=training))


def test_the_index_comes_from_the_split_then_the_root_then_the_folders(prepared: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(prepared, root)
    indexed = {split: read_index(FolderSource(root), split) for split in ("train", "validation")}
    for split in ("train", "validation"):
        for name in INDEX_FILES.values():
            (root / split / name).unlink()
    assert read_index(FolderSource(root), "train") == indexed["train"]  # from the root
    scanned = read_index(FolderSource(root), "validation")  # the root's index is another split's
    assert sorted(scanned.masked) == sorted(indexed["validation"].masked)
    assert scanned.references == indexed["validation"].references


@pytest.mark.parametrize(
    ("file", "line", "says"),
    [
        ("masked-files.txt", "nobody/0.jpg", r"names 1 files that are not there.*nobody"),
        ("masked-files.txt", "no slash", "line 1: 'no slash' is not identity/file"),
        ("real-files.txt", "../../secret.jpg", "is not identity/file"),
        ("real-files.txt", "a/..\\..\\secret.jpg", "is not identity/file"),
        ("reference-files.txt", "no colon", "is not identity:file,file"),
        ("masked-files.txt", "", "each must be at least 1"),
    ],
)
def test_bad_indexes_are_refused_by_line(file: str, line: str, says: str, prepared: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(prepared, root)
    (root / "test" / file).write_text(f"{line}\n")
    with pytest.raises(TwoFaceError, match=says):
        read_index(FolderSource(root), "test")


def test_bad_roots(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match="twoface prepare"):
        read_index(FolderSource(tmp_path / "nowhere"), "train")
    shutil.copytree(prepared, tmp_path / "set")
    (tmp_path / "set" / "test" / INDEX_FILES["real"]).unlink()
    with pytest.raises(TwoFaceError, match=r"real-files\.txt is missing"):
        read_index(FolderSource(tmp_path / "set"), "test")
    with pytest.raises(TwoFaceError, match="not 128x128; set image_size"):
        Triples(FolderSource(prepared), "train", CenterSquare(32), TripleOptions(128, 0, training=True))[(0, 0)]


def _write_people(folder: Path, counts: dict[str, int]) -> None:
    for identity, count in counts.items():
        for role in ROLES:
            for number in range(count):
                write_image(folder / role / identity / f"{number}.jpg", synthetic_photo(len(identity), number, SIZE))


def test_people_with_a_single_photo_cannot_be_trained_on(tmp_path: Path) -> None:
    _write_people(tmp_path / "train", {"alone": 1, "two": 2})
    assert {split_name(target)[0] for target in _triples(tmp_path).targets} == {"two"}
    shutil.rmtree(tmp_path / "train" / "masked" / "two")
    with pytest.raises(TwoFaceError, match="no photo has a reference other than itself"):
        _triples(tmp_path)


def test_a_wrong_reference_needs_two_people(tmp_path: Path) -> None:
    _write_people(tmp_path / "test", {"two": 2})
    assert "wrong_references" not in _triples(tmp_path, "test", training=False)[0, 0]
    _write_people(tmp_path / "test", {"other": 2})
    assert "wrong_references" in _triples(tmp_path, "test", training=False)[0, 0]


def test_a_photo_may_be_its_own_reference_at_first(tmp_path: Path) -> None:
    _write_people(tmp_path / "train", {"two": 2, "other": 2})
    options = TripleOptions(SIZE, seed=0, training=True, references=2, itself=1.0, itself_epochs=2)
    triples = Triples(FolderSource(tmp_path), "train", CenterSquare(16), options)

    def share(epoch: int) -> float:
        samples = [triples[epoch, number] for number in range(4)]
        return float(np.mean([np.array_equal(sample["references"][0], sample["photo"]) for sample in samples]))

    assert share(0) == 1
    assert share(2) == share(3) == 0
    shares = [np.random.default_rng((0, 1, number, 0)).random() < 0.5 for number in range(4)]
    assert share(1) == np.mean(shares)


def test_the_2018_split_takes_its_references_in_turn() -> None:
    index = SplitIndex(("a/1.jpg", "a/2.jpg"), ("a/3.jpg",), {"a": ("4.jpg", "5.jpg")})
    assert [next_reference(index, "a", target, place) for place, target in enumerate(("1.jpg", "2.jpg"))] == [
        "4.jpg",
        "5.jpg",
    ]
    shared = SplitIndex(("b/1.jpg", "b/2.jpg"), ("b/1.jpg",), {"b": ("1.jpg", "2.jpg")})
    assert next_reference(shared, "b", "1.jpg") == "2.jpg"
    assert next_reference(shared, "b", "2.jpg") == "1.jpg"


def test_a_batch_is_a_function_of_seed_and_number(prepared: Path) -> None:
    triples = _triples(prepared)
    count = 2 * (len(triples) // 8) + 1  # into the third epoch

    def batches(workers: int, start: int = 0) -> list[np.ndarray]:
        sampler = TrainingBatches(len(triples), 8, seed=0, start=start)
        loader = iter(DataLoader(triples, batch_sampler=sampler, num_workers=workers))
        drawn = [next(loader) for _ in range(count - start)]
        return [
            np.concatenate([batch["photo"].numpy(), batch["references"][:, 0].numpy(), batch["real"].numpy()])
            for batch in drawn
        ]

    alone = batches(0)
    for other in (batches(2), batches(0, start=3)):
        assert all(np.array_equal(one, two) for one, two in zip(reversed(alone), reversed(other), strict=False))
    assert not np.array_equal(alone[0], alone[count // 2])  # the second epoch is another


def test_evaluation_takes_the_next_photo_and_somebody_else(prepared: Path) -> None:
    triples = _triples(prepared, "test", training=False)
    identity, file = split_name(triples.targets[0])
    triple = triples[(0, 0)]
    reference = next_reference(triples.index, identity, file)
    assert triples.positions[triples.targets[0]] in range(4)
    expected = decode_image(prepared / "test" / "reference" / identity / reference)
    assert np.array_equal(triple["references"][0], expected)
    own = [decode_image(path) for path in (prepared / "test" / "reference" / identity).iterdir()]
    assert not any(np.array_equal(triple["wrong_references"][0], photo) for photo in own)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_processes_share_an_epoch(ranks: int) -> None:
    shares = [TrainingBatches(13, 2, 0, rank=rank, ranks=ranks) for rank in range(ranks)]
    epoch = [list(itertools.islice(share, shares[0].batches_of_epoch)) for share in shares]
    drawn = [index for share in epoch for batch in share for _, index in batch]
    assert len(drawn) == len(set(drawn)) == 13 // (2 * ranks) * 2 * ranks
    keys = [list(EvaluationKeys(10, rank, ranks)) for rank in range(ranks)]
    assert len({len(share) for share in keys}) == 1
    assert {index for share in keys for _, index in share} == set(range(10))


@pytest.mark.parametrize("split", ["few_photos", "classic2018"])
def test_a_photo_is_never_its_own_reference(split: str, photos: Path, tmp_path: Path) -> None:
    prepare(prepare_options(photos, tmp_path / "set", split))
    triples = _triples(tmp_path / "set")
    assert len(triples) > 0
    for epoch in range(3):
        for position in range(len(triples)):
            triple = triples[(epoch, position)]
            assert not np.array_equal(triple["photo"], triple["references"][0])
