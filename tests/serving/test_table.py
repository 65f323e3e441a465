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
    names = [str(job.output.relative_to(tmp_path / "out")) for job in plan.jobs]
    assert names == ["a.jpg", "sub/a.jpg", "x, y.webp", "h.png"]
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
    several = _table(
        tmp_path, "p.jpg,left.png,b.jpg", "p.jpg,right.png,b.jpg", "p.jpg,,b.jpg", "p.jpg,,c.jpg", "..,,b.jpg"
    )
    names = [job.output.name for job in plan_table(several, tmp_path / "new").jobs]
    assert names == ["p-left.jpg", "p-right.jpg", "p.jpg", "p-2.jpg", "photo.png"]
    without = _table(tmp_path, "a.jpg,b.jpg", head="image,references")
    assert plan_table(without, tmp_path / "new").jobs[0].mask is None


def test_a_table_that_gains_rows_keeps_each_photos_result(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "out" / "a").mkdir(parents=True)
    table, rows = tmp_path / "set" / "list.csv", ["a/p.jpg,m.png", f"{tmp_path}/b/p.jpg,m.png", "../b/q.jpg,m.png"]
    table.write_text("\n".join(["image,references", *rows]))
    before = {job.photo: job.output for job in plan_table(table, table.parent / "out").jobs}
    assert [str(path.relative_to(table.parent / "out")) for path in before.values()] == [
        "a/p.jpg",
        "b/p.jpg",
        "b/q.jpg",
    ]
    (table.parent / "out" / "a" / "p.jpg").touch()
    table.write_text("\n".join(["image,references", "new/p.jpg,m.png", *rows]))
    plan = plan_table(table, table.parent / "out")
    assert plan.kept == [table.parent / "out" / "a" / "p.jpg"]
    after = {job.photo: job.output for job in plan.jobs}
    assert after.pop(table.parent / "new" / "p.jpg") == table.parent / "out" / "new" / "p.jpg"
    assert after.items() <= before.items()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("between", [",", ";", "\t", "sep=;"])
def test_a_table_as_spreadsheets_write_it(between: str, encoding: str, tmp_path: Path) -> None:
    """With capitals, blanks and empty lines, and what the country separates fields with."""
    lines = [
        " Image ,REFERENCES,Mask",
        "",
        '0.png , "1.png; 2.png;" , m.png'.replace(" , ", ","),
        ",,",
        '"a;b.jpg",3.png, ',
    ]
    head = [between] if between.startswith("sep=") else []
    text = "\r\n".join([*head, *(line.replace(",", between[-1]) for line in lines)])
    (tmp_path / "list.csv").write_text(text, encoding=encoding)
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
        (b"photo,references\na.jpg,b.jpg\n", "columns photo, references, of which photo is not known; it needs"),
        (b"image,references,extra\na,b,c\n", "columns image, references, extra, of which extra is not known; it needs"),
        (b"image,mask,references\n", "no photos; it needs"),
        (b"image,image,references\na,b,c\n", "columns image, image, references; it needs"),
        (b"image,mask,references\na.jpg,m.png,b.jpg\na.jpg,m.png\n", "line 3: no references; it needs"),
        (b"image,mask,references\na.jpg,m.png,b.jpg,c.jpg\n", "line 2: 4 fields for 3 columns; a name with , in it"),
        (b"image,mask,references\na.jpg,m.png,\n", "line 2: no references; it needs"),
        (b"image,mask,references\n ,m.png,b.jpg\n", "line 2: no image; it needs"),
        (b"image,mask,references\n\xff\xfe\n", "no text in UTF-8; save it as CSV UTF-8"),
        ("image,references\na,b\n".encode("utf-16-le"), "no text in UTF-8; save it as CSV UTF-8"),
        (
            b'image,mask,references\n"a.jpg,m.png,b.jpg\n',
            "from line 2 on: unexpected end of data; is a quote not closed",
        ),
        (b"sep=|\nimage|references\na|b\n", r"columns are not separated by '\|'; use commas"),
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
        "utf-16",
        "quote",
        "other separator",
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
