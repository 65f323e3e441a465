"""Preparing what leaves nothing, or nobody to train on: said as early as it can be known, with a report."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SIZE, evaluate_options, prepare_options, split_rule
from PIL import Image

from twoface_pl.data.index import read_index
from twoface_pl.data.source import FolderSource, open_source
from twoface_pl.data_prep import prepare as steps
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.split import SplitRule
from twoface_pl.data_prep.words import summary
from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.evaluate import evaluate
from twoface_pl.faces.image import write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.networks.checkpoint import load_generator


@pytest.fixture
def portraits(tmp_path: Path) -> Path:
    """Two photos of one moment each, as studios take them."""
    for person in range(8):
        photo = synthetic_photo(person, 0, SIZE)
        for number, brighter in enumerate((0, 4)):
            changed = np.clip(photo.astype(int) + brighter, 0, 255).astype(np.uint8)
            write_image(tmp_path / "photos" / f"p{person}" / f"{number}.png", changed)
    return tmp_path / "photos"


def _lists(**options: str | None) -> SplitRule:
    return SplitRule.build({"name": "lists", "train": None, "validation": None, "test": None, "rest": None, **options})


def test_a_set_that_is_rejected_whole_has_a_report_and_says_what_would_help(portraits: Path, tmp_path: Path) -> None:
    options = prepare_options(portraits, tmp_path / "set", split_rule("few_photos", 0, 0), too_alike=0.7)
    with pytest.raises(TwoFaceError) as caught:
        prepare(options)
    said = str(caught.value)
    assert "no person is left" in said
    assert "8 people: all alike, as photos/p0: 2 photos, all of one moment" in said
    assert "too_alike=0.7 says what is one moment; above 1 any photo may be a reference" in said
    assert "more" not in said.split("\n", 1)[1]
    report = tmp_path / "set.work" / "report"
    assert f"look at {report / 'report.html'}" in said
    assert "all alike" in (report / "report.html").read_text("utf-8")
    assert len((report / "rejects.csv").read_text("utf-8").splitlines()) == 25
    assert not (tmp_path / "set").exists()
    copies = prepare_options(portraits, tmp_path / "set", split_rule("few_photos", 0, 0), same_picture=0.7)
    with pytest.raises(TwoFaceError, match=r"same_picture=0\.7 says what is a copy; above 1 all photos stay"):
        prepare(copies)
    prepare(prepare_options(portraits, tmp_path / "set", split_rule("few_photos", 0, 0), too_alike=2.0))


def test_people_who_are_all_to_be_judged_need_nobody_to_train_on(
    photos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "nobody.txt").write_text("somebody else\n")
    options = prepare_options(
        photos, tmp_path / "set", _lists(train=str(tmp_path / "nobody.txt"), rest="test"), zip=True
    )
    result = prepare(options)
    assert dict(result.people) == {"test": 24}
    assert "no person fell into train: this set can be evaluated, not trained on" in summary(result, options)
    for root in (tmp_path / "set", tmp_path / "set" / "data.zip"):
        assert len(read_index(open_source(root), "test").references) == 24
        with pytest.raises(TwoFaceError, match="has no train split: run `twoface prepare` again with more people"):
            read_index(open_source(root), "train")
    evaluation = evaluate(load_generator(checkpoint), evaluate_options(tmp_path / "set", photos=3), None)
    assert evaluation.figures["heading"]["photos"] == 3
    prepare(prepare_options(photos, tmp_path / "set", split_rule("few_photos", 0, 0.999), force=True))  # it is a set


@pytest.mark.parametrize(
    ("rule", "changes", "says"),
    [
        (
            lambda: split_rule("few_photos", 0.001, 0.1),
            {},
            r"of 24 people 0 fell into validation.*raise split\.validation",
        ),
        (
            lambda: split_rule("few_photos", 0, 0),
            {"min_photos": 5},
            "24 people: few photos, as drawn/person_0000: 4 usable photos",
        ),
        (
            lambda: _lists(train="LIST"),
            {},
            r"24 people: not listed.*split\.rest=train, validation or test takes",
        ),
        (lambda: split_rule("own_photos", 0.1, 0.2), {"min_photos": 9}, "no person is left"),
    ],
    ids=["no validation", "too few photos", "in no list", "own photos"],
)
def test_what_names_alone_tell_is_said_before_anything_is_looked_at(
    rule: Callable[[], SplitRule],
    changes: dict,
    says: str,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps, "detect", lambda *_: pytest.fail("a photo was looked at"))
    with pytest.raises(TwoFaceError, match=f"(?s){says}"):
        prepare(prepare_options(photos, tmp_path / "set", rule(), **changes))
    assert not list(tmp_path.iterdir())


@pytest.fixture(autouse=True)
def _list_of_nobody(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("lists")
    (folder / "LIST").write_text("somebody else\n")
    monkeypatch.chdir(folder)


def test_transparent_photos_lie_on_white_and_are_counted(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    path = tmp_path / "photos" / "person_0001" / "000.png"
    alpha = np.full((SIZE, SIZE), 255, np.uint8)
    alpha[:20, :20] = 0
    with Image.open(path) as image:
        Image.fromarray(np.dstack([np.asarray(image), alpha])).save(path)
    options = prepare_options(tmp_path / "photos", tmp_path / "set", split_rule("few_photos", 0, 0))
    result = prepare(options)
    assert "1 photo has transparent parts; these lie on white" in summary(result, options)
    (tmp_path / "set" / "report.html").read_text("utf-8").index("photos with transparent parts, on white")
    assert FolderSource(tmp_path / "set").has("train/masked/person_0001/000.jpg")


def test_photos_in_nobodys_folder_are_named(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    write_image(tmp_path / "photos" / "loose.jpg", synthetic_photo(1, 9, SIZE))
    result = prepare(prepare_options(tmp_path / "photos", tmp_path / "set", split_rule("few_photos", 0, 0)))
    assert [(reject.path, reject.kind) for reject in result.rejects] == [("photos/loose.jpg", "loose")]
    with pytest.raises(TwoFaceError, match=f"give the folder above, {tmp_path / 'photos'}, and split=own_photos"):
        prepare(prepare_options(tmp_path / "photos" / "person_0001", tmp_path / "other"))


def test_a_folder_within_a_persons_is_named(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    write_image(tmp_path / "photos" / "person_0001" / "2019" / "a.png", synthetic_photo(1, 9, SIZE))
    result = prepare(prepare_options(tmp_path / "photos", tmp_path / "set", split_rule("few_photos", 0, 0)))
    (reject,) = result.rejects
    assert reject.path == "photos/person_0001/2019"
    assert "a folder within a person's; put its photos beside the others" in reject.reason
