"""Preparing step by step: faces, copies, identities, splits, report; stopped and started again."""

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import FACED, TIGHT, bytes_of, kinds_of_rejects, prepare_options, split_rule

from twoface_pl.data.index import read_frame, read_index
from twoface_pl.data.landmarks import read_landmarks
from twoface_pl.data.source import FolderSource
from twoface_pl.data.triples import TripleOptions, Triples
from twoface_pl.data_prep import photos
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.synthetic import synthetic_photo, write_synthetic_photos
from twoface_pl.masks import CenterSquare


def test_faces_come_into_the_frame_with_their_landmarks(raw: Path, tmp_path: Path) -> None:
    result = prepare(prepare_options(raw, tmp_path / "set", **FACED))
    source = FolderSource(tmp_path / "set")
    assert read_frame(source) == TIGHT
    assert sum(result.photos.values()) >= 40
    canonical = TIGHT.landmarks()
    for split in ("train", "validation"):
        index, landmarks = read_index(source, split), read_landmarks(source, split)
        assert set(index.masked) <= set(landmarks)
        assert np.abs(np.mean(list(landmarks.values()), axis=0) - canonical).max() < 0.03
    photo = next((tmp_path / "set" / "train" / "masked").rglob("*.jpg"))
    assert decode_image(photo).shape == (64, 64, 3)


def _troubled(root: Path) -> None:
    """A person with each kind of photo that is rejected for its faces or for being a copy."""
    person = root / "person"
    for number in range(3):
        write_image(person / f"{number}.png", synthetic_photo(1, number, 128))
    write_image(person / "nobody.png", np.full((128, 128, 3), 90, np.uint8))
    write_image(person / "small.png", cv2.resize(synthetic_photo(1, 5, 128), (48, 48), interpolation=cv2.INTER_AREA))
    two = np.full((150, 300, 3), 120, np.uint8)
    two[10:138, 10:138], two[10:138, 160:288] = synthetic_photo(1, 6, 128), synthetic_photo(2, 0, 128)
    write_image(person / "two.png", two)
    shutil.copy(person / "0.png", person / "copy of 0.png")
    write_image(person / "0 again.jpg", synthetic_photo(1, 0, 128), quality=60)
    write_image(person / "0 mirrored.jpg", synthetic_photo(1, 0, 128)[:, ::-1])
    for number in range(2):
        write_image(root / "other" / f"{number}.png", synthetic_photo(4, number, 128))
    shutil.copy(root / "other" / "0.png", root / "other" / "shared.png")
    write_image(root / "other" / "shared.png", synthetic_photo(9, 0, 128))
    shutil.copy(root / "other" / "shared.png", person / "shared.png")


def test_no_face_two_faces_small_faces_and_copies_are_rejected(tmp_path: Path) -> None:
    _troubled(tmp_path / "photos")
    options = {"min_face": 34, "same_picture": 0.9, "split": split_rule("few_photos", 0, 0)}
    result = prepare(prepare_options(tmp_path / "photos", tmp_path / "set", **{**FACED, **options}))
    kinds = kinds_of_rejects(result)
    assert kinds["person/nobody.png"] == "no face"
    assert kinds["person/two.png"] == "several faces"
    assert kinds["person/small.png"] == "small face"
    assert kinds["person/shared.png"] == kinds["other/shared.png"] == "shared picture"
    copies = {"person/0.png", "person/copy of 0.png", "person/0 again.jpg", "person/0 mirrored.jpg"}
    assert len(copies & set(kinds)) == 3  # one of them stays
    assert {kinds[path] for path in copies & set(kinds)} == {"duplicate", "near duplicate"}
    assert not {"person/1.png", "person/2.png", "other/0.png", "other/1.png"} & set(kinds)
    with (tmp_path / "set" / "rejects.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["path"].removeprefix("photos/"): row["kind"] for row in rows} == kinds
    assert all(row["reason"] for row in rows)


def test_another_limit_of_size_finds_no_face_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _troubled(tmp_path / "photos")
    options = {**FACED, "same_picture": 0.9, "split": split_rule("few_photos", 0, 0)}
    result = prepare(prepare_options(tmp_path / "photos", tmp_path / "set", **options))
    assert "person/small.png" not in kinds_of_rejects(result)

    def none_to_look_at(arguments: list[tuple[str, bool]]) -> list[dict]:
        raise AssertionError(f"looked at again: {arguments}")

    monkeypatch.setattr(photos, "detect_photos", none_to_look_at)
    result = prepare(
        prepare_options(tmp_path / "photos", tmp_path / "set", **options | {"min_face": 34, "force": True})
    )
    assert kinds_of_rejects(result)["person/small.png"] == "small face"


def test_a_target_and_its_reference_are_never_alike(tmp_path: Path) -> None:
    """Photos of one moment stay, but only others are their references."""
    person = tmp_path / "photos" / "person"
    for number in range(3):
        pixels = synthetic_photo(1, number, 96)
        write_image(person / f"{number}.png", pixels)
        shifted = cv2.warpAffine(pixels, np.array([(1, 0, 1.0), (0, 1, 0)]), (96, 96), borderMode=cv2.BORDER_REFLECT)
        write_image(person / f"{number} later.png", shifted)
    options = {"too_alike": 0.7, "split": split_rule("few_photos", 0, 0)}
    prepare(prepare_options(tmp_path / "photos", tmp_path / "set", image_size=96, **options))
    lines = (tmp_path / "set" / "train" / "near-duplicates.txt").read_text().splitlines()
    assert len(lines) == 6
    triples = Triples(FolderSource(tmp_path / "set"), "train", CenterSquare(16), TripleOptions(96, 0, training=True))
    for position, target in enumerate(triples.targets):
        number = target.partition("/")[2][0]
        for epoch in range(12):
            (reference,) = triples._training_references(position, np.random.default_rng(epoch))
            assert reference[0] != number
    # Where all are of one moment nobody can be trained on.
    for path in person.iterdir():
        if not path.name.startswith("0"):
            path.unlink()
    with pytest.raises(TwoFaceError, match="all of one moment"):
        prepare(prepare_options(tmp_path / "photos", tmp_path / "again", image_size=96, **options))


def test_the_same_bytes_for_any_number_of_workers(raw: Path, tmp_path: Path) -> None:
    for workers in (1, 3):
        prepare(prepare_options(raw, tmp_path / str(workers), **FACED, workers=workers, zip=True, same_picture=0.9))
    one, three = (bytes_of(tmp_path / name) for name in ("1", "3"))
    assert one == three
    assert Path("data.zip") in one


def _stamps(work: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in work.rglob("*.jpg")}


def _results(work: Path) -> int:
    with sqlite3.connect(work / "results.sqlite") as results:
        return results.execute("SELECT count(*) FROM results").fetchone()[0]


def test_killed_and_started_again_it_redoes_nothing(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_synthetic_photos(raw, people=12, photos=4, size=512)  # large: they take their time
    command = [
        sys.executable, "-m", "twoface_pl", "prepare", f"source.root={raw}", f"root={tmp_path}/set",
        "image_size=64", "min_face=10", "workers=1", "split.validation=0.2", "split.test=0.2",
        "same_picture=2", "too_alike=2",
    ]  # fmt: skip
    work = tmp_path / "set.work"
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not ((work / "results.sqlite").is_file() and 0 < _count(work) < 48):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "set").exists()
    done = _results(work)
    assert 0 < done < 96
    with sqlite3.connect(work / "results.sqlite") as results:  # a result that is taken over keeps what is in it
        results.execute("UPDATE results SET value = replace(value, '{', '{\"kept\": 1, ')")
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    with sqlite3.connect(work / "results.sqlite") as results:
        kept = results.execute("SELECT count(*) FROM results WHERE value LIKE '%kept%'").fetchone()[0]
    assert kept == done
    prepare(prepare_options(raw, tmp_path / "straight", **{**FACED, "min_face": 10}))
    whole, resumed = bytes_of(tmp_path / "straight"), bytes_of(tmp_path / "set")
    assert whole == resumed
    assert not list(tmp_path.glob("*.partial"))
    # A third run over a grown source looks at what is new alone.
    before = _stamps(work)
    shutil.copytree(raw / "person_0003", raw / "newcomer")
    assert subprocess.run([*command, "force=true"], cwd=tmp_path, capture_output=True, check=False).returncode == 0
    after = _stamps(work)
    assert len(after) == len(before) + 4
    assert after.items() >= before.items()


def test_workers_end_with_the_main_process(tmp_path: Path) -> None:
    write_synthetic_photos(tmp_path / "raw", people=12, photos=4, size=512)
    command = [
        sys.executable,
        "-m",
        "twoface_pl",
        "prepare",
        "source.root=raw",
        "root=set",
        "workers=2",
        "split.validation=0",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not _count(tmp_path / "set.work"):
        time.sleep(0.05)
    assert process.poll() is None
    assert len(_session(process.pid)) >= 3
    process.kill()  # the main process alone
    process.wait()
    while time.monotonic() < deadline and _session(process.pid):
        time.sleep(0.1)
    assert not _session(process.pid)


def _session(leader: int) -> list[str]:
    """The processes of a session."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if fields[3] == str(leader) and fields[0] != "Z":
            found.append(status.parent.name)
    return found


def _count(work: Path) -> int:
    try:
        return _results(work)
    except sqlite3.OperationalError:  # not made yet
        return 0


def test_each_step_alone_makes_what_all_of_them_make(raw: Path, tmp_path: Path) -> None:
    options = {**FACED, "same_picture": 0.9}
    with pytest.raises(
        TwoFaceError, match=r"results of step detect are missing; run `twoface prepare step=detect` first"
    ):
        prepare(prepare_options(raw, tmp_path / "set", **options, step="align"))
    for step in ("detect", "align", "deduplicate", "split", "report", "zip"):
        assert (tmp_path / "set").exists() == (step in ("report", "zip"))
        prepare(prepare_options(raw, tmp_path / "set", **options, step=step))
    prepare(prepare_options(raw, tmp_path / "whole", **options, zip=True))
    assert bytes_of(tmp_path / "set") == bytes_of(tmp_path / "whole")
    with pytest.raises(TwoFaceError, match="step=clean needs a recogniser"):
        prepare(prepare_options(raw, tmp_path / "set", **options, step="clean"))
    with pytest.raises(TwoFaceError, match="step=dance is not one of all, detect"):
        prepare_options(raw, tmp_path / "set", **options, step="dance")


def test_the_report_says_what_happened(raw: Path, tmp_path: Path) -> None:
    _troubled(tmp_path / "photos")
    for person in ("person_0003", "person_0005"):
        shutil.copytree(raw / person, tmp_path / "photos" / person)
    options = {"same_picture": 0.9, "split": split_rule("few_photos", 0, 0)}
    result = prepare(prepare_options(tmp_path / "photos", tmp_path / "set", **FACED | options))
    figures = json.loads((tmp_path / "set" / "report.json").read_text())
    assert figures["frame"]["name"] == "tight"
    assert figures["photos_found"] == len(result.listing.photos)
    assert sum(figures["rejects"].values()) == len(result.rejects)
    assert figures["photos"]["train"] == result.photos["train"]
    assert sum(int(count) * people for count, people in figures["people_by_photos"].items()) == result.photos["train"]
    page = (tmp_path / "set" / "report.html").read_text()
    for kind in figures["rejects"]:
        assert kind in page
    sheets = sorted((tmp_path / "set" / "sheets").iterdir())
    assert {sheet.name for sheet in sheets} >= {"train-1.jpg", "no-face-1.jpg", "several-faces-1.jpg"}
    for sheet in sheets:
        assert f"sheets/{sheet.name}" in page
        assert decode_image(sheet).std() > 10
