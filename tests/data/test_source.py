"""Folders and zips behind one interface; zips that are not safe are refused."""

import pickle
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import SIZE

from twoface_pl.data.index import SPLITS, read_frame, read_index
from twoface_pl.data.landmarks import read_landmarks
from twoface_pl.data.source import FolderSource, ZipSource, open_source
from twoface_pl.data.triples import TripleOptions, Triples
from twoface_pl.data_prep.layout import write_zip
from twoface_pl.errors import TwoFaceError
from twoface_pl.masks import CenterSquare


def _zip_of_a_copy(prepared: Path, copy: Path) -> bytes:
    """The set is other tests' too: nothing is left in it."""
    shutil.copytree(prepared, copy)
    return write_zip(copy).read_bytes()


@pytest.fixture(scope="module")
def zipped(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zip") / "data.zip"
    path.write_bytes(_zip_of_a_copy(prepared, path.parent / "copy"))
    return path


def _pack(path: Path, prepared: Path, wrapper: str = "", method: int = zipfile.ZIP_DEFLATED) -> Path:
    """As somebody packs a folder by hand: with entries for folders, perhaps in a folder."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for member in sorted(prepared.rglob("*")):
            archive.write(member, wrapper + member.relative_to(prepared).as_posix())
    return path


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("kind", ["prepared", "deflated", "in a folder"])
def test_a_zip_gives_what_its_folder_gives(
    kind: str, in_memory: bool, prepared: Path, zipped: Path, tmp_path: Path
) -> None:
    path = zipped
    if kind != "prepared":
        path = _pack(tmp_path / "data.zip", prepared, "my faces_train/x/" if kind == "in a folder" else "")
    folder, source = FolderSource(prepared), open_source(path, in_memory)
    assert read_frame(source) == read_frame(folder)
    for split in SPLITS:
        assert read_index(source, split) == read_index(folder, split)
        assert read_landmarks(source, split).keys() == read_landmarks(folder, split).keys()
        assert source.photos(f"{split}/masked") == folder.photos(f"{split}/masked")
    one, other = (
        Triples(place, "train", CenterSquare(16), TripleOptions(SIZE, 0, training=True))
        for place in (folder, pickle.loads(pickle.dumps(source)))
    )
    for position in range(0, len(one), 7):
        for key, value in one[(0, position)].items():
            assert np.array_equal(value, other[(0, position)][key])  # type: ignore[literal-required]


def test_a_zip_is_the_same_bytes_whenever_it_is_made(prepared: Path, zipped: Path, tmp_path: Path) -> None:
    assert _zip_of_a_copy(prepared, tmp_path / "copy") == zipped.read_bytes()


@pytest.mark.parametrize("name", ["../../outside.jpg", "/etc/passwd", "train/../../x.jpg", "C:/x.jpg", "a\\..\\x.jpg"])
def test_members_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("train/masked/a/1.jpg", b"x")
        archive.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(TwoFaceError, match="leads out of the zip; nothing of it is used"):
        open_source(tmp_path / "data.zip")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("train/masked/a/1.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(TwoFaceError, match="is a link"):
        open_source(tmp_path / "data.zip")


def test_a_zip_bomb_is_refused_by_its_directory_and_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/masked/a/1.jpg", b"\0" * (65 * 2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(TwoFaceError, match="unpacks to 65 MB, more than 64"):
        open_source(path)
    # One that lies: its directory says 1,000 bytes.
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 1000)
    path.write_bytes(content)
    with pytest.raises(TwoFaceError, match="of another size than the zip says"):
        open_source(path).read("train/masked/a/1.jpg")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "not a zip"), (b"no zip at all", "not a zip"), (None, "no file .*make it with `twoface prepare zip=true`")],
)
def test_what_is_no_zip(content: bytes | None, says: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "data.zip").write_bytes(content)
    with pytest.raises(TwoFaceError, match=says):
        open_source(tmp_path / "data.zip")


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_cut_or_damaged_zip(in_memory: bool, zipped: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.zip"
    cut.write_bytes(zipped.read_bytes()[:-3000])
    with pytest.raises(TwoFaceError, match="copy or make it again"):
        open_source(cut, in_memory)
    damaged = tmp_path / "damaged.zip"
    content = bytearray(zipped.read_bytes())
    source = ZipSource(zipped, in_memory)
    name = "train/" + "masked/" + "/".join(source.photos("train/masked")[0])
    place = content.index(name.encode()) - 30
    content[place : place + 4] = b"XXXX"
    damaged.write_bytes(content)
    with pytest.raises(TwoFaceError, match="the zip is damaged"):
        open_source(damaged, in_memory).read(name)
    content[place : place + 4] = b"PK\x03\x04"
    content[place + 30 + len(name) + 400] ^= 1  # one bit of the photo
    damaged.write_bytes(content)
    with pytest.raises(TwoFaceError, match=r"damaged \(checksum\)"):
        open_source(damaged, in_memory).read(name)
    with pytest.raises(TwoFaceError, match="no such file"):
        source.read("train/nothing.jpg")


def test_a_zip_whose_index_names_missing_files(prepared: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for member in sorted((prepared / "train").rglob("*")):
            if member.suffix != ".jpg" or "reference" in member.parts:
                archive.write(member, member.relative_to(prepared).as_posix())
    with pytest.raises(
        TwoFaceError, match=r"names \d+ files that are not there, the first is .*data\.zip:train/masked"
    ):
        read_index(open_source(tmp_path / "data.zip"), "train")
