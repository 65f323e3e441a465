"""Photos to fill, given as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from PIL import Image

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.serving.table import plan_table


def _table(folder: Path, *lines: str, head: str = "image,mask,references") -> Path:
    path = folder / "list.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8-sig")  # as spreadsheets write it
    return path


def test_rows_are_planned(tmp_path: Path) -> None:
    path = _table(tmp_path, "a.jpg,m.png,b.jpg;c d.png", 'sub/a.jpg,,"b.jpg"', '"x, y.webp",,b.jpg', "h.heic,,b.jpg")
    plan = plan_table(path, tmp_path / "out")
    assert [job.output.name for job in plan.jobs] == ["a-line2.jpg", "a-line3.jpg", "x, y.webp", "h.png"]
    first, second = plan.jobs[:2]
    assert first.references == (tmp_path / "b.jpg", tmp_path / "c d.png")
    assert first.mask == tmp_path / "m.png"
    assert second.photo == tmp_path / "sub" / "a.jpg"
    assert second.mask is None
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "h.png").touch()
    assert plan_table(path, tmp_path / "out").kept == [tmp_path / "out" / "h.png"]
    assert len(plan_table(path, tmp_path / "out", force=True).jobs) == 4
    with pytest.raises(TwoFaceError, match=r"out\.jpg is a picture's name; for a table of photos give a folder"):
        plan_table(path, tmp_path / "out.jpg")
    numbered = _table(tmp_path, "x/p.jpg,,b.jpg", "y/p.jpg,,b.jpg", "z/p-line2.jpg,,b.jpg")
    names = [job.output.name for job in plan_table(numbered, tmp_path / "new").jobs]
    assert names == ["p-line2-2.jpg", "p-line3.jpg", "p-line2.jpg"]
    without = _table(tmp_path, "a.jpg,b.jpg", head="image,references")
    assert plan_table(without, tmp_path / "new").jobs[0].mask is None


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_table_as_spreadsheets_write_it(between: str, tmp_path: Path) -> None:
    """With capitals, blanks and empty lines, and what the country separates fields with."""
    lines = [
        " Image ,REFERENCES,Mask",
        "",
        '0.png , "1.png; 2.png;" , m.png'.replace(" , ", ","),
        ",,",
        '"a;b.jpg",3.png, ',
    ]
    (tmp_path / "list.csv").write_text("\r\n".join(lines).replace(",", between), encoding="utf-8-sig")
    jobs = plan_table(tmp_path / "list.csv", tmp_path / "out").jobs
    assert [(job.photo.name, [path.name for path in job.references]) for job in jobs] == [
        ("0.png", ["1.png", "2.png"]), ("a;b.jpg", ["3.png"]),
    ]  # fmt: skip
    assert [job.mask for job in jobs] == [tmp_path / "m.png", None]
    assert [job.output.name for job in jobs] == ["0.png", "a;b.jpg"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "columns none; it needs a first line image,mask,references"),
        (b"photo,references\na.jpg,b.jpg\n", "columns photo, references; it needs"),
        (b"image,references,extra\na,b,c\n", "columns extra, image, references; it needs"),
        (b"image,mask,references\n", "no photos; it needs"),
        (b"image,image,references\na,b,c\n", "columns image, image, references; it needs"),
        (b"image,mask,references\na.jpg,m.png,b.jpg\na.jpg,m.png\n", "line 3: no references; it needs"),
        (b"image,mask,references\na.jpg,m.png,b.jpg,c.jpg\n", "line 2: 4 fields for 3 columns; a name with , in it"),
        (b"image,mask,references\na.jpg,m.png,\n", "line 2: no references; it needs"),
        (b"image,mask,references\n ,m.png,b.jpg\n", "line 2: no image; it needs"),
        (b"image,mask,references\n\xff\xfe\n", "no table of text in UTF-8"),
        (b'image,mask,references\n"a.jpg,m.png,b.jpg\n', "no table of text in UTF-8"),
    ],
    ids=[
        "empty",
        "a column lacks",
        "one too many",
        "no rows",
        "twice",
        "short",
        "long",
        "no reference",
        "no image",
        "binary",
        "quote",
    ],
)
def test_what_is_no_table_is_a_sentence(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(TwoFaceError, match=says):
        plan_table(tmp_path / "list.csv", tmp_path / "out")
    with pytest.raises(TwoFaceError, match="cannot be read"):
        plan_table(tmp_path / "none.csv", tmp_path / "out")


def test_a_table_through_the_command(twoface: Run, model: Path, tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / f"{number}.png", synthetic_photo(3, number, 96))
    hole = np.zeros((96, 96), np.uint8)
    hole[40:60, 30:70] = 255
    Image.fromarray(hole).save(tmp_path / "hole.png")
    path = _table(tmp_path, "0.png,hole.png,1.png;2.png", "none.png,hole.png,1.png", "1.png,,0.png")
    done = twoface("inpaint", "--model", model, "--image", path, cwd=tmp_path)
    assert done.returncode == 1
    failed = Path("list-filled", "failed.txt")
    assert f"2 of 3 photos filled; what failed stands in {tmp_path / failed} too" in done.stderr
    assert "none.png: no such file" in (tmp_path / failed).read_text()
    filled = decode_image(tmp_path / "list-filled" / "0.png")
    assert np.array_equal(filled[hole == 0], synthetic_photo(3, 0, 96)[hole == 0])
    _table(tmp_path, "0.png,hole.png,1.png;2.png", "1.png,,0.png")
    again = twoface("inpaint", "--model", model, "--image", path, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "2 photos are there already and kept" in again.stderr
    assert not (tmp_path / failed).exists()
    refused = twoface("inpaint", "--model", model, "--image", path, "--reference", "1.png", cwd=tmp_path)
    assert "a table says itself which masks and references" in refused.stderr
    lacking = twoface("inpaint", "--model", model, "--image", "0.png", cwd=tmp_path)
    assert "--reference is needed: other photos of the same person" in lacking.stderr
