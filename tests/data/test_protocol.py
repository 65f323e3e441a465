"""Lists of trials: what is in them, what is refused, and that they fix photos, references and holes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import HOLE, ROOT, SIZE

from twoface_pl.data.protocol import Trial, hole_rng, read_trials, trials_text
from twoface_pl.data.source import FolderSource
from twoface_pl.data.triples import TripleOptions, Triples
from twoface_pl.data_prep.split import place_of
from twoface_pl.errors import TwoFaceError
from twoface_pl.masks import RandomBox, build_mask_policy

GOOD = Trial("a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg", 7)
PROTOCOLS = sorted((ROOT / "conf" / "protocol").glob("*.yaml"))


@pytest.mark.parametrize("file", PROTOCOLS, ids=lambda file: file.stem)
def test_published_lists_are_what_their_protocols_say(file: Path) -> None:
    protocol = yaml.safe_load(file.read_text())
    trials = read_trials(file.with_name(protocol["trials"]), protocol["sha256"])
    assert len(trials.by_target) >= 200
    assert len({target.partition("/")[0] for target in trials.by_target}) >= 70
    assert len({trial.seed for trial in trials.by_target.values()}) == len(trials.by_target)
    people = {photo.partition("/")[0] for photo in trials.photos}
    assert max(place_of(0, person) for person in people) < 0.1  # of the test split, whoever trains by the same names
    assert b"\r" not in file.with_name(protocol["trials"]).read_bytes()


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    path.write_text(trials_text([GOOD, Trial("b/1.jpg", "b/2.jpg", "b/3.jpg", "a/1.jpg", 8)]))
    trials = read_trials(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert trials.by_target["a/1.jpg"] == GOOD
    assert trials.photos == ["a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg", "b/2.jpg", "b/3.jpg"]
    assert list(trials.first(1).by_target) == ["a/1.jpg"]
    with pytest.raises(TwoFaceError, match="is not the protocol's list"):
        read_trials(path, "0" * 64)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("a/1.jpg\ta/2.jpg\ta/3.jpg\tb/1.jpg", "line 2: not 5 columns"),
        ("a/1.jpg\ta/2.jpg\ta/3.jpg\tb/1.jpg\t7\tmore", "line 2: not 5 columns"),
        ("a/1.jpg\ta/2.jpg\ta/3.jpg\tb/1.jpg\t-7", "'-7' is no seed"),
        ("a/1.jpg\ta/1.jpg\ta/3.jpg\tb/1.jpg\t7", "not three photos of one person"),
        ("a/1.jpg\tb/2.jpg\ta/3.jpg\tb/1.jpg\t7", "not three photos of one person"),
        ("a/1.jpg\ta/2.jpg\ta/3.jpg\ta/4.jpg\t7", "the wrong reference is the person's own"),
        ("a/1.jpg\ta/2.jpg\ta/1.PNG\tb/1.jpg\t7", "are one photo once they are prepared"),
        ("a/../1.jpg\ta/2.jpg\ta/3.jpg\tb/1.jpg\t7", "is not <person>/<file>"),
        ("../1.jpg\ta/2.jpg\ta/3.jpg\tb/1.jpg\t7", "is not <person>/<file>"),
        ("", "no trials"),
    ],
)
def test_lists_that_make_no_sense(line: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    head = trials_text([])
    path.write_text(f"{head}{line}\n" if line else head)
    with pytest.raises(TwoFaceError, match=says):
        read_trials(path)
    path.write_text("target\treference\n")
    with pytest.raises(TwoFaceError, match="its columns are not target, reference"):
        read_trials(path)
    with pytest.raises(TwoFaceError, match="no list of trials"):
        read_trials(tmp_path / "none.tsv")


def _listed(prepared: Path, tmp_path: Path, **changes: str) -> tuple[Triples, Trial]:
    """Triples of the prepared set whose one trial is the last photo of the second person."""
    folder = prepared / "test" / "reference"
    first, second = sorted(path.name for path in folder.iterdir())[:2]
    mine = [f"{second}/{path.name}" for path in sorted((folder / second).iterdir())]
    other = f"{first}/{sorted((folder / first).iterdir())[1].name}"
    trial = Trial(*[changes.get(name, file) for name, file in zip(
        ("target", "reference", "gallery", "wrong"), (mine[-1], mine[0], mine[1], other), strict=True)], 5)  # fmt: skip
    path = tmp_path / "list.tsv"
    path.write_text(trials_text([trial]))
    options = TripleOptions(SIZE, 0, training=False, trials=read_trials(path))
    return Triples(FolderSource(prepared), "test", RandomBox(8, HOLE), options), trial


def test_a_list_fixes_photos_references_and_hole(prepared: Path, tmp_path: Path) -> None:
    triples, trial = _listed(prepared, tmp_path)
    assert list(triples.targets) == [trial.target]
    triple = triples[(0, 0)]
    for key, photo in (
        ("photo", trial.target),
        ("references", trial.reference),
        ("wrong_references", trial.wrong_reference),
    ):
        role = "masked" if key == "photo" else "reference"
        expected = triples.load_own_size(role, *photo.split("/"))
        found = triple[key].numpy()  # type: ignore[literal-required]
        assert np.array_equal(found if key == "photo" else found[0], expected), key
    assert np.array_equal(triple["mask"].numpy(), triples.policy.draw(hole_rng(trial), SIZE))


def test_photos_of_a_list_that_are_not_there(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match=r"photos of the list are not there: nobody/1\.jpg"):
        _listed(prepared, tmp_path, wrong="nobody/1.jpg")


def test_a_hole_is_the_same_whatever_else_is_drawn() -> None:
    policy = build_mask_policy({"name": "strokes"})
    first, again = (policy.draw(hole_rng(GOOD), 128) for _ in range(2))
    assert np.array_equal(first, again)
    digest = hashlib.sha256(np.packbits(policy.draw(hole_rng(Trial("", "", "", "", 621596294)), 128)).tobytes())
    assert digest.hexdigest()[:16] == "8e1eb14dd16e1e13"
