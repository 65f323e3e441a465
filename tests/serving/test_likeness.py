"""Is it the same person: what is said, of whom, and from what file; and which photos of a folder become references."""

from __future__ import annotations

import csv
import logging
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED, Run
from PIL import Image

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces import recogniser
from twoface_pl.faces.finder import Sought
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import Photo, decode_image, write_image
from twoface_pl.faces.recogniser import packaged_sface
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.model_file import REPAIR, SHIPPED
from twoface_pl.serving.album import Album, read_album
from twoface_pl.serving.jobs import JobOptions, run_job
from twoface_pl.serving.likeness import Likeness, Verdict, find_recogniser, write_table
from twoface_pl.serving.placing import place
from twoface_pl.serving.plan import Job
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.target import find_target
from twoface_pl.serving.versions import find_model

packaged = pytest.mark.skipif(packaged_sface() is None, reason="the extra check is not installed")
PINS = SHARED / "faces" / "pins"
CLEAR = 12  # a drawn person whose face the detector is sure of


@pytest.fixture(scope="module")
def session() -> RepairSession:
    return RepairSession(find_model(SHIPPED, REPAIR), "cpu")


def _drawn(person: int, photo: int, side: int = 200) -> np.ndarray:
    """On a plain ground, so that there is something about the face."""
    canvas = np.full((side * 3 // 2, side * 3 // 2, 3), 120, np.uint8)
    canvas[side // 4 : side // 4 + side, side // 4 : side // 4 + side] = synthetic_photo(person, photo, side)
    return canvas


def _mouth(frame: Frame, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros((32, 32), bool)
    mask[20:27, 9:23] = True
    return frame.mask_in_photo(mask, *shape[:2])


def test_words_follow_from_the_likeness() -> None:
    assert Verdict(0.5).words.startswith("looks like the same person (of 1,000 pairs")
    assert Verdict(0.35).words.startswith("perhaps the same person (of 100 pairs")
    assert Verdict(0.2).words == "does not look like the same person"


def test_where_the_recogniser_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWOFACE_SFACE", raising=False)
    assert find_recogniser(tmp_path / "given.onnx") == tmp_path / "given.onnx"
    monkeypatch.setattr(recogniser, "packaged_sface", lambda: None)
    with pytest.raises(TwoFaceError, match=r"pip install 'twoface-pl\[check\]'"):
        find_recogniser(None)
    monkeypatch.setenv("TWOFACE_SFACE", "there.onnx")
    assert find_recogniser(None) == Path("there.onnx")


@packaged
def test_the_packaged_file_opens_and_tells_drawn_people_apart(session: RepairSession) -> None:
    likeness = Likeness(find_recogniser(None), session)
    photos = [_drawn(CLEAR, 0), _drawn(CLEAR, 1), _drawn(5, 0)]
    embeddings = [likeness.embed(photo, place(session, Sought(photo))) for photo in photos]
    assert embeddings[0] @ embeddings[1] > embeddings[0] @ embeddings[2]
    assert np.linalg.norm(embeddings[0]) == pytest.approx(1, abs=1e-5)


@packaged
@pytest.mark.skipif(not PINS.is_dir(), reason=f"no real photos at {PINS}")
def test_two_people_are_noticed_and_one_is_not(session: RepairSession) -> None:
    likeness = Likeness(find_recogniser(None), session)
    people = sorted(PINS.iterdir())[:12]
    remarks: dict[bool, list[str]] = {True: [], False: []}
    for person, other in zip(people, people[1:] + people[:1], strict=True):
        photo, *own = [decode_image(path) for path in sorted(person.iterdir())[:2]]
        strange = decode_image(min(other.iterdir()))
        try:
            frame = place(session, Sought(photo))
            target = find_target(session, Photo(photo), _mouth(frame, photo.shape))
            frames = {id(each): place(session, Sought(each)) for each in (*own, strange)}
        except TwoFaceError:  # several faces, or none
            continue
        for same, reference in ((True, own[0]), (False, strange)):
            verdict = likeness.judge(target, [reference], [frames[id(reference)]], photo)
            remarks[same].append(verdict.remark)
    assert len(remarks[True]) >= 8
    assert not any(remarks[True])
    assert sum("seem to be two people" in remark for remark in remarks[False]) >= len(remarks[False]) / 2


@packaged
def test_a_hole_over_the_whole_face_leaves_it_open(session: RepairSession) -> None:
    photo = _drawn(CLEAR, 0)
    frame = place(session, Sought(photo))
    hole = frame.mask_in_photo(np.pad(np.ones((76, 76), bool), 26), *photo.shape[:2])
    x, y, side = int(frame.x + frame.side * 0.2), int(frame.y + frame.side * 0.2), int(frame.side * 0.6)
    target = find_target(session, Photo(photo), hole, (x, y, side, side, 0))
    verdict = Likeness(find_recogniser(None), session).judge(target, [photo], [frame], photo)
    assert "hides too much of the face to say" in verdict.remark
    assert verdict.likeness > 0.5


def test_a_table_keeps_what_it_said_of_other_photos(tmp_path: Path) -> None:
    write_table(tmp_path, {"b.png": Verdict(0.5), "a.png": Verdict(0.1, "two, or one")})
    path = write_table(tmp_path, {"b.png": Verdict(0.35)})
    rows = list(csv.reader(path.open()))
    assert rows[0] == ["photo", "likeness", "verdict", "remark"]
    assert [row[:2] for row in rows[1:]] == [["a.png", "0.100"], ["b.png", "0.350"]]
    assert rows[1][3] == "two, or one"
    as_spreadsheet = "photo;likeness;verdict;remark\r\nJos\xe9.jpg;0.200;another person;\r\n"
    path.write_bytes(as_spreadsheet.encode("cp1252"))
    write_table(tmp_path, {"b.png": Verdict(0.35)})
    assert [row[:2] for row in csv.reader(path.open(encoding="utf-8"))][1:] == [
        ["José.jpg", "0.200"],
        ["b.png", "0.350"],
    ]


def _album(folder: Path) -> Path:
    """One person in several lights, and pictures that are of no use."""
    folder.mkdir()
    photo = _drawn(CLEAR, 1)
    for name, light in (("dark", 0.4), ("grey", 0.7), ("bright", 1.0)):
        write_image(folder / f"{name}.png", (photo * light).astype(np.uint8))
    write_image(folder / "nobody.png", np.full((80, 80, 3), 90, np.uint8))
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not a photo")
    return folder


def test_the_photo_in_the_nearest_light_comes_first(
    session: RepairSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        album = read_album(_album(tmp_path / "album"), session, 2)
    assert {each.path.stem for each in album.candidates} == {"dark", "grey", "bright"}
    assert "no one clear face in broken.png, nobody.png" in caplog.text
    photo = _drawn(CLEAR, 1)
    for light, first, last in ((0.45, "dark", "bright"), (1.0, "bright", "dark")):
        seen = (photo * light).astype(np.uint8)
        target = find_target(session, Photo(seen), _mouth(place(session, Sought(seen)), seen.shape))
        ranked = [each.path.stem for each in album.ranked(target)]
        assert (ranked[0], ranked[-1]) == (first, last)


def test_a_face_far_smaller_than_the_photos_comes_later(session: RepairSession, tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    write_image(tmp_path / "album" / "large.png", _drawn(CLEAR, 1, 400))
    write_image(tmp_path / "album" / "small.png", _drawn(CLEAR, 1, 60))
    album = read_album(tmp_path / "album", session, 1)
    photo = _drawn(CLEAR, 0, 400)
    target = find_target(session, Photo(photo), _mouth(place(session, Sought(photo)), photo.shape))
    assert [each.path.stem for each in album.ranked(target)] == ["large", "small"]


def test_other_people_are_left_out_where_a_recogniser_tells(
    session: RepairSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _album(tmp_path / "album")
    write_image(folder / "stranger.png", _drawn(5, 0))
    stranger = place(session, Sought(_drawn(5, 0)))

    def embed(pixels: np.ndarray, frame: Frame) -> np.ndarray:
        return np.eye(2)[int(frame == stranger)]

    with caplog.at_level(logging.WARNING):
        album = read_album(folder, session, 2, embed)
    assert {each.path.stem for each in album.candidates} == {"dark", "grey", "bright"}
    assert "left out as photos of somebody else: stranger.png" in caplog.text
    write_image(tmp_path / "two" / "one.png", _drawn(CLEAR, 0))
    write_image(tmp_path / "two" / "other.png", _drawn(5, 0))
    with pytest.raises(TwoFaceError, match=r"no two of its photos seem to be of one person \(one\.png, other\.png\)"):
        read_album(tmp_path / "two", session, 2, embed)


def test_an_album_without_a_face_is_a_sentence(session: RepairSession, tmp_path: Path) -> None:
    write_image(tmp_path / "nobody.png", np.full((80, 80, 3), 90, np.uint8))
    with pytest.raises(TwoFaceError, match="no photo with one clear face to take as a reference"):
        read_album(tmp_path, session, 2)


def test_the_photo_itself_is_no_reference_of_its_album(
    session: RepairSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _album(tmp_path / "album")
    photo = folder / "bright.png"
    shutil.copy(photo, folder / "copy.png")
    frame = place(session, Sought(decode_image(photo)))
    write_image(tmp_path / "mask.png", np.repeat(_mouth(frame, (300, 300))[..., None], 3, 2).astype(np.uint8) * 255)
    album: Album = read_album(folder, session, 2)
    given = Job(photo, (), tmp_path / "out.png", tmp_path / "mask.png")
    with caplog.at_level(logging.WARNING):
        run_job(session, given, JobOptions(album=album))
    assert caplog.text.count("is left out: it is the photo itself") == 2  # under both names
    alone = Job(photo, (folder / "grey.png", folder / "dark.png"), tmp_path / "alone.png", tmp_path / "mask.png")
    run_job(session, alone, JobOptions())
    assert np.array_equal(decode_image(tmp_path / "out.png"), decode_image(tmp_path / "alone.png"))


@packaged
def test_the_command_takes_references_from_a_folder_and_checks(twoface: Run, tmp_path: Path) -> None:
    _album(tmp_path / "album")
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.jpg", "c.png"):
        Image.fromarray(_drawn(CLEAR, 0)).save(tmp_path / "photos" / name)
    frame = place(RepairSession(find_model(SHIPPED, REPAIR), "cpu"), Sought(_drawn(CLEAR, 0)))
    Image.fromarray(_mouth(frame, (300, 300))).save(tmp_path / "mask.png")
    given = ["inpaint", "--references-from", "album", "--mask", "mask.png", "--check"]
    done = twoface(*given, "--image", "photos", "--jobs", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no one clear face in broken.png, nobody.png" in done.stderr
    rows = list(csv.DictReader((tmp_path / "photos-filled" / "likeness.csv").open()))
    assert [row["photo"] for row in rows] == ["photos/a.png", "photos/b.jpg", "photos/c.png"]
    assert all(float(row["likeness"]) > 0.4 for row in rows)
    done = twoface(*given, "--image", "photos/a.png", "--output", "one.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "likeness to the references 0." in done.stderr
    one, of_folder = (decode_image(tmp_path / name) for name in ("one.png", "photos-filled/a.png"))
    assert np.array_equal(one, of_folder)  # however many are filled at once
    done = twoface(*given, "--image", "photos/a.png", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert decode_image(tmp_path / "photos" / "a-filled-placement.png").shape[1] > 2.5 * 300  # photo and two references
    assert "references taken: " in done.stderr
    shutil.copytree(
        tmp_path / "photos-filled", tmp_path / "album" / "filled"
    )  # fills are nobody's photos, nor drawings
    shutil.copy(tmp_path / "photos" / "a-filled-placement.png", tmp_path / "album" / "filled" / "drawn.png")
    Image.open(tmp_path / "album" / "dark.png").save(tmp_path / "album" / "b.bmp")  # which has no place for the mark
    done = twoface(
        *given, "--image", "photos/b.jpg", "--output", "album/b.bmp", "--force", "--references", 9, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "a model or this program made them: a.png, b.jpg, c.png, drawn.png" in done.stderr
    assert "b.bmp" not in done.stderr.partition("references taken:")[2].partition("\n")[0]
    (tmp_path / "album" / "b.bmp").unlink()
    done = twoface(*given, "--image", "photos/b.jpg", "--output", "album/b.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    taken = re.search(r"references taken: (.*)", done.stderr)
    assert taken, done.stderr
    assert all((tmp_path / "album" / name).is_file() for name in taken[1].split(", "))
    done = twoface(
        "inpaint", "--image", "photos/a.png", "--reference", "album/b.png", "--output", "x.png", cwd=tmp_path
    )
    assert "reference album/b.png says that a model or this program made it" in done.stderr
    for wrong, says in (
        (["--recogniser", "nope"], "no recogniser nope; give SFace's ONNX file"),
        (["--reference", "album/dark.png"], "give --reference or --references-from, not both"),
        (["--references", "0"], "not a whole number from 1 to 64"),
    ):
        done = twoface(*given, "--image", "photos/a.png", *wrong, cwd=tmp_path)
        assert done.returncode in (1, 2)
        assert re.search(says, done.stderr), done.stderr
    done = twoface("inpaint", "--image", "photos/a.png", "--references-from", "gone", cwd=tmp_path)
    assert "--references-from gone: no folder" in done.stderr
