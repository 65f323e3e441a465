"""Names in one text, lists taken apart on demand, a zip's directory of more members than a set has."""

import contextlib
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twoface_pl.data.index import SplitIndex
from twoface_pl.data.landmarks import read_landmarks
from twoface_pl.data.names import Lists, Names, hash_of
from twoface_pl.data.references import reference_candidates, usable_targets
from twoface_pl.data.source import FolderSource, ZipSource
from twoface_pl.data.zip_directory import Directory
from twoface_pl.errors import TwoFaceError

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=30)


@given(TEXTS)
def test_names_are_what_they_are_made_of(texts: list[str]) -> None:
    names = Names.of(texts)
    assert list(names) == texts
    assert [names[row] for row in range(len(names))] == texts
    assert list(names[1::2]) == texts[1::2]
    last = {text: row for row, text in enumerate(texts)}
    assert names.rows_of(names).tolist() == [names.row(text) for text in texts] == [last[text] for text in texts]
    assert all(texts[names.row(text)] == text for text in texts)
    absent = "none of them" * 5
    assert names.row(absent) == -1
    assert names.rows_of(Names.of([absent])).tolist() == [-1]
    assert list(names.before("/")) == [text.partition("/")[0] for text in texts]
    assert names.hashes().tolist() == [hash_of(text.encode()) for text in texts]


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20), max_size=20), st.booleans()
)
def test_lines_are_those_that_are_not_blank(texts: list[str], returns: bool) -> None:
    content = ("\r\n" if returns else "\n").join(texts).encode()
    expected = [line.rstrip("\r") for line in content.decode().split("\n")]
    assert list(Names.lines(content)) == [line for line in expected if line.encode().strip()]


def test_lists_are_taken_apart_by_key() -> None:
    lists = Lists(Names.lines(b"b:2.jpg,1.jpg,2.jpg\n\nAnna Maria:a,,b\nc:x\n"))
    assert dict(lists) == {"b": ("2.jpg", "1.jpg", "2.jpg"), "Anna Maria": ("a", "b"), "c": ("x",)}
    assert lists.counts().tolist() == [2, 2, 1]
    twice = Lists(Names.lines(b"a:1\nb:2\na:3\n"))
    assert dict(twice) == {"a": ("3",), "b": ("2",)}
    assert len(twice) == 2
    assert "nobody" not in lists
    assert lists.get("nobody", ()) == ()


@given(
    st.dictionaries(
        st.sampled_from("abc"), st.lists(st.sampled_from(["1", "2", "3", "4"]), min_size=1, max_size=4), min_size=1
    ),
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("12345")), min_size=1, unique=True),
    st.dictionaries(st.sampled_from(["a/1", "a/2", "b/1"]), st.lists(st.sampled_from("1234"), min_size=1), max_size=3),
)
def test_usable_targets_are_those_with_another_reference(references: dict, masked: list, alike: dict) -> None:
    entries = [f"{person}/{file}" for person, file in masked]

    def listed(lists: dict) -> Lists:
        return Lists(Names.lines("\n".join(f"{key}:{','.join(parts)}" for key, parts in lists.items()).encode()))

    expected = [
        entry for entry in entries if reference_candidates(SplitIndex((), (), references, alike), *entry.split("/"))
    ]
    assert list(usable_targets(SplitIndex(entries, (), references, alike))) == expected
    assert list(usable_targets(SplitIndex(Names.of(entries), (), listed(references), listed(alike)))) == expected


@pytest.mark.parametrize("form", ["{:.4f}", "{:.3f}", "{:.6g}", "{:.2e}", "{:.4f} "])
def test_landmarks_of_any_form_are_read(form: str, tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(-0.2, 1.2, (300, 10))
    lines = [
        f"p{row % 7}/{row}.jpg:{','.join(form.format(value) for value in line)}" for row, line in enumerate(points)
    ]
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "landmarks.txt").write_text("\n".join(lines) + "\n")
    landmarks = read_landmarks(FolderSource(tmp_path), "train")
    assert len(landmarks) == 300
    written = [[float(form.format(value)) for value in line] for line in points]
    assert np.array_equal(landmarks.points.reshape(300, 10), np.array(written, np.float32))
    assert np.allclose(landmarks["p1/1.jpg"], np.reshape(written[1], (5, 2)), atol=1e-6)
    assert "p1/0.jpg" not in landmarks


NINE, TEN, ELEVEN = (",".join(["0.1000"] * count) for count in (9, 10, 11))


@pytest.mark.parametrize(
    "bad",
    [
        f"p/1.jpg:{NINE}\np/2.jpg:{ELEVEN}", f"p/1.jpg:{NINE},x", f"p/1.jpg:{NINE},0.1 0.2", f"p/1.jpg:{NINE},7-0.1",
        f":{TEN}", TEN, "p", "p/1.jpg:", f"p/1.jpg:{NINE},nan", f"p/1.jpg:{NINE},inf", f"p/1.jpg:{NINE},0_1.000",
        f"p/1.jpg:{NINE},9_9,0.2", f"p/1.jpg:{NINE},1e39", "p\nq\nr",
        f"p/1.jpg:{NINE},0:1000", f"p/1.jpg:{NINE};0.1000",
    ],
)  # fmt: skip
def test_landmarks_that_are_none(bad: str, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "landmarks.txt").write_text(f"q/1.jpg:{TEN}\n\n{bad}\nq/2.jpg:{TEN}\n")
    with pytest.raises(TwoFaceError, match=r"landmarks\.txt, line 3: .* has no five points"):
        read_landmarks(FolderSource(tmp_path), "train")
    (tmp_path / "train" / "landmarks.txt").write_text(f"q/1.jpg:{TEN}\n \n\nq/2.jpg:{TEN},\r\n")
    assert np.allclose(read_landmarks(FolderSource(tmp_path), "train").points, 0.1)


def _packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_directory_finds_what_zipfile_finds(tmp_path: Path) -> None:
    names = [f"train/masked/person {number % 13}/{number}é.jpg" for number in range(3000)]
    names += ["train/PK\x01\x02/looks like an entry.jpg", "a..b/c...d.jpg", "train/masked/x:y/1.jpg"]
    path = _packed(tmp_path / "data.zip", {name: name.encode() for name in names})
    directory = Directory(path.read_bytes(), 2**20)
    assert len(directory) == len(names)
    assert list(directory.names()) == names
    assert list(directory.names("train/PK")) == [names[3000]]
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            member = directory.find(info.filename)
            assert member is not None
            found = (member.start, member.packed, member.size, member.checksum)
            assert found == (info.header_offset, info.compress_size, info.file_size, info.CRC)
    assert directory.find("train/masked/person 1/nobody.jpg") is None
    shifted = tmp_path / "shifted.zip"  # of an archive that unpacks itself
    shifted.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    assert ZipSource(shifted, in_memory=False).read(names[7]) == names[7].encode()


def test_members_beyond_four_gigabytes_are_found(tmp_path: Path) -> None:
    """As a zip of that size has them: the offset stands in the extra field, the end in a record of 64 bits."""
    content, name = b"a photo", b"train/masked/a/1.jpg"
    far = 2**32 + 12345
    header = struct.pack("<4s5H3L2H", b"PK\x03\x04", 45, 0, 0, 0, 0, zipfile.crc32(content), 7, 7, len(name), 0)
    extra = struct.pack("<HHH", 0x5455, 2, 0) + struct.pack("<HHQ", 1, 8, far)
    entry = struct.pack(
        "<4s6H3L5H2L", b"PK\x01\x02", 45, 45, 0, 0, 0, 0, zipfile.crc32(content), 7, 7, len(name), len(extra), 0, 0, 0,
        0o100644 << 16, 2**32 - 1,
    )  # fmt: skip
    directory = entry + name + extra
    start = far + len(header + name + content)
    end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(directory), start)
    end += struct.pack("<4sLQL", b"PK\x06\x07", 0, start + len(directory), 1)
    end += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.seek(far)  # a hole, that takes no room
        file.write(header + name + content + directory + end)
    with zipfile.ZipFile(path) as archive:
        assert archive.read(name.decode()) == content
    assert ZipSource(path, in_memory=False).read(name.decode()) == content


@pytest.mark.parametrize("seed", range(8))
def test_a_zip_with_bytes_changed_is_refused_or_read(seed: int, tmp_path: Path) -> None:
    """Nothing but a :class:`TwoFaceError` comes of it."""
    names = ["train/masked/a/1.jpg", "train/masked/b:c/..d.jpg", "dataset.json"]
    whole = _packed(tmp_path / "data.zip", {name: name.encode() for name in names}).read_bytes()
    rng = np.random.default_rng(seed)
    for _ in range(150):
        content = bytearray(whole)
        for at in rng.integers(-250, 0, rng.integers(1, 6)):
            content[at] = rng.choice([0, 1, 0x50, 0x4B, 0xFF, rng.integers(256)])
        cut = int(rng.integers(0, 40)) * int(rng.random() < 0.3)
        (tmp_path / "changed.zip").write_bytes(content[: len(content) - cut])
        with contextlib.suppress(TwoFaceError):
            source = ZipSource(tmp_path / "changed.zip", in_memory=bool(rng.integers(2)))
            source.photos("train/masked")
            for name in names:
                if source.has(name):
                    source.read(name)


@pytest.mark.parametrize(
    "content",
    [
        b"PK\6\6" + b"PK\6\7" + bytes(16) + b"PK\5\6" + bytes(18),  # a record of 64 bits that is cut
        b"PK\5\6" + bytes(16) + b"\x3a\0" + b":" * 58,  # nothing in it, and a comment
    ],
)
def test_odd_ends(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.zip").write_bytes(content)
    with contextlib.suppress(TwoFaceError):
        assert not ZipSource(tmp_path / "odd.zip", in_memory=True).has("x")


def test_the_last_of_two_members_counts_folders_do_not_and_names_are_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        archive.mkdir("train/")
        for number in range(300):
            for content in (b"old", b"new"):
                archive.writestr(f"wrap/train/masked/a/{number}.jpg", content)
    source = ZipSource(path, in_memory=True)
    assert all(source.read(f"train/masked/a/{number}.jpg") == b"new" for number in range(300))
    assert len(source.photos("train/masked")) == 300
    assert not source.has("train/masked/a")
    assert not source.has("train/masked/a王/1.jpg")
    assert not source.has_folder("tr\udc80")


def test_a_wrapper_with_a_name_of_another_encoding(tmp_path: Path) -> None:
    """As zip writes it on many systems: UTF-8, and no word of it."""
    name = "Sété/train/masked/é/1.jpg"
    content = bytearray(_packed(tmp_path / "data.zip", {name: b"1"}).read_bytes())
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(mark) + at + 1] &= ~0x08
    (tmp_path / "data.zip").write_bytes(content)
    source = ZipSource(tmp_path / "data.zip", in_memory=True)
    assert source.has_folder("train")
    ((person, file),) = source.photos("train/masked")
    assert source.read(f"train/masked/{person}/{file}") == b"1"


@pytest.mark.parametrize(
    ("place", "value", "says"), [(8, 1, "is encrypted"), (10, 12, "is packed in a way that is not read")]
)
def test_members_that_are_not_read(place: int, value: int, says: str, tmp_path: Path) -> None:
    content = bytearray(_packed(tmp_path / "data.zip", {"train/a/1.jpg": b"1"}).read_bytes())
    content[content.index(b"PK\x01\x02") + place] = value
    (tmp_path / "data.zip").write_bytes(content)
    with pytest.raises(TwoFaceError, match=says):
        ZipSource(tmp_path / "data.zip", in_memory=True)


def test_sizes_in_the_extra_field_and_counts_of_sixteen_bits(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("train/a/1.jpg")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive, archive.open(info, "w", force_zip64=True) as member:
        member.write(b"content")
    content = bytearray((tmp_path / "data.zip").read_bytes())
    at = content.index(b"PK\x01\x02")
    extra = struct.pack("<HHQQ", 1, 16, 7, 7)
    content[at + 20 : at + 28] = b"\xff" * 8
    content[at + 30 : at + 32] = struct.pack("<H", len(extra))
    content[at + 46 + 13 : at + 46 + 13] = extra
    end = content.index(b"PK\x05\x06")
    content[end + 12 : end + 16] = struct.pack("<L", end - at)
    (tmp_path / "wide.zip").write_bytes(content)
    assert ZipSource(tmp_path / "wide.zip", in_memory=True).read("train/a/1.jpg") == b"content"
    many = bytearray(_packed(tmp_path / "many.zip", {f"train/{at}": b"" for at in range(2**16 + 64)}).read_bytes())
    locator = many.rindex(b"PK\x06\x06")
    size, start = struct.unpack("<QQ", many[locator + 40 : locator + 56])
    old = bytes(many[:locator]) + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 64, 64, size, start, 0)
    (tmp_path / "old.zip").write_bytes(old)
    assert ZipSource(tmp_path / "old.zip", in_memory=True).has(f"train/{2**16 + 63}")
