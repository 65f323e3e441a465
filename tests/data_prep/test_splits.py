"""Splits: folds and lists."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import prepare_options

from twoface_pl.data.index import SPLITS, read_index
from twoface_pl.data.source import FolderSource
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.split import SplitRule
from twoface_pl.errors import TwoFaceError


def test_k_folds_share_everybody_out_once() -> None:
    rules = [
        SplitRule.build({"name": "kfold", "folds": 4, "fold": fold, "validation": 0.2, "seed": 0}) for fold in range(4)
    ]
    people = [f"person {number}" for number in range(400)]
    tests = [{person for person in people if rule.splitting.split_of(person) == "test"} for rule in rules]
    assert set().union(*tests) == set(people)
    assert sum(map(len, tests)) == 400
    assert all(70 < len(test) < 130 for test in tests)
    rest = [person for person in people if person not in tests[0]]
    share = sum(rules[0].splitting.split_of(person) == "validation" for person in rest) / len(rest)
    assert share == pytest.approx(0.2, abs=0.07)


def test_lists_say_who_goes_where(photos: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in photos.iterdir() if path.is_dir())
    for split, members in (("train", names[:8]), ("validation", names[8:11]), ("test", names[11:13])):
        (tmp_path / f"{split}.txt").write_text("\n".join(members) + "\n\n")
    lists = {split: str(tmp_path / f"{split}.txt") for split in SPLITS}
    result = prepare(prepare_options(photos, tmp_path / "set", SplitRule.build({"name": "lists", **lists})))
    assert result.people == {"train": 8, "validation": 3, "test": 2}
    assert set(read_index(FolderSource(tmp_path / "set"), "test").references) == set(names[11:13])
    assert sum(reject.kind == "not listed" for reject in result.rejects) == (24 - 13) * 5  # people and their photos
    rest = SplitRule.build({"name": "lists", **lists, "rest": "train"})
    assert rest.splitting.split_of("a stranger") == "train"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "random"}, "not known; there are: classic2018, few_photos, kfold, lists, own_photos"),
        ({"name": "kfold", "folds": 1, "fold": 0, "validation": 0, "seed": 0}, "folds=1"),
        ({"name": "kfold", "folds": 3, "fold": 3, "validation": 0, "seed": 0}, "fold=3 is not one of 0 to 2"),
        ({"name": "few_photos", "validation": 1.5, "test": 0, "seed": 0}, "validation=1.5 is not a share"),
        ({"name": "few_photos", "share": 1}, "share"),
        ({"name": "lists"}, "give split.train"),
        ({"name": "lists", "train": "nowhere.txt"}, "nowhere.txt: cannot be read"),
        ({"name": "lists", "train": "x", "rest": "bin"}, "rest=bin"),
    ],
)
def test_splits_that_make_no_sense(options: dict, says: str) -> None:
    with pytest.raises(TwoFaceError, match=says):
        SplitRule.build(options)


def test_own_photos_are_shared_out_among_the_splits() -> None:
    rule = SplitRule.build({"name": "own_photos", "validation": 0.1, "test": 0.2, "seed": 0})
    photos = [f"{number}.jpg" for number in range(10)]
    places = rule.places("me", photos, {})
    counts = {split: len(roles["masked"]) for split, roles in places.items()}
    assert counts == {"train": 7, "validation": 1, "test": 2}
    assert sorted(photo for roles in places.values() for photo in roles["masked"]) == photos
    for roles in places.values():  # the references are what was trained on
        assert roles["reference"] == places["train"]["masked"]
    # A moment's photos stay together, also where the first and the last of it are not too alike.
    chains = {
        "0.jpg": ["1.jpg"],
        "1.jpg": ["0.jpg", "2.jpg"],
        "2.jpg": ["1.jpg"],
        "8.jpg": ["9.jpg"],
        "9.jpg": ["8.jpg"],
    }
    for seed in range(8):
        rule = SplitRule.build({"name": "own_photos", "validation": 0.3, "test": 0.3, "seed": seed})
        for roles in rule.places("me", photos, chains).values():
            for moment in ({"0.jpg", "1.jpg", "2.jpg"}, {"8.jpg", "9.jpg"}):
                assert len(moment & set(roles["masked"])) in (0, len(moment))
    everything = {photo: [other for other in photos if other != photo] for photo in photos}
    assert not rule.places("me", photos, everything)  # one moment
    assert not rule.places("me", photos[:3], {})  # one would be left to train on


def test_own_photos_of_one_person(photos: Path, tmp_path: Path) -> None:
    person = min(path for path in photos.iterdir() if path.is_dir())
    shutil.copytree(person, tmp_path / "photos" / person.name)
    rule = SplitRule.build({"name": "own_photos", "validation": 0.1, "test": 0.2, "seed": 0})
    result = prepare(prepare_options(tmp_path / "photos", tmp_path / "set", rule))
    assert result.people == {"train": 1, "validation": 1, "test": 1}
    assert result.photos == {"train": 2, "validation": 1, "test": 1}
    report = json.loads((tmp_path / "set" / "report.json").read_text())
    assert (report["people_used"], report["people_by_photos"]) == (1, {"4": 1})
    assert read_index(FolderSource(tmp_path / "set"), "test").references.keys() == {person.name}
    (next((tmp_path / "photos" / person.name).iterdir())).unlink()
    with pytest.raises(TwoFaceError, match="3 photos of too few moments"):
        prepare(prepare_options(tmp_path / "photos", tmp_path / "few", rule))


def test_somebody_in_two_lists(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\ny\n")
    path = str(tmp_path / "a.txt")
    with pytest.raises(TwoFaceError, match="'x' is in the lists of train and of test"):
        SplitRule.build({"name": "lists", "train": path, "test": path})
