"""The photos that a list of trials names: found, framed once, and nobody's replaced."""

import shutil
from pathlib import Path

import pytest
from conftest import SIZE, TIGHT
from listed import listed_trials

from twoface_pl.data.protocol import digest_of, read_trials, trials_text
from twoface_pl.data_prep.listed import find_listed, prepare_listed
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import FrameKind
from twoface_pl.faces.image import decode_image


def test_framed_photos_are_those_that_are_asked_for(raw: Path, tmp_path: Path) -> None:
    """Of lists that name PNG files too; made anew for another frame or size, or when a photo has changed."""
    photos = tmp_path / "photos"
    shutil.copytree(raw, photos)
    (tmp_path / "own.tsv").write_text(trials_text(listed_trials(photos)[:2]))
    listed = read_trials(tmp_path / "own.tsv")
    assert all(name.endswith(".png") for name in listed.photos)

    def side(frame: FrameKind = TIGHT, image_size: int = SIZE) -> int:
        data = prepare_listed(photos, listed, tmp_path / "out", frame, image_size)
        return len(decode_image(data / "test" / "reference" / listed.as_prepared().photos[0]))

    assert side() == SIZE
    made = tmp_path / "out" / "data" / "test" / "reference"
    first = digest_of(tmp_path / "out" / "data", listed.as_prepared())
    stamp = made.stat().st_mtime_ns
    side()
    assert made.stat().st_mtime_ns == stamp  # it is there already
    assert side(image_size=2 * SIZE) == 2 * SIZE
    side(FrameKind("tight", 30, 54))
    assert digest_of(tmp_path / "out" / "data", listed.as_prepared()) != first
    side()
    assert digest_of(tmp_path / "out" / "data", listed.as_prepared()) == first
    whole = (photos / listed.photos[0]).read_bytes()
    (photos / listed.photos[0]).write_bytes(whole[: len(whole) // 3])
    with pytest.raises(TwoFaceError, match=f"1 photos of the list cannot be used: {listed.photos[0]} ") as refused:
        side()
    assert "get whole copies" in str(refused.value)
    (photos / listed.photos[0]).write_bytes(whole)  # mended: no folder has to be deleted by hand
    side()
    assert digest_of(tmp_path / "out" / "data", listed.as_prepared()) == first


def test_a_file_beside_the_folders_is_one_persons(tmp_path: Path) -> None:
    for name in ("0.jpg", "1.jpg"):
        (tmp_path / name).write_bytes(b"photo")
    assert find_listed(tmp_path, ["a/0.jpg", "b/1.jpg"]) == {
        "a/0.jpg": tmp_path / "0.jpg",
        "b/1.jpg": tmp_path / "1.jpg",
    }
    with pytest.raises(TwoFaceError, match=r"2 of 3 photos are not there: a/0.jpg, b/0.jpg"):
        find_listed(tmp_path, ["a/0.jpg", "b/0.jpg", "b/1.jpg"])


def test_nobodys_photos_are_replaced(raw: Path, tmp_path: Path) -> None:
    """A copy may lie where the framed photos would."""
    (tmp_path / "own.tsv").write_text(trials_text(listed_trials(raw)[:2]))
    listed = read_trials(tmp_path / "own.tsv")
    for own in ("framed", "framed/photos"):
        shutil.copytree(raw, tmp_path / own)
        with pytest.raises(TwoFaceError, match="framed holds something else than framed photos; give another output="):
            prepare_listed(tmp_path / own, listed, tmp_path / "framed", TIGHT, SIZE)
        assert len(list((tmp_path / own).rglob("*.png"))) == len(list(raw.rglob("*.png")))
        shutil.rmtree(tmp_path / "framed")
    prepare_listed(raw, listed, tmp_path / "framed", TIGHT, SIZE)
    shutil.copytree(raw, tmp_path / "framed" / "mine")
    with pytest.raises(TwoFaceError, match=r"framed/mine lies in .*framed, which is replaced"):
        prepare_listed(tmp_path / "framed" / "mine", listed, tmp_path / "framed", TIGHT, 2 * SIZE)
    assert (tmp_path / "framed" / "mine" / listed.photos[0]).is_file()
