"""The command line's photos and folders, with a real model under onnxruntime."""

import argparse
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import HOLE, SIZE, Run
from model_parts import by_hand, metadata_of
from onnx import helper
from PIL import Image

from twoface_pl.cli.inpaint_options import add_arguments
from twoface_pl.errors import TwoFaceError
from twoface_pl.export.write import write_repair
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import decode_image, encode_jpeg, to_grey, write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.model_file import REPAIR
from twoface_pl.serving.inpaint import inpaint
from twoface_pl.serving.plan import default_output, plan_jobs
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.table import plan_table
from twoface_pl.serving.versions import find_model


@pytest.fixture(scope="module")
def session(model: Path) -> RepairSession:
    return RepairSession(find_model(model, REPAIR), "cpu")


def _photo(width: int, height: int, person: int = 1, photo: int = 0) -> np.ndarray:
    pixels = synthetic_photo(person, photo, max(width, height))
    return np.ascontiguousarray(pixels[:height, :width])


@pytest.mark.parametrize(("width", "height"), [(64, 64), (131, 90), (90, 131), (300, 301), (40, 40)])
def test_only_the_hole_changes_at_any_size(session: RepairSession, width: int, height: int) -> None:
    photo, reference = _photo(width, height), _photo(200, 150, photo=1)
    result = inpaint(session, photo, reference)
    changed = (result != photo).any(axis=2)
    side = min(width, height)
    expected = round(side * HOLE / SIZE)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert abs(len(rows) - expected) <= 2
    assert abs(len(columns) - expected) <= 2
    assert abs(rows.mean() - (height - 1) / 2) <= 1.5
    assert abs(columns.mean() - (width - 1) / 2) <= 1.5


def test_a_mask_of_any_shape_is_kept_to(session: RepairSession) -> None:
    photo = _photo(131, 90)
    mask = np.zeros((90, 131), bool)
    mask[30:50, 40:47] = True
    mask[60, 90] = True
    result = inpaint(session, photo, _photo(70, 70, photo=1), mask)
    assert np.array_equal(result[~mask], photo[~mask])
    assert (result[mask] != photo[mask]).any()


@pytest.mark.parametrize(
    ("side", "box"),
    [(100, None), (64, None), (40, None), (100, (-30, 20, 90, 90)), (50, (-9, -9, 60, 60))],
    ids=["shrunk", "as it is", "enlarged", "over the edge", "over the edge, enlarged"],
)
def test_what_the_hole_held_does_not_matter(session: RepairSession, side: int, box: tuple | None) -> None:
    mask = np.zeros((side, side), bool)
    mask[side // 3 : side // 2 + 2, 3 : side // 3] = True
    photo = _photo(side, side)
    spoiled = photo.copy()
    spoiled[mask] = (255, 0, 255)
    reference = _photo(100, 100, photo=1)
    first, second = (inpaint(session, pixels, reference, mask, box) for pixels in (photo, spoiled))
    assert np.array_equal(first[mask], second[mask])


def test_the_frame_keeps_what_the_hole_held_out_of_every_other_pixel() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:20, 2:12] = True
    photo = _photo(40, 40)
    spoiled = photo.copy()
    spoiled[mask] = (255, 0, 255)
    for frame in (Frame(0, 0, 40), Frame(-13, -5, 52)):
        for size in (24, 64, 97):
            hole = frame.crop_mask(mask, size)
            assert np.array_equal(frame.crop(photo, size)[~hole], frame.crop(spoiled, size)[~hole])


@pytest.fixture(scope="module")
def echo(model: Path, tmp_path_factory: pytest.TempPathFactory) -> RepairSession:
    """Of a model that is perfect on a plain photo: what it puts into the hole is the photo's own colour."""
    nodes = [
        helper.make_node("Sub", ["one", "mask"], ["seen"]),
        helper.make_node("Mul", ["masked_image", "seen"], ["kept"]),
        helper.make_node("Mul", ["mask", "colour"], ["filled"]),
        helper.make_node("Add", ["kept", "filled"], ["filled_image"]),
    ]
    constants = {"one": np.float32(1)[None], "colour": np.float32([[[[200 / 255] * 3]]])}
    path = tmp_path_factory.mktemp("echo") / "model.onnx"
    onnx.save(by_hand(nodes, metadata_of(onnx.load(model)), constants, SIZE), path)
    write_repair(path, find_model(path, REPAIR))
    return RepairSession(find_model(path, REPAIR), "cpu")


@pytest.mark.parametrize("side", [40, 63, 64, 100, 250, 301])
@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("over_the_edge", [False, True])
def test_a_perfect_fill_leaves_no_seam(echo: RepairSession, side: int, with_mask: bool, over_the_edge: bool) -> None:
    box = (-side // 10, side // 12, side, side) if over_the_edge else None
    photo = np.full((side, side, 3), 200, np.uint8)
    mask = None
    if with_mask:
        mask = np.zeros((side, side), bool)
        mask[side // 3 : side // 2, side // 3 : side // 2 + 1] = True
    assert np.array_equal(inpaint(echo, photo, photo, mask, box), photo)


def test_the_box_says_where_the_face_is(session: RepairSession) -> None:
    face = _photo(64, 64)
    photo = np.full((150, 200, 3), 90, np.uint8)
    photo[70:134, 120:184] = face
    reference = _photo(64, 64, photo=1)
    result = inpaint(session, photo, reference, box=(120, 70, 64, 64))
    assert np.array_equal(result[70:134, 120:184], inpaint(session, face, reference))
    other = inpaint(session, face, photo, reference_box=(120, 70, 64, 64))
    assert np.array_equal(other, inpaint(session, face, face))


def test_several_references_in_any_order(session: RepairSession) -> None:
    photo, first, second = _photo(64, 64), _photo(64, 64, photo=1), _photo(90, 80, photo=2)
    both = inpaint(session, photo, [first, second])
    turned = inpaint(session, photo, [second, first])
    difference = np.abs(
        both.astype(int) - turned
    )  # sums in another order: what lies between two levels falls to either
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
    assert not np.array_equal(both, inpaint(session, photo, first))
    assert np.array_equal(inpaint(session, photo, [first]), inpaint(session, photo, first))
    with pytest.raises(TwoFaceError, match="`reference_box` is for one reference"):
        inpaint(session, photo, [first, second], reference_box=(1, 1, 50, 50))
    with pytest.raises(TwoFaceError, match="0 references; this model takes 1 or more"):
        inpaint(session, photo, [])


@pytest.mark.parametrize("quality", [None, 90], ids=["as it is", "from a colour JPEG"])
def test_a_black_and_white_photo_stays_so(session: RepairSession, quality: int | None) -> None:
    colour, reference = _photo(90, 90), _photo(90, 90, photo=1)
    grey = to_grey(colour)
    if quality:
        grey = decode_image(encode_jpeg(grey, quality))
    mask = np.zeros((90, 90), bool)
    mask[30:60, 30:60] = True
    red = grey.copy()
    red[mask] = (255, 0, 0)  # what the hole holds says nothing
    filled = inpaint(session, red, reference, mask)
    assert np.ptp(filled[mask].astype(int), axis=1).max() == 0
    assert np.array_equal(filled[~mask], grey[~mask])
    from_grey = inpaint(session, red, to_grey(reference), mask)
    assert np.abs(filled.astype(int) - from_grey).max() <= 3  # resized, then made grey, or the other way round
    assert np.ptp(inpaint(session, colour, reference, mask)[mask].astype(int), axis=1).max() > 6


def test_masks_that_do_not_fit(session: RepairSession, caplog: pytest.LogCaptureFixture) -> None:
    photo = _photo(131, 90)
    with pytest.raises(TwoFaceError, match="the mask is 90x90, the photo 131x90"):
        inpaint(session, photo, photo, np.ones((90, 90), bool))
    with pytest.raises(TwoFaceError, match="no hole"):
        inpaint(session, photo, photo, np.zeros((90, 131), bool))
    with pytest.raises(TwoFaceError, match="nothing is left to go by"):
        inpaint(session, photo, photo, np.ones((90, 131), bool))
    assert "is it inverted?" in caplog.text
    outside = np.zeros((90, 131), bool)
    outside[5, 3] = True
    with pytest.raises(TwoFaceError, match="give a `box`"):
        inpaint(session, photo, photo, outside)


def _folders(root: Path) -> None:
    for name in ("a", "b", "c"):
        write_image(root / "photos" / f"{name}.jpg", _photo(80, 80, person=ord(name)))
        write_image(root / "references" / f"{name}.png", _photo(90, 80, person=ord(name), photo=1))


def test_a_folder_is_planned_by_names(tmp_path: Path) -> None:
    _folders(tmp_path)
    write_image(tmp_path / "photos" / "a.png", _photo(80, 80))
    plan = plan_jobs(tmp_path / "photos", [tmp_path / "references"], tmp_path / "out")
    assert [job.output.name for job in plan.jobs] == ["a.jpg", "a.png", "b.jpg", "c.jpg"]
    assert [job.references[0].name for job in plan.jobs] == ["a.png", "a.png", "b.png", "c.png"]
    write_image(tmp_path / "references" / "a.jpg", _photo(80, 80))  # now each has its own
    plan = plan_jobs(tmp_path / "photos", [tmp_path / "references"], tmp_path / "out")
    assert [job.references[0].name for job in plan.jobs] == ["a.jpg", "a.png", "b.png", "c.png"]
    (tmp_path / "references" / "b.png").unlink()  # one that is missing does not stop the others
    plan = plan_jobs(tmp_path / "photos", [tmp_path / "references"], tmp_path / "out")
    assert [job.photo.name for job in plan.jobs] == ["a.jpg", "a.png", "c.jpg"]
    (failure,) = plan.failures
    assert "no reference named like b.jpg" in failure
    with pytest.raises(TwoFaceError, match=r"out\.jpg is a picture's name; for a folder of photos give a folder"):
        plan_jobs(tmp_path / "photos", [tmp_path / "references"], tmp_path / "out.jpg")
    (tmp_path / "none").mkdir()
    with pytest.raises(TwoFaceError, match="no photos in this folder"):
        plan_jobs(tmp_path / "none", [tmp_path / "references"], tmp_path / "out")


def test_what_a_result_is_made_from_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png", "m.png"):
        write_image(tmp_path / name, _photo(80, 80))
    for output in ("a.png", "b.png", "./m.png", "."):
        with pytest.raises(TwoFaceError, match="is a photo, mask or reference that is given; give another output"):
            plan_jobs(Path("a.png"), [Path("b.png")], Path(output), Path("m.png"), force=True)
    (tmp_path / "t.csv").write_text("image,references\na.png,b.png\n")
    with pytest.raises(TwoFaceError, match="is a photo, mask or reference"):
        plan_table(Path("t.csv"), Path("."), force=True)
    assert default_output(Path(".")).name == f"{tmp_path.name}-filled"
    options = argparse.ArgumentParser()
    add_arguments(options)
    assert options.parse_args(["--image", "a", "--reference", "b", "--reference", "c", "d"]).reference == [
        Path("b"), Path("c"), Path("d")
    ]  # fmt: skip
    with pytest.raises(SystemExit):
        options.parse_args(["--image", "", "--reference", "b"])


def test_the_command_fills_a_photo_and_keeps_outputs(twoface: Run, model: Path, tmp_path: Path) -> None:
    photo, reference = _photo(131, 90), _photo(64, 64, photo=1)
    write_image(tmp_path / "photo.png", photo)
    write_image(tmp_path / "reference.jpg", reference)
    mask = np.zeros((90, 131), np.uint8)
    mask[40:60, 50:75] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    common = ["inpaint", "--model", model.parent.parent, "--image", "photo.png", "--reference", "reference.jpg"]
    done = twoface(*common, "--mask", "mask.png", "--output", "out.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = decode_image(tmp_path / "out.png")
    assert np.array_equal(result[mask == 0], photo[mask == 0])
    assert not np.array_equal(result, photo)
    again = twoface(*common, "--output", "out.png", cwd=tmp_path)
    assert again.returncode == 1
    assert "exists and is kept; add --force" in again.stderr
    assert np.array_equal(decode_image(tmp_path / "out.png"), result)
    two = twoface(*common, "photo.png", "--output", "two.png", cwd=tmp_path)
    assert two.returncode == 0, two.stderr
    (tmp_path / "two.png").unlink()
    forced = twoface(*common, "--output", "out.png", "--force", cwd=tmp_path)
    assert forced.returncode == 0
    assert not np.array_equal(decode_image(tmp_path / "out.png"), result)
    lossy = twoface(*common, "--output", "out.jpg", cwd=tmp_path)
    assert lossy.returncode == 1
    assert "output out.jpg: it is no JPEG, and as one its pixels would change outside the hole" in lossy.stderr
    (tmp_path / "person").mkdir()
    for given, says in (
        (["--output", "new/"], "output new: neither a folder that is there nor a picture; use .bmp, .jpeg"),
        (["--reference", "person"], "person: no reference named like photo.png; --references-from takes those of a"),
        (["--references", "3"], "--references says how many --references-from takes"),
    ):
        refused = twoface(*common, *given, cwd=tmp_path)
        assert (refused.returncode, says in refused.stderr) == (1, True), refused.stderr
    (tmp_path / "person").rmdir()
    bad_box = twoface(*common, "--output", "b.png", "--box", "1,2,3", cwd=tmp_path)
    assert bad_box.returncode == 2
    assert "x,y,width,height" in bad_box.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mask.png", "out.png", "photo.png", "reference.jpg"]


def test_the_command_fills_a_folder_past_a_broken_photo(twoface: Run, model: Path, tmp_path: Path) -> None:
    _folders(tmp_path)
    (tmp_path / "photos" / "b.jpg").write_bytes(b"broken")
    done = twoface(
        "inpaint", "--model", model, "--image", "photos", "--reference", "references", "--output", "out", cwd=tmp_path
    )
    assert done.returncode == 1
    assert "2 of 3 photos filled" in done.stderr
    assert "b.jpg" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "c.jpg", "failed.txt"]


def test_a_model_that_is_not_there(twoface: Run, tmp_path: Path) -> None:
    write_image(tmp_path / "photo.png", _photo(64, 64))
    done = twoface(
        "inpaint", "--model", "models", "--image", "photo.png", "--reference", "photo.png", "--output", "o.png",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no model at models; make one with `twoface export`" in done.stderr
