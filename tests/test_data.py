"""Preparing, the 2018 layout and its index, triples."""

import csv
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SIZE
from torch.utils.data import DataLoader

from twoface_pl.data.index import INDEX_FILES, ROLES, SPLITS, SplitIndex, read_frame, read_index, split_name
from twoface_pl.data.samplers import EvaluationKeys, TrainingBatches
from twoface_pl.data.synthetic import synthetic_photo, write_synthetic_photos
from twoface_pl.data.triples import Triples, next_reference
from twoface_pl.data_prep.prepare import PrepareOptions, prepare
from twoface_pl.data_prep.split import SplitOptions, classic2018_roles, few_photos_roles, split_of
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.masks import CenterSquare

FEW = SplitOptions("few_photos", 0.2, 0.2, seed=0)
CLASSIC = SplitOptions("classic2018", 0.2, 0.2, seed=0)


def _prepare(photos: Path, root: Path, split: SplitOptions = FEW, **options):
    return prepare(PrepareOptions(photos, root, SIZE, split, **options))


def _triples(root: Path, split: str = "train", training: bool = True) -> Triples:
    return Triples(root, split, SIZE, CenterSquare(16), seed=0, training=training)


def test_the_2018_rule_shares_out_forty_forty_and_the_rest() -> None:
    roles = classic2018_roles([f"{number}.jpg" for number in range(11)])
    assert [len(roles[role]) for role in ROLES] == [4, 4, 3]
    assert sum(map(len, roles.values())) == len({name for names in roles.values() for name in names})
    assert not any(classic2018_roles(["a.jpg", "b.jpg"]).values())
    assert all(len(names) == 2 for names in few_photos_roles(["a.jpg", "b.jpg"]).values())


def test_people_are_shared_out_by_their_names() -> None:
    splits = [split_of(f"person {number}", FEW) for number in range(300)]
    assert [splits.count(split) / 300 for split in SPLITS] == pytest.approx([0.6, 0.2, 0.2], abs=0.08)
    other = SplitOptions("few_photos", 0.2, 0.2, seed=1)
    assert splits != [split_of(f"person {number}", other) for number in range(300)]


def test_adding_people_moves_nobody(photos: Path, prepared: Path, tmp_path: Path) -> None:
    for person in sorted(photos.iterdir())[3:]:
        if person.is_dir():
            shutil.copytree(person, tmp_path / "photos" / person.name)
    _prepare(tmp_path / "photos", tmp_path / "set")
    for split in SPLITS:
        fewer = set(read_index(tmp_path / "set", split).references)
        assert fewer <= set(read_index(prepared, split).references)


def test_prepare_makes_the_2018_layout(prepared: Path) -> None:
    people: dict[str, set[str]] = {}
    for split in SPLITS:
        index = read_index(prepared, split)
        assert index == read_index(prepared, split)
        people[split] = {split_name(entry)[0] for entry in index.masked}
        assert set(index.references) == people[split]
        for role in ROLES:
            assert (prepared / split / INDEX_FILES[role]).is_file()
            for photo in (prepared / split / role).rglob("*.jpg"):
                assert decode_image(photo).shape == (SIZE, SIZE, 3)
    assert not people["train"] & people["test"]
    assert not people["train"] & people["validation"]
    assert sum(map(len, people.values())) == 24
    for name in INDEX_FILES.values():
        assert (prepared / name).read_bytes() == (prepared / "train" / name).read_bytes()
    entries = read_index(prepared, "train").masked
    assert sorted(entries) != list(entries)  # shuffled
    assert read_frame(prepared) == "square"


def test_prepare_makes_the_same_bytes_again(photos: Path, prepared: Path, tmp_path: Path) -> None:
    _prepare(photos, tmp_path / "again")
    first = {path.relative_to(prepared): path.read_bytes() for path in prepared.rglob("*") if path.is_file()}
    again = tmp_path / "again"
    assert first == {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}


@pytest.mark.parametrize("split", [FEW, CLASSIC])
def test_a_photo_is_never_its_own_reference(split: SplitOptions, photos: Path, tmp_path: Path) -> None:
    _prepare(photos, tmp_path / "set", split)
    triples = _triples(tmp_path / "set")
    assert len(triples) > 0
    for epoch in range(3):
        for position in range(len(triples)):
            triple = triples[(epoch, position)]
            assert not np.array_equal(triple["photo"], triple["reference"])


def _messy_source(root: Path) -> None:
    for name, count in (("good", 3), ("also, good: yes", 3), ("single", 1), ("empty", 0), ("broken", 2)):
        (root / name).mkdir(parents=True)
        for number in range(count):
            write_image(root / name / f"{number}.png", synthetic_photo(1, number, 80))
    for number in range(2):
        (root / "broken" / f"{number}.png").write_bytes(b"no picture")
    write_image(root / "good" / "tiny.png", np.zeros((8, 8, 3), np.uint8))
    write_image(root / "good" / "0.jpg", synthetic_photo(1, 9, 80))  # the same stem as 0.png
    (root / "notes.txt").write_text("not a person")
    (root / "good" / "clip.mp4").write_bytes(b"x")


def test_every_reject_has_its_reason_and_the_source_is_untouched(tmp_path: Path) -> None:
    source, root = tmp_path / "photos", tmp_path / "set"
    _messy_source(source)
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    result = _prepare(source, root, SplitOptions("few_photos", 0.0, 0.0, seed=0))
    assert before == {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    with (root / "rejects.csv").open() as stream:
        rejects = {row["path"]: row["reason"] for row in csv.DictReader(stream)}
    assert "too small" in rejects["good/tiny.png"]
    assert "not a picture" in rejects["broken/0.png"]
    assert rejects["single"] == "1 usable photo; a person needs at least 2"
    assert rejects["empty"].startswith("no usable photo")
    assert "not a photo format" in rejects["good/clip.mp4"]
    assert result.people == {"train": 2}
    index = read_index(root, "train")
    assert set(index.references) == {"good", "also_ good_ yes"}
    assert len(index.references["good"]) == 4


def test_the_2018_split_says_what_people_with_two_photos_get(photos: Path, tmp_path: Path) -> None:
    person = next(photos.iterdir())
    for name, count in (("two", 2), ("many", 4)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for path in sorted(person.iterdir())[:count]:
            shutil.copy(path, tmp_path / "photos" / name)
    result = _prepare(tmp_path / "photos", tmp_path / "set", SplitOptions("classic2018", 0, 0, 0))
    assert result.rejects == [("two", "split classic2018 gives a person with 2 photos nothing; try split=few_photos")]


def test_bad_sources_and_targets(photos: Path, prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, root, says in (
        (tmp_path / "nowhere", tmp_path / "set", "no folder .*nowhere"),
        (tmp_path / "empty", tmp_path / "set", "holds no folders"),
        (photos, prepared, "exists and is kept; set force=true"),
    ):
        with pytest.raises(TwoFaceError, match=says):
            _prepare(source, root)
    with pytest.raises(TwoFaceError, match="not a prepared data set"):
        _prepare(photos, tmp_path / "empty", force=True)
    with pytest.raises(TwoFaceError, match="would replace the photos"):
        _prepare(photos, photos, force=True)
    with pytest.raises(TwoFaceError, match="no person is left"):
        _prepare(photos, tmp_path / "set", min_photos=99)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]
    assert len(list(photos.rglob("*.png"))) == 96


def test_force_replaces_a_prepared_set(photos: Path, tmp_path: Path) -> None:
    _prepare(photos, tmp_path / "set")
    _prepare(photos, tmp_path / "set", SplitOptions("few_photos", 0, 0, 0), force=True)
    assert not (tmp_path / "set" / "test").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_the_index_comes_from_the_split_then_the_root_then_the_folders(prepared: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(prepared, root)
    indexed = {split: read_index(root, split) for split in ("train", "validation")}
    for split in ("train", "validation"):
        for name in INDEX_FILES.values():
            (root / split / name).unlink()
    assert read_index(root, "train") == indexed["train"]  # from the root
    scanned = read_index(root, "validation")  # the root's index is another split's
    assert sorted(scanned.masked) == sorted(indexed["validation"].masked)
    assert scanned.references == indexed["validation"].references


@pytest.mark.parametrize(
    ("file", "line", "says"),
    [
        ("masked-files.txt", "nobody/0.jpg", r"names 1 files that are not there.*nobody"),
        ("masked-files.txt", "no slash", "line 1: 'no slash' is not identity/file"),
        ("real-files.txt", "../../secret.jpg", "is not identity/file"),
        ("reference-files.txt", "no colon", "is not identity:file,file"),
        ("masked-files.txt", "", "each must be at least 1"),
    ],
)
def test_bad_indexes_are_refused_by_line(file: str, line: str, says: str, prepared: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(prepared, root)
    (root / "test" / file).write_text(f"{line}\n")
    with pytest.raises(TwoFaceError, match=says):
        read_index(root, "test")


def test_bad_roots(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match="twoface prepare"):
        read_index(tmp_path / "nowhere", "train")
    shutil.copytree(prepared, tmp_path / "set")
    (tmp_path / "set" / "test" / INDEX_FILES["real"]).unlink()
    with pytest.raises(TwoFaceError, match=r"real-files\.txt is missing"):
        read_index(tmp_path / "set", "test")
    with pytest.raises(TwoFaceError, match="not 128x128; set image_size"):
        Triples(prepared, "train", 128, CenterSquare(32), 0, training=True)[(0, 0)]


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
    with pytest.raises(TwoFaceError, match="at least two people"):
        _triples(tmp_path, "test", training=False)


def test_the_2018_split_takes_its_references_in_turn() -> None:
    index = SplitIndex(("a/1.jpg", "a/2.jpg"), ("a/3.jpg",), {"a": ("4.jpg", "5.jpg")})
    assert [next_reference(index, "a", target, place) for place, target in enumerate(("1.jpg", "2.jpg"))] == [
        "4.jpg",
        "5.jpg",
    ]
    shared = SplitIndex(("b/1.jpg", "b/2.jpg"), ("b/1.jpg",), {"b": ("1.jpg", "2.jpg")})
    assert next_reference(shared, "b", "1.jpg") == "2.jpg"
    assert next_reference(shared, "b", "2.jpg") == "1.jpg"


@pytest.mark.parametrize("name", [b"caf\xe9", "a\u2028b".encode(), b"a\x0cb", "Zoë 王".encode()])
def test_names_of_any_kind(name: bytes, tmp_path: Path) -> None:
    import os

    source = tmp_path / "photos"
    for person in (name, b"other", b"third"):
        folder = Path(os.fsdecode(os.fsencode(source) + b"/" + person))
        for number in range(2):
            write_image(folder / os.fsdecode(person + b"%d.png" % number), synthetic_photo(1, number, SIZE))
        (folder / os.fsdecode(person + b".heic")).write_bytes(b"x")
    result = _prepare(source, tmp_path / "set", SplitOptions("few_photos", 0, 0, 0))
    assert len(_triples(tmp_path / "set")) == 6
    assert len(result.rejects) == 3
    assert "not a photo format that is read" in (tmp_path / "set" / "rejects.csv").read_text("utf-8")


def test_too_few_in_validation_is_an_error_that_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match=r"of 24 people 0 fell into validation.*raise split\.validation"):
        _prepare(photos, tmp_path / "new" / "set", SplitOptions("few_photos", 0.001, 0.1, seed=0))
    assert not list(tmp_path.iterdir())


def test_faces_are_never_drawn_among_photos(tmp_path: Path) -> None:
    write_synthetic_photos(tmp_path / "drawn", people=3, photos=2, size=32)
    write_synthetic_photos(tmp_path / "drawn", people=1, photos=2, size=32)
    assert len(list((tmp_path / "drawn").glob("person_*"))) == 1
    (tmp_path / "mine" / "me").mkdir(parents=True)
    with pytest.raises(TwoFaceError, match="not drawn here"):
        write_synthetic_photos(tmp_path / "mine", people=1, photos=1, size=32)


def test_a_batch_is_a_function_of_seed_and_number(prepared: Path) -> None:
    triples = _triples(prepared)
    count = 2 * (len(triples) // 8) + 1  # into the third epoch

    def batches(workers: int, start: int = 0) -> list[np.ndarray]:
        sampler = TrainingBatches(len(triples), 8, seed=0, start=start)
        loader = iter(DataLoader(triples, batch_sampler=sampler, num_workers=workers))
        drawn = [next(loader) for _ in range(count - start)]
        return [np.concatenate([batch[key].numpy() for key in ("photo", "reference", "real")]) for batch in drawn]

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
    assert np.array_equal(triple["reference"], expected)
    own = [decode_image(path) for path in (prepared / "test" / "reference" / identity).iterdir()]
    assert not any(np.array_equal(triple["wrong_reference"], photo) for photo in own)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_processes_share_an_epoch(ranks: int) -> None:
    shares = [TrainingBatches(13, 2, 0, rank=rank, ranks=ranks) for rank in range(ranks)]
    epoch = [list(itertools.islice(share, shares[0].batches_of_epoch)) for share in shares]
    drawn = [index for share in epoch for batch in share for _, index in batch]
    assert len(drawn) == len(set(drawn)) == 13 // (2 * ranks) * 2 * ranks
    keys = [list(EvaluationKeys(10, rank, ranks)) for rank in range(ranks)]
    assert len({len(share) for share in keys}) == 1
    assert {index for share in keys for _, index in share} == set(range(10))
