"""Folders of photos, the photo among its references, standard input and output."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SIZE, Run
from drawn_tree import drawn_tree
from PIL import Image

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import Photo, decode_image, write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.faces.writing import write_photo
from twoface_pl.model_file import REPAIR
from twoface_pl.serving.jobs import JobOptions, run_job
from twoface_pl.serving.plan import Job, plan_jobs
from twoface_pl.serving.references import is_copy
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model

HOLE = np.zeros((SIZE, SIZE), bool)
HOLE[24:40, 20:44] = True


@pytest.fixture(scope="module")
def session(model: Path) -> RepairSession:
    return RepairSession(find_model(model, REPAIR), "cpu")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a damaged photo, its hole, and two others of the person."""
    damaged = synthetic_photo(1, 0, SIZE)
    damaged[HOLE] = (40, 220, 60)
    write_image(tmp_path / "photo.png", damaged)
    write_image(tmp_path / "mask.png", np.dstack([HOLE.astype(np.uint8) * 255] * 3))
    for number in (1, 2):
        write_image(tmp_path / f"other{number}.png", synthetic_photo(1, number, SIZE))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _fill(session: RepairSession, *references: str, output: str = "out.png", photo: str = "photo.png") -> np.ndarray:
    job = Job(Path(photo), tuple(map(Path, references)), Path(output), Path("mask.png"))
    run_job(session, job, JobOptions(force=True))
    return decode_image(Path(output))


def test_the_photo_among_its_references_is_left_out(
    session: RepairSession, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = _fill(session, "other1.png", "other2.png")
    (here / "link.png").symlink_to("photo.png")
    Image.open("photo.png").save("copy.webp", lossless=True)
    for itself in ("photo.png", "./photo.png", "link.png", "copy.webp"):
        caplog.clear()
        assert np.array_equal(_fill(session, itself, "other1.png", "other2.png"), wanted), itself
        assert f"reference {Path(itself)} is left out: it is the photo itself" in caplog.text


def test_a_copy_of_the_damaged_photo_is_no_reference_and_the_undamaged_one_is_the_best(
    session: RepairSession, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    large = np.asarray(Image.fromarray(synthetic_photo(1, 0, SIZE)).resize((4 * SIZE, 4 * SIZE)))
    hole = HOLE.repeat(4, 0).repeat(4, 1)
    damaged = large.copy()
    damaged[hole] = (40, 220, 60)
    small = np.asarray(Image.fromarray(damaged).resize((3 * SIZE, 3 * SIZE)))
    copies = {"copy.jpg": damaged, "small.jpg": small, "whole.jpg": large}
    for name, pixels in copies.items():
        Image.fromarray(pixels).save(here / name, quality=85)
    seen = {name: decode_image(here / name) for name in copies}
    assert is_copy(seen["copy.jpg"], damaged, hole)
    assert is_copy(seen["small.jpg"], damaged, hole)
    assert not is_copy(seen["whole.jpg"], damaged, hole)
    assert not is_copy(synthetic_photo(1, 1, SIZE), damaged, hole)
    assert not is_copy(seen["copy.jpg"][:, :200], damaged, hole)
    wanted = _fill(session, "other1.png")
    Image.fromarray(decode_image(Path("photo.png"))).save("encoded.jpg", quality=90)
    assert np.array_equal(_fill(session, "encoded.jpg", "other1.png"), wanted)
    assert "reference encoded.jpg is left out: it is the photo itself, in a copy" in caplog.text


def test_a_photo_that_is_its_only_reference_gives_nothing_of_its_damage(
    session: RepairSession, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    green = _fill(session, "photo.png")
    assert (
        "no reference is left: photo.png is filled from the rest of itself; give other photos of the person"
        in caplog.text
    )
    red = synthetic_photo(1, 0, SIZE)
    red[HOLE] = (250, 0, 0)
    write_image(here / "photo.png", red)
    assert np.array_equal(_fill(session, "photo.png")[HOLE], green[HOLE])


def test_a_result_that_is_removed_is_made_anew_with_its_comparison(session: RepairSession, here: Path) -> None:
    (job,) = plan_jobs(Path("photo.png"), [Path("other1.png")], Path("out.png")).jobs
    run_job(session, job, JobOptions(compare=True))
    (here / "out.png").unlink()
    run_job(session, job, JobOptions(compare=True))
    (here / "out.png").unlink()
    for content in (Path("other1.png").read_bytes(), b"no picture"):  # of somebody's own
        (here / "out-compare.jpg").write_bytes(content)
        with pytest.raises(TwoFaceError, match=r"out-compare\.jpg exists and is kept"):
            run_job(session, job, JobOptions(compare=True))


def test_the_photos_own_folder_as_its_reference(here: Path) -> None:
    with pytest.raises(
        TwoFaceError, match=r"has no reference of photo\.png but the photo itself; `references_from` takes"
    ):
        plan_jobs(Path("photo.png"), [Path(".")], Path("out.png"))


def test_one_folder_for_photos_and_references(
    session: RepairSession, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (here / "one").mkdir()
    (here / "photo.png").rename(here / "one" / "photo.png")
    (job,) = plan_jobs(Path("one"), [Path("one")], Path("out")).jobs
    run_job(session, job, JobOptions())
    assert "it is the photo itself" in caplog.text


def test_a_photo_is_not_its_own_mask(session: RepairSession, here: Path) -> None:
    (here / "copy.bmp").write_bytes(b"")
    Image.open("photo.png").save("copy.bmp")
    for mask in ("photo.png", "copy.bmp"):
        job = Job(Path("photo.png"), (Path("other1.png"),), Path("out.png"), Path(mask))
        with pytest.raises(TwoFaceError, match=f"mask {mask} is the photo itself"):
            run_job(session, job, JobOptions(force=True))
    assert not (here / "out.png").exists()


@pytest.mark.parametrize(("colour", "warns"), [((255, 0, 0), False), ((128, 128, 128), True)])
def test_masks_in_colour_are_masks_and_grey_ones_are_asked_about(
    colour: tuple[int, int, int], warns: bool, session: RepairSession, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    white = _fill(session, "other1.png")
    write_image(here / "mask.png", np.where(HOLE[..., None], np.array(colour, np.uint8), np.uint8(0)))
    assert np.array_equal(_fill(session, "other1.png"), white) != warns
    assert ("is mostly grey: there the fill is blended" in caplog.text) == warns


def test_a_format_that_keeps_less_than_the_photo_has_is_refused(session: RepairSession, here: Path) -> None:
    alpha = np.full((SIZE, SIZE), 99, np.uint8)
    write_photo(here / "alpha.png", Photo(decode_image(Path("photo.png")), None, alpha))
    with pytest.raises(TwoFaceError, match=r"a BMP cannot keep the photo's transparency; use \.png or \.tiff"):
        _fill(session, "other1.png", output="out.bmp", photo="alpha.png")
    assert not (here / "out.bmp").exists()


def test_a_link_stays_a_link(session: RepairSession, here: Path) -> None:
    (here / "kept.png").write_bytes(b"old")
    (here / "out.png").symlink_to("kept.png")
    _fill(session, "other1.png")
    assert (here / "out.png").is_symlink()
    (here / "loop.png").symlink_to("loop.png")
    with pytest.raises(TwoFaceError, match=r"loop\.png: cannot be written"):
        _fill(session, "other1.png", output="loop.png")
    assert decode_image(here / "kept.png").shape == (SIZE, SIZE, 3)


def test_no_two_comparisons_meet_nor_take_a_results_place(session: RepairSession, tmp_path: Path) -> None:
    drawn_tree(tmp_path / "in", "a.jpg", "a.png", "a-jpg-compare.jpg", "b.png")
    plan = plan_jobs(tmp_path / "in", [tmp_path / "in" / "b.png"], tmp_path / "out")
    shown = {job.photo.name: job.comparison.name for job in plan.jobs if job.comparison}
    assert shown == {
        "a.jpg": "a-jpg-compare-2.jpg",
        "a.png": "a-png-compare.jpg",
        "a-jpg-compare.jpg": "a-jpg-compare-compare.jpg",
        "b.png": "b-compare.jpg",
    }
    for job in plan.jobs[:3]:
        run_job(session, job, JobOptions(compare=True))
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_what_is_written_beside_a_result_replaces_nothing_that_is_given(session: RepairSession, here: Path) -> None:
    for name in ("out-compare.jpg", "out.png"):
        write_image(here / name, synthetic_photo(1, 1, SIZE))
    (job,) = plan_jobs(Path("photo.png"), [Path("out-compare.jpg")], Path("out.png"), force=True).jobs
    with pytest.raises(TwoFaceError, match=r"out-compare\.jpg is a photo, mask or reference that is given"):
        run_job(session, job, JobOptions(compare=True, force=True))
    Image.open(here / "photo.png").convert("CMYK").save(here / "inks.jpg")  # no JPEG that keeps all but its hole
    as_png = Job(Path("inks.jpg"), (Path("out.png"),), Path("out.jpg"), None, Path("out.png"))
    with pytest.raises(TwoFaceError, match=r"out\.png is a photo, mask or reference that is given"):
        run_job(session, as_png, JobOptions(force=True))


def test_a_folder_through_the_command(twoface: Run, model: Path, tmp_path: Path) -> None:
    drawn_tree(tmp_path / "in", "a.jpg", "b.jfif", "holiday/d.JPG", "broken.heic", "notes.txt", "alone.png")
    (tmp_path / "in" / "broken.heic").write_bytes(b"\0\0\0\x1cftypheic" + bytes(50))
    drawn_tree(tmp_path / "refs", "x0.png", "x1.png", "a.png", "b.png", "d.png", "broken.png")
    command = ["inpaint", "--model", model, "--image", "in", "--reference", "refs", "--output", "out"]
    done = twoface(*command, cwd=tmp_path)
    assert done.returncode == 1
    for said in (
        "left out, not photos by their names: notes.txt",
        "3 of 5 photos filled",
        "broken.heic:",
        "alone.png:",
    ):
        assert said in done.stderr, done.stderr
    results = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert results == ["a.jpg", "b.png", "failed.txt", "holiday/d.JPG"]
    before = (tmp_path / "out" / "a.jpg").stat().st_mtime_ns
    (tmp_path / "in" / "broken.heic").unlink()
    (tmp_path / "in" / "alone.png").unlink()
    again = twoface(*command, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "3 photos are there already and kept; --force fills them anew" in again.stderr
    assert (tmp_path / "out" / "a.jpg").stat().st_mtime_ns == before


def test_standard_input_and_output(model: Path, here: Path) -> None:
    command = [
        Path(sys.executable).with_name("twoface"), "inpaint", "--model", model, "--image", "-", "--mask", "mask.png",
        "--reference", "other1.png", "--output", "-",
    ]  # fmt: skip
    content = Path("photo.png").read_bytes()
    done = subprocess.run(command, input=content, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert image.format == "PNG"
        result = np.asarray(image)
    photo = decode_image(content)
    assert np.array_equal(result[~HOLE], photo[~HOLE])
    assert not np.array_equal(result[HOLE], photo[HOLE])
    for change, says in (({}, b"standard input is empty"), ({"mask.png": "-"}, b"can be one of --image, --mask")):
        changed = [change.get(str(part), part) for part in command]
        refused = subprocess.run(changed, input=b"", capture_output=True, check=False, timeout=120)
        assert refused.returncode == 1
        assert says in refused.stderr
        assert refused.stdout == b""
