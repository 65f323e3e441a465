"""Names in one text, lists taken apart on demand, a zip's directory of more members than a set has."""

import contextlib
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twoface_pl.data.index import SplitIndex, read_landmarks
from twoface_pl.data.names import Lists, Names, as_array, hash_of, hashes_of
from twoface_pl.data.source import FolderSource, ZipSource
from twoface_pl.data.triples import reference_candidates, usable_targets
from twoface_pl.data.zip_directory import Directory
from twoface_pl.errors import TwoFaceError

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=30)


@given(TEXTS)
def test_names_are_what_they_are_made_of(texts: list[str]) -> None:
    names = Names.of(texts)
    assert list(names) == texts
    assert [names[row] for row in range(len(names))] == texts
    assert list(names[1::2]) == texts[1::2]
    assert names.rows_of(names).tolist() == [names.row(text) for text in texts]
    assert all(texts[names.row(text)] == text for text in texts)
    absent = "none of them" * 5
    assert names.row(absent) == -1
    assert names.rows_of(Names.of([absent])).tolist() == [-1]
    assert list(names.before("/")) == [text.partition("/")[0] for text in texts]
    hashes = hashes_of(as_array(names.text), names.first, names.length)
    assert hashes.tolist() == [hash_of(text.encode()) for text in texts]


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20), max_size=20), st.booleans()
)
def test_lines_are_those_that_are_not_blank(texts: list[str], returns: bool) -> None:
    content = ("\r\n" if returns else "\n").join(texts).encode()
    expected = [line.removesuffix("\r") for line in content.decode().split("\n")]
    assert list(Names.lines(content)) == [line for line in expected if line.encode().strip()]


def test_lists_are_taken_apart_by_key() -> None:
    lists = Lists(Names.lines(b"b:2.jpg,1.jpg,2.jpg\n\nAnna Maria:a,,b\nc:x\n"))
    assert dict(lists) == {"b": ("2.jpg", "1.jpg", "2.jpg"), "Anna Maria": ("a", "b"), "c": ("x",)}
    assert lists.counts().tolist() == [2, 2, 1]
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


@pytest.mark.parametrize(
    "bad", ["p/1.jpg:0.1,0.2", "p/1.jpg:" + ",".join(["x"] * 10), ":" + ",".join(["0.1"] * 10), "p"]
)
def test_landmarks_that_are_none(bad: str, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    good = "q/1.jpg:" + ",".join(["0.1000"] * 10)
    (tmp_path / "train" / "landmarks.txt").write_text(f"{good}\n{bad}\n{good}\n")
    with pytest.raises(TwoFaceError, match=r"landmarks\.txt, line 2: .* has no five points"):
        read_landmarks(FolderSource(tmp_path), "train")


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


@pytest.mark.parametrize("place", range(-60, 0, 3))
def test_a_directory_with_a_byte_changed_is_refused_or_read_as_it_was(place: int, tmp_path: Path) -> None:
    content = bytearray(_packed(tmp_path / "data.zip", {"train/a/1.jpg": b"1", "train/a/2.jpg": b"2"}).read_bytes())
    content[place] ^= 0xFF
    (tmp_path / "changed.zip").write_bytes(content)
    with contextlib.suppress(TwoFaceError):
        source = ZipSource(tmp_path / "changed.zip", in_memory=True)
        assert [source.read(f"train/a/{number}.jpg") for number in (1, 2)] == [b"1", b"2"]
