"""Folders of photos: what is taken of them, and where results go."""

from pathlib import Path

import pytest
from drawn_tree import drawn_tree

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.listing import list_photos, some_of
from twoface_pl.masks import build_mask_policy
from twoface_pl.serving.plan import plan_jobs


def test_every_photo_of_a_folder_is_taken_and_all_else_named(tmp_path: Path) -> None:
    drawn_tree(
        tmp_path, "b.jfif", "A.JPG", "c.avif", "d.Jpe", "holiday/e.jpg", "holiday/spain/f.webp", "g.heic", "notes.txt",
        "holiday/more.txt", ".hidden.jpg", ".git/h.jpg", "Thumbs.db", "desktop.ini",
    )  # fmt: skip
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "album").symlink_to("holiday")
    found = list_photos(tmp_path)
    names = [str(path.relative_to(tmp_path)) for path in found.paths]
    assert names == ["A.JPG", "b.jfif", "c.avif", "d.Jpe", "g.heic", "holiday/e.jpg", "holiday/spain/f.webp"]
    assert [path.name for path in found.left_out] == ["album", "gone.png", "more.txt", "notes.txt"]
    assert some_of([str(number) for number in range(7)]) == "0, 1, 2, 3, 4 and 2 more"


def test_a_folder_of_masks_says_what_it_leaves_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    drawn_tree(tmp_path, "a.jfif", "more/b.PNG", "notes.txt")
    policy = build_mask_policy({"name": "files", "folder": str(tmp_path)})
    assert len(policy._files) == 2  # type: ignore[attr-defined]
    assert "left out, no pictures: notes.txt" in caplog.text


def test_folders_in_folders_keep_their_places(tmp_path: Path) -> None:
    drawn_tree(
        tmp_path / "in", "a.jpg", "holiday/a.jpg", "holiday/b.jpg", "out/old.png", "masks/a.png", "holiday/c.png"
    )
    drawn_tree(tmp_path / "refs", "a.png", "holiday/a.png", "b.png")
    plan = plan_jobs(tmp_path / "in", [tmp_path / "refs"], tmp_path / "in" / "out", tmp_path / "in" / "masks")
    placed = {
        str(job.photo.relative_to(tmp_path / "in")): (
            str(job.references[0].relative_to(tmp_path / "refs")),
            str(job.output.relative_to(tmp_path / "in")),
        )
        for job in plan.jobs
    }
    assert placed == {"a.jpg": ("a.png", "out/a.jpg"), "holiday/a.jpg": ("holiday/a.png", "out/holiday/a.jpg")}
    assert len(plan.failures) == 2  # b has no mask, c neither
    assert all("no mask named like" in failure or "no reference named like" in failure for failure in plan.failures)
    for output in (tmp_path / "in", tmp_path / "in" / ".", tmp_path / "refs", tmp_path / "in" / "masks"):
        with pytest.raises(TwoFaceError, match="holds the photos, masks or references; give another folder"):
            plan_jobs(tmp_path / "in", [tmp_path / "refs"], output, tmp_path / "in" / "masks")
    with pytest.raises(TwoFaceError, match="is one picture; for a folder of photos give files or folders"):
        plan_jobs(tmp_path / "in", [Path("-")], tmp_path / "out")


def test_no_two_photos_share_an_output(tmp_path: Path) -> None:
    drawn_tree(tmp_path / "in", "a.avif", "a.png", "a-avif.png", "A-PNG.png", "a.jpg", "b.webp", "c.jfif")
    plan = plan_jobs(tmp_path / "in", [tmp_path / "in" / "a.jpg"], tmp_path / "out")
    names = {job.photo.name: job.output.name for job in plan.jobs}
    assert names == {
        "a-avif.png": "a-avif.png",
        "A-PNG.png": "A-PNG.png",
        "a.avif": "a-avif-2.png",  # a format that is read, not written
        "a.png": "a-png-2.png",
        "a.jpg": "a.jpg",
        "b.webp": "b.webp",
        "c.jfif": "c.png",
    }
