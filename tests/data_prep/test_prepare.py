"""Preparing: photos of people to the 2018 layout."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SIZE, prepare_options, split_rule

from twoface_pl.data.index import INDEX_FILES, ROLES, SPLITS, read_frame, read_index, split_name
from twoface_pl.data.source import FolderSource
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.split import SplitRule, classic2018_roles, every_role
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.synthetic import synthetic_photo, write_synthetic_photos


def _prepare(photos: Path, root: Path, split: str | SplitRule = "few_photos", **options):
    return prepare(prepare_options(photos, root, split, **options))


def _reasons(result) -> dict[str, str]:
    return {reject.path: reject.reason for reject in result.rejects}


def test_the_2018_rule_shares_out_forty_forty_and_the_rest() -> None:
    roles = classic2018_roles([f"{number}.jpg" for number in range(11)])
    assert [len(roles[role]) for role in ROLES] == [4, 4, 3]
    assert sum(map(len, roles.values())) == len({name for names in roles.values() for name in names})
    assert not any(classic2018_roles(["a.jpg", "b.jpg"]).values())
    assert all(len(names) == 2 for names in every_role(["a.jpg", "b.jpg"]).values())


def test_people_are_shared_out_by_their_names() -> None:
    splits = [split_rule().splitting.split_of(f"person {number}") for number in range(300)]
    assert [splits.count(split) / 300 for split in SPLITS] == pytest.approx([0.6, 0.2, 0.2], abs=0.08)
    other = split_rule(seed=1).splitting
    assert splits != [other.split_of(f"person {number}") for number in range(300)]


def test_adding_people_moves_nobody(photos: Path, prepared: Path, tmp_path: Path) -> None:
    for person in sorted(photos.iterdir())[3:]:
        if person.is_dir():
            shutil.copytree(person, tmp_path / "photos" / person.name)
    _prepare(tmp_path / "photos", tmp_path / "set")
    for split in SPLITS:
        fewer = set(read_index(FolderSource(tmp_path / "set"), split).references)
        assert fewer <= set(read_index(FolderSource(prepared), split).references)


def test_prepare_makes_the_2018_layout(prepared: Path) -> None:
    people: dict[str, set[str]] = {}
    for split in SPLITS:
        index = read_index(FolderSource(prepared), split)
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
    entries = read_index(FolderSource(prepared), "train").masked
    assert sorted(entries) != list(entries)  # shuffled
    assert read_frame(FolderSource(prepared)).name == "none"
    assert "rejects" not in (prepared / "report.html").read_text()  # there are none


def test_prepare_makes_the_same_bytes_again(photos: Path, prepared: Path, tmp_path: Path) -> None:
    _prepare(photos, tmp_path / "again")
    first = {path.relative_to(prepared): path.read_bytes() for path in prepared.rglob("*") if path.is_file()}
    again = tmp_path / "again"
    assert first == {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}


def _messy_source(root: Path) -> None:
    people = (("good", 3), ("also, good: yes", 3), ("single", 1), ("empty", 0), ("broken", 2))
    for person, (name, count) in enumerate(people, 1):
        (root / name).mkdir(parents=True)
        for number in range(count):
            write_image(root / name / f"{number}.png", synthetic_photo(person, number, 80))
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
    result = _prepare(source, root, split_rule("few_photos", 0.0, 0.0, seed=0))
    assert before == {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    assert 'href="rejects.csv"' in (root / "report.html").read_text()
    with (root / "rejects.csv").open() as stream:
        rejects = {row["path"].removeprefix("photos/"): row["reason"] for row in csv.DictReader(stream)}
    assert "too small" in rejects["good/tiny.png"]
    assert "not a picture" in rejects["broken/0.png"]
    assert rejects["single"] == "1 usable photo; a person needs at least 2"
    assert rejects["empty"].startswith("no usable photo")
    assert "not a photo format" in rejects["good/clip.mp4"]
    assert result.people == {"train": 2}
    index = read_index(FolderSource(root), "train")
    assert set(index.references) == {"good", "also_ good_ yes"}
    assert len(index.references["good"]) == 4


def test_the_2018_split_says_what_people_with_two_photos_get(photos: Path, tmp_path: Path) -> None:
    person = next(photos.iterdir())
    for name, count in (("two", 2), ("many", 4)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for path in sorted(person.iterdir())[:count]:
            shutil.copy(path, tmp_path / "photos" / name)
    result = _prepare(tmp_path / "photos", tmp_path / "set", split_rule("classic2018", 0, 0, 0))
    assert _reasons(result)["photos/two"] == "2 photos are too few for split classic2018; try split=few_photos"


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
    with pytest.raises(TwoFaceError, match="lie in each other"):
        _prepare(photos, photos, force=True)
    with pytest.raises(TwoFaceError, match="no person is left"):
        _prepare(photos, tmp_path / "set", min_photos=99)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]  # known before anything was looked at
    assert len(list(photos.rglob("*.png"))) == 96


def test_force_replaces_a_prepared_set(photos: Path, tmp_path: Path) -> None:
    _prepare(photos, tmp_path / "set")
    _prepare(photos, tmp_path / "set", split_rule("few_photos", 0, 0, 0), force=True)
    assert not (tmp_path / "set" / "test").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.work"]


@pytest.mark.parametrize("name", [b"caf\xe9", "a\u2028b".encode(), b"a\x0cb", "Zoë 王".encode()])
def test_names_of_any_kind(name: bytes, tmp_path: Path) -> None:
    import os

    source = tmp_path / "photos"
    for whose, person in enumerate((name, b"other", b"third")):
        folder = Path(os.fsdecode(os.fsencode(source) + b"/" + person))
        for number in range(2):
            write_image(folder / os.fsdecode(person + b"%d.png" % number), synthetic_photo(whose, number, SIZE))
        (folder / os.fsdecode(person + b".txt")).write_bytes(b"x")
    result = _prepare(source, tmp_path / "set", split_rule("few_photos", 0, 0, 0))
    assert len(read_index(FolderSource(tmp_path / "set"), "train").masked) == 6
    assert len(result.rejects) == 3
    assert "not a photo format that is read" in (tmp_path / "set" / "rejects.csv").read_text("utf-8")


def test_too_few_in_validation_is_an_error_that_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match=r"of 24 people 0 fell into validation.*raise split\.validation"):
        _prepare(photos, tmp_path / "new" / "set", split_rule("few_photos", 0.001, 0.1, seed=0))
    assert not (tmp_path / "new").exists()  # known before anything was looked at
    with pytest.raises(TwoFaceError, match=r"split\.validation=0\.7 and split\.test=0\.5 are 1\.2 together, over 1"):
        split_rule("few_photos", 0.7, 0.5)
    for person in sorted(photos.glob("person_*"))[:3]:
        shutil.copytree(person, tmp_path / "family" / person.name)
    with pytest.raises(TwoFaceError, match=r"of 3 people .* raise split\.validation .* split=own_photos has all"):
        _prepare(tmp_path / "family", tmp_path / "new" / "set", split_rule("few_photos", 0.001, 0.1, seed=0))


def test_faces_are_never_drawn_among_photos(tmp_path: Path) -> None:
    write_synthetic_photos(tmp_path / "drawn", people=3, photos=2, size=32)
    write_synthetic_photos(tmp_path / "drawn", people=1, photos=2, size=32)
    assert len(list((tmp_path / "drawn").glob("person_*"))) == 1
    (tmp_path / "mine" / "me").mkdir(parents=True)
    with pytest.raises(TwoFaceError, match="not drawn here"):
        write_synthetic_photos(tmp_path / "mine", people=1, photos=1, size=32)
