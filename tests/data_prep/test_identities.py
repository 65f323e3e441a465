"""Cleaning identities: photos of somebody else, people in two sources, recognisers."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED, prepare_options, split_rule

from twoface_pl.data.index import read_index
from twoface_pl.data.source import FolderSource
from twoface_pl.data_prep.identities import agreeing, clean
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.sources import Photo
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.synthetic import write_synthetic_photos

TIGHT = FrameKind("tight", 33, 54)
FACED = {"frame": TIGHT, "min_face": 10, "image_size": 64}
SFACE = SHARED / "weights" / "sface_2021dec_int8bq.onnx"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos at 128 px with a face each."""
    root = tmp_path_factory.mktemp("raw") / "drawn"
    write_synthetic_photos(root, people=4, photos=2, size=128)
    return root


def _embeddings(people: dict[str, list[int]]) -> tuple[dict, dict]:
    """Photos by person, and unit embeddings near the direction of whoever is really in them."""
    rng = np.random.default_rng(0)
    centres = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    photos, embeddings = {}, {}
    for name, shown in people.items():
        source, identity = name.split("/")
        photos[source, identity] = []
        for number, who in enumerate(shown):
            key = f"{name}/{number}.jpg"
            vector = centres[who] + rng.normal(size=16) * 0.1
            embeddings[key] = vector / np.linalg.norm(vector)
            photos[source, identity].append(Photo(source, identity, f"{number}.jpg", Path(key), key))
    return photos, embeddings


def test_photos_of_somebody_else_are_rejected() -> None:
    photos, embeddings = _embeddings(
        {"a/x": [1, 1, 2, 1, 1], "a/y": [3, 3], "a/z": [4, 5], "a/w": [6, 7, 8, 9], "a/v": [1]}
    )
    found = clean(photos, embeddings, same_person=0.5, join=0.95)
    kinds = {reject.path: reject.kind for reject in found.rejects}
    assert kinds.pop("a/x/2.jpg") == "other person"
    assert set(kinds) == {f"a/z/{number}.jpg" for number in range(2)} | {f"a/w/{number}.jpg" for number in range(4)}
    assert set(kinds.values()) == {"mixed person"}
    assert {person: len(kept) for person, kept in found.people.items()} == {("a", "x"): 4, ("a", "y"): 2, ("a", "v"): 1}


def test_agreeing_does_not_lean_on_the_first_photo() -> None:
    _, embeddings = _embeddings({"a/x": [2, 1, 1, 2, 1, 1, 1]})
    agree, cosines = agreeing(np.stack(list(embeddings.values())), 0.5)
    assert agree.tolist() == [False, True, True, False, True, True, True]
    assert cosines[agree].min() > 0.5 > cosines[~agree].max()


def test_people_of_two_sources_are_joined_and_of_one_are_not() -> None:
    photos, embeddings = _embeddings(
        {
            "one/a": [1, 1],
            "one/b": [2, 2],
            "one/b2": [2, 2, 2],
            "two/77": [1, 1, 1],
            "two/78": [5, 5],
            "three/q": [1, 1],
        }
    )
    found = clean(photos, embeddings, same_person=0.5, join=0.9)
    assert {person: len(kept) for person, kept in found.people.items()} == {
        ("one", "a"): 7, ("one", "b"): 2, ("one", "b2"): 3, ("two", "78"): 2,
    }  # fmt: skip
    assert len(found.joined) == 2
    assert [(first, second) for first, second, _ in found.alike] == [(("one", "b"), ("one", "b2"))]


@pytest.mark.skipif(not SFACE.is_file(), reason="no SFace in ../shared")
def test_a_real_recogniser_finds_the_wrong_photo_and_the_same_person(tmp_path: Path) -> None:
    lfw = SHARED / "faces" / "lfw"
    names = [path.name for path in sorted(lfw.iterdir()) if len(list(path.iterdir())) == 6][:5]
    for name in names:
        for at, photo in enumerate(sorted((lfw / name).iterdir())):
            place = ("first", name) if at < 3 else ("second", name[::-1])
            if place[0] == "first" or name == names[0]:
                (tmp_path / place[0] / place[1]).mkdir(parents=True, exist_ok=True)
                shutil.copy(photo, tmp_path / place[0] / place[1])
    (tmp_path / "second" / "Somebody").mkdir()
    for photo in sorted((lfw / names[4]).iterdir())[3:5]:
        shutil.copy(photo, tmp_path / "second" / "Somebody")
    wrong = sorted((lfw / names[1]).iterdir())[4]
    shutil.copy(wrong, tmp_path / "first" / names[2] / "wrong.jpg")
    recogniser = {"name": "sface", "weights": str(SFACE), "same_person": 0.35, "join": 0.65}
    options = {"frame": TIGHT, "recogniser": recogniser, "split": split_rule("few_photos", 0, 0)}
    roots = (tmp_path / "first", tmp_path / "second")
    made = prepare_options(tmp_path, tmp_path / "set", **options)
    result = prepare(type(made)(**{**vars(made), "sources": roots}))
    assert {reject.path: reject.kind for reject in result.rejects} == {f"first/{names[2]}/wrong.jpg": "other person"}
    assert {(first[1], second[1]) for first, second, _ in result.identities.joined} == {
        (names[0], names[0][::-1]), (names[4], "Somebody"),
    }  # fmt: skip
    index = read_index(FolderSource(tmp_path / "set"), "train")
    assert len(index.references[names[0]]) == 6
    assert names[0][::-1] not in index.references


def test_recognisers_that_cannot_work(raw: Path, tmp_path: Path) -> None:
    for recogniser, frame, says in (
        ({"name": "eigenfaces"}, TIGHT, "not known; there are: none, facenet, sface"),
        ({"name": "sface", "weights": None}, TIGHT, "no weights; give recogniser.weights"),
        ({"name": "facenet", "weights": "nowhere.pt"}, TIGHT, "no file nowhere.pt"),
        ({"name": "sface", "weights": "x"}, FrameKind("none"), "needs faces to be found"),
    ):
        with pytest.raises(TwoFaceError, match=says):
            prepare(prepare_options(raw, tmp_path / "set", frame=frame, recogniser=recogniser))
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    bad = {"name": "sface", "weights": str(tmp_path / "bad.onnx"), "same_person": 0.3, "join": 0.6}
    with pytest.raises(TwoFaceError, match="is not an ONNX model"):
        prepare(prepare_options(raw, tmp_path / "set", **FACED, recogniser=bad))


def test_who_may_be_one_person_is_not_parted_by_the_split() -> None:
    people = {"a/A": [1, 1], "b/B1": [1, 1], "b/B2": [1, 1], "b/C": [2, 2]}
    photos, embeddings = _embeddings(people)
    found = clean(photos, embeddings, same_person=0.5, join=0.85)
    assert set(found.people) == {("a", "A"), ("b", "B2"), ("b", "C")} or set(found.people) == {
        ("a", "A"), ("b", "B1"), ("b", "C"),
    }  # fmt: skip
    assert len(found.joined) == 1
    assert found.alike
    (other,) = set(found.people) - {("a", "A"), ("b", "C")}
    assert found.kin == {other: ("a", "A")}
    from twoface_pl.data_prep.layout import place

    for seed in range(20):
        placed = place(list(photos), found.people, {}, split_rule("few_photos", 0.3, 0.3, seed), 2, found.kin)
        splits = {identity.name: identity.split for identity in placed.identities}
        assert splits["A"] == splits[other[1]]


def test_nobody_left_after_cleaning_is_a_sentence() -> None:
    photos, embeddings = _embeddings({"a/z": [4, 5]})
    found = clean(photos, embeddings, same_person=0.5, join=0.9)
    assert found.people == {}
    assert len(found.rejects) == 2
