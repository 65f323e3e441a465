"""A damaged photo through every door: filled, drawn beforehand, prepared."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import FACED, Run, prepare_options, split_rule
from drawn_faces import CLEAR, drawn, face_hole, is_fine
from PIL import Image

from twoface_pl.data.damage import paint
from twoface_pl.data_prep.prepare import prepare
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.detector import FaceDetector
from twoface_pl.faces.face import Face
from twoface_pl.faces.finder import Sought, UnsureError
from twoface_pl.faces.image import decode_image, write_image


def _scene(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """A photo whose face has no eyes and nose, its mask, and a reference, as files."""
    photo = drawn(CLEAR[0])
    (face,) = FaceDetector().detect(photo)
    hole = face_hole(face, photo.shape[:2], "eyes", "nose")
    damaged = paint(photo, hole, "white", np.random.default_rng(0))
    write_image(folder / "damaged.png", damaged)
    write_image(folder / "hole.png", np.repeat(hole[..., None] * np.uint8(255), 3, axis=2))
    write_image(folder / "reference.png", drawn(CLEAR[0])[:, ::-1])
    return damaged, hole


def test_the_command_fills_a_damaged_photo_and_draws_beforehand(
    twoface: Run, tight_model: Path, tmp_path: Path
) -> None:
    damaged, hole = _scene(tmp_path)
    common = ["inpaint", "--model", tight_model, "--image", "damaged.png", "--mask", "hole.png"]
    common += ["--reference", "reference.png", "--output", "filled.png"]
    done = twoface(*common, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "filled-placement.png"
    assert not (tmp_path / "filled.png").exists()
    picture = decode_image(tmp_path / "filled-placement.png")
    assert picture.shape[1] > damaged.shape[1] * 1.8  # the reference beside it
    inside = picture[: damaged.shape[0], : damaged.shape[1]][cv2.erode(hole.astype(np.uint8), np.ones((9, 9))) > 0]
    assert (inside[:, 0] > inside[:, 1] + 60).mean() > 0.8  # the hole is tinted
    again = twoface(*common, "--dry-run", cwd=tmp_path)
    assert again.returncode == 1
    assert "filled-placement.png exists and is kept; add --force" in again.stderr
    done = twoface(*common, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    filled = decode_image(tmp_path / "filled.png")
    assert np.array_equal(filled[~hole], damaged[~hole])
    assert (filled[hole] != damaged[hole]).any()


def test_an_unsure_placement_is_drawn_and_said(
    twoface: Run, tight_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twoface_pl.faces import finder as module
    from twoface_pl.model_file import REPAIR
    from twoface_pl.serving.jobs import JobOptions, draw_job
    from twoface_pl.serving.plan import Job
    from twoface_pl.serving.repair import RepairSession
    from twoface_pl.serving.versions import find_model

    damaged, hole = _scene(tmp_path)
    monkeypatch.setattr(module, "SURELY_OFF", 1e-6)
    monkeypatch.setattr(FaceDetector, "detect", lambda *_, **__: [])
    session = RepairSession(find_model(tight_model, REPAIR), "cpu")
    job = Job(tmp_path / "damaged.png", (), tmp_path / "drawn.png", tmp_path / "hole.png")
    with pytest.raises(TwoFaceError, match=r"its place is a guess: `box`=\d.*\ndrawn in .*drawn\.png"):
        draw_job(session, job, JobOptions())
    picture = decode_image(tmp_path / "drawn.png").astype(int)
    assert ((picture[..., 0] > 200) & (picture[..., 1] < 110) & (picture[..., 2] < 110)).sum() > 100  # a red frame
    with pytest.raises(UnsureError):
        session.finder.find(Sought(damaged, hole=hole))


def test_prepare_places_a_photo_with_a_transparent_hole(tmp_path: Path) -> None:
    truth = {}
    for number, person in enumerate(CLEAR[:4]):
        for photo in range(2):
            pixels = drawn(person)
            if photo:
                pixels = np.ascontiguousarray(pixels[:, ::-1])
            (face,) = FaceDetector().detect(pixels)
            name = f"p{number}/{photo}.png"
            truth[name] = face
            alpha = np.full(pixels.shape[:2], 255, np.uint8)
            alpha[face_hole(face, pixels.shape[:2], "eyes", "nose")] = 0
            (tmp_path / "photos" / f"p{number}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.dstack([pixels, alpha])).save(tmp_path / "photos" / name)
    rule = split_rule(validation=0.4, test=0.2, seed=1)
    prepare(prepare_options(tmp_path / "photos", tmp_path / "set", rule, **FACED))
    originals = {}
    for split in ("train", "validation", "test"):
        file = tmp_path / "set" / split / "originals.json"
        originals |= json.loads(file.read_text()) if file.exists() else {}
    assert len(originals) == 8
    fine = 0
    for original in originals.values():
        name = str(Path(original["photo"]).relative_to((tmp_path / "photos").resolve()))
        fine += is_fine(Face.by_landmarks(np.array(original["landmarks"]), 1.0), truth[name])
    assert fine >= 7
