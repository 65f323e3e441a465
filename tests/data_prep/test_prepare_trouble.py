"""Preparing where something is wrong: links, names that meet, full disks, options that make no sense."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SIZE, Run, bytes_of, kinds_of_rejects, prepare_options, split_rule

from twoface_pl.data.index import read_index
from twoface_pl.data.source import FolderSource
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.data_prep.result import PrepareResult
from twoface_pl.data_prep.sources import list_sources, safe_name
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import write_image
from twoface_pl.faces.synthetic import synthetic_photo, write_synthetic_photos


def test_links_that_lead_out_are_rejected(photos: Path, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    shutil.copytree(photos, source)
    outside = tmp_path / "outside"
    shutil.copytree(photos / "person_0001", outside)
    (source / "linked").symlink_to(outside)
    (source / "person_0002" / "linked.png").symlink_to(outside / "000.png")
    (source / "person_0002" / "dangling.png").symlink_to(tmp_path / "nothing.png")
    (source / "person_0002" / "inside.png").symlink_to(source / "person_0002" / "000.png")
    (tmp_path / "link to photos").symlink_to(source)  # the source itself may be one
    result = prepare(prepare_options(tmp_path / "link to photos", tmp_path / "set"))
    kinds = kinds_of_rejects(result)
    assert kinds == {"linked": "link", "person_0002/linked.png": "link", "person_0002/dangling.png": "link"}


def test_very_long_names(tmp_path: Path) -> None:
    person, stem = "p" * 250, "é" * 125  # 250 bytes each: with what is added to them they are too long
    for number in range(2):
        write_image(tmp_path / "photos" / person / f"{stem[:-1]}{number}.png", synthetic_photo(1, number, SIZE))
    prepare(prepare_options(tmp_path / "photos", tmp_path / "set", split_rule("few_photos", 0, 0)))
    index = read_index(FolderSource(tmp_path / "set"), "train")
    assert len(index.masked) == 2
    assert len(safe_name("x" * 500).encode()) <= 180
    assert safe_name("x" * 500) != safe_name("x" * 501)


def test_sources_of_one_name_and_identities_of_one_name(photos: Path, tmp_path: Path) -> None:
    for source in ("first", "second"):
        for at, person in enumerate(("same", source)):
            for number in range(2):
                whose = 10 * (source == "second") + at
                write_image(tmp_path / source / person / f"{number}.png", synthetic_photo(whose, number, SIZE))
    made = prepare_options(tmp_path, tmp_path / "set", split_rule("few_photos", 0, 0))
    prepare(type(made)(**{**vars(made), "sources": (tmp_path / "first", tmp_path / "second")}))
    index = read_index(FolderSource(tmp_path / "set"), "train")
    assert set(index.references) == {"first", "same", "second", "second-same"}
    (tmp_path / "else").mkdir()
    shutil.copytree(tmp_path / "first", tmp_path / "else" / "first")
    with pytest.raises(TwoFaceError, match="two folders have one name"):
        list_sources([tmp_path / "first", tmp_path / "else" / "first"])


def _limited(megabytes: float) -> None:
    """As on a disk that is full: no file may grow beyond this."""
    limit = int(megabytes * 2**20)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@pytest.fixture(scope="module")
def some_photos(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos of each person: half of the time."""
    root = tmp_path_factory.mktemp("some") / "photos"
    for path in raw.rglob("*.png"):
        if path.stem in ("000", "001"):
            (root / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, root / path.parent.name / path.name)
    return root


@pytest.mark.skipif("COVERAGE_PROCESS_CONFIG" in os.environ, reason="coverage's own file meets the limit")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kilobytes", [1, 6, 60])
def test_a_full_disk_is_a_sentence_and_loses_nothing(
    kilobytes: int, workers: int, some_photos: Path, tmp_path: Path
) -> None:
    """The limits hit the results' file, a framed photo, and the zip or a contact sheet."""
    command = [
        sys.executable, "-m", "twoface_pl", "prepare", f"source.root={some_photos}", "root=set", "min_face=10",
        "zip=true", f"workers={workers}", "split.validation=0.2", "split.test=0.2",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        preexec_fn=lambda: _limited(kilobytes / 1024),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "twoface prepare:" in done.stderr
    assert not (tmp_path / "set").exists()
    assert not list(tmp_path.rglob(".twoface-*"))
    assert not list(tmp_path.glob("*.partial"))
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert again.returncode == 0, again.stderr
    read_index(FolderSource(tmp_path / "set"), "train")


def test_the_command_takes_several_sources_and_says_what_it_did(twoface: Run, raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw, tmp_path / "a")
    write_synthetic_photos(tmp_path / "b", people=6, photos=3, size=96, seed=5)
    done = twoface(
        "prepare", "source.root=[a,b]", "min_face=10", "split.validation=0.2", "split.test=0.2", "zip=true",
        "workers=2", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "frame tight" in done.stdout
    assert "identities were not cleaned: no recogniser was given" in done.stdout
    assert "look at data/prepared/report.html" in done.stdout
    assert (tmp_path / "data" / "prepared" / "data.zip").is_file()
    lost = twoface("prepare", "source.root=[a,nowhere]", "root=other", cwd=tmp_path)
    assert lost.returncode == 1
    assert "no folder nowhere" in lost.stderr


def _draw(folder: Path, person: int, count: int = 2, size: int = SIZE) -> None:
    for number in range(count):
        write_image(folder / f"{number}.png", synthetic_photo(person, number, size))


def _prepare_from(tmp_path: Path, *sources: str, root: str = "set", **changes) -> PrepareResult:
    made = prepare_options(tmp_path, tmp_path / root, split_rule("few_photos", 0, 0), **changes)
    return prepare(type(made)(**{**vars(made), "sources": tuple(tmp_path / source for source in sources)}))


def test_names_that_would_meet_are_kept_apart(tmp_path: Path) -> None:
    for person, folder in enumerate(("a/b-X", "a/X", "a/x", "b/X", "two:2,x/X")):
        _draw(tmp_path / folder, person)
    result = _prepare_from(tmp_path, "a", "b", "two:2,x")
    index = read_index(FolderSource(tmp_path / "set"), "train")
    assert len(index.references) == result.people["train"] == 5
    assert len({name.casefold() for name in index.references}) == 5
    pictures = {path.read_bytes() for path in (tmp_path / "set" / "train" / "masked").rglob("*.jpg")}
    assert len(pictures) == 10


def test_another_source_of_the_same_names_and_times_is_looked_at_anew(tmp_path: Path) -> None:
    for place, first in (("x", 0), ("y", 50)):
        for person in ("p", "q"):
            _draw(tmp_path / place / "photos" / person, first + ord(person))
        for path in (tmp_path / place).rglob("*.png"):
            os.utime(path, (1_000_000, 1_000_000))
    _prepare_from(tmp_path, "x/photos")
    before = bytes_of(tmp_path / "set" / "train" / "masked")
    _prepare_from(tmp_path, "y/photos", force=True)
    after = bytes_of(tmp_path / "set" / "train" / "masked")
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_a_photo_that_cannot_be_read_today_is_tried_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    read = Path.read_bytes

    def fails(path: Path) -> bytes:
        if path.name == "001.png":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", fails)
    result = _prepare_from(tmp_path, "photos")
    assert sum(reject.reason == "cannot be read (Permission denied)" for reject in result.rejects) == 24
    monkeypatch.setattr(Path, "read_bytes", read)
    assert not _prepare_from(tmp_path, "photos", force=True).rejects


def test_a_link_to_itself_is_rejected(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "person_0000" / "loop.png").symlink_to("loop.png")
    assert kinds_of_rejects(_prepare_from(tmp_path, "photos")) == {"person_0000/loop.png": "link"}


def test_report_and_zip_belong_to_the_set_they_are_put_into(photos: Path, tmp_path: Path) -> None:
    prepare(prepare_options(photos, tmp_path / "set"))
    for step in ("report", "zip"):
        with pytest.raises(TwoFaceError, match=r"made with other options \(split\); give the same ones"):
            prepare(prepare_options(photos, tmp_path / "set", "classic2018", step=step))
        with pytest.raises(TwoFaceError, match="no prepared data set"):
            prepare(prepare_options(photos, tmp_path / "else", step=step, work=tmp_path / "set.work"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"min_face": "small"}, "min_face=small is not a number"),
        ({"same_picture": "high"}, "same_picture=high is not a number"),
        ({"too_alike": None}, "too_alike=None is not a number"),
        ({"workers": -1}, "workers=-1"),
    ],
)
def test_options_that_make_no_sense(changes: dict, says: str, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match=says):
        prepare_options(photos, tmp_path / "set", **changes)


def test_work_within_the_set_would_be_lost_with_it(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TwoFaceError, match="which is replaced as a whole; choose another work="):
        prepare(prepare_options(photos, tmp_path / "set", work=tmp_path / "set" / "work"))
    assert not (tmp_path / "set").exists()
