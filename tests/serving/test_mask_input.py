"""Masks as people have them, and the picture to compare by."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Run
from PIL import Image

from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.metrics import psnr_in_hole
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.serving.mask_input import MaskOptions, _grown, read_mask
from twoface_pl.serving.plan import Job

SIDE = 96
HOLE = np.zeros((SIDE, SIDE), bool)
HOLE[40:60, 30:70] = True


def _job(folder: Path, mask: np.ndarray) -> Job:
    Image.fromarray(mask).save(folder / "mask.png")
    write_image(folder / "photo.png", synthetic_photo(3, 0, SIDE))
    return Job(folder / "photo.png", (), folder / "out.png", folder / "mask.png")


def _levels(hole: np.ndarray) -> np.ndarray:
    return hole.astype(np.uint8) * np.uint8(255)


def test_inverted_and_grown(tmp_path: Path) -> None:
    photo = synthetic_photo(3, 0, SIDE)
    job = _job(tmp_path, _levels(~HOLE))
    assert np.array_equal(read_mask(job, photo, MaskOptions(invert=True)), _levels(HOLE))
    grown = read_mask(job, photo, MaskOptions(invert=True, grow=3))
    assert grown is not None
    rows, columns = (np.flatnonzero(grown.any(axis=axis)) for axis in (1, 0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (37, 62, 27, 72)
    soft = _job(tmp_path, cv2.GaussianBlur(_levels(HOLE), (9, 9), 3))
    assert len(np.unique(read_mask(soft, photo, MaskOptions(grow=2)))) > 5  # a soft edge stays soft
    with pytest.raises(TwoFaceError, match="`invert` and `grow` need a `mask`"):
        read_mask(Job(job.photo, (), job.output), photo, MaskOptions(grow=2))


def test_of_another_size(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = _job(tmp_path, _levels(HOLE))
    large = read_mask(job, synthetic_photo(3, 0, 2 * SIDE), MaskOptions())
    assert np.array_equal(large, _levels(HOLE.repeat(2, axis=0).repeat(2, axis=1)))
    assert "is 96x96, the photo 192x192; it is stretched to that" in caplog.text
    with pytest.raises(TwoFaceError, match="is 96x96, the photo 60x96: another shape"):
        read_mask(job, synthetic_photo(3, 0, SIDE)[:, :60], MaskOptions())


@pytest.mark.parametrize("quality", [None, 75])
def test_painted_into_the_photo(quality: int | None, tmp_path: Path) -> None:
    photo = synthetic_photo(3, 0, SIDE)
    photo[HOLE] = (255, 0, 255)
    photo[5, 5] = (255, 0, 255)  # a speck is no hole
    if quality is not None:
        write_image(tmp_path / "photo.jpg", photo, quality)
        photo = decode_image(tmp_path / "photo.jpg")
    job = Job(tmp_path / "photo.jpg", (), tmp_path / "out.png")
    mask = read_mask(job, photo, MaskOptions(colour=(255, 0, 255)))
    assert mask is not None
    assert (mask[HOLE] == 255).all()
    assert not mask[:20].any()
    assert (mask > 0).sum() < 1.5 * HOLE.sum()
    with pytest.raises(TwoFaceError, match="nothing in the photo has the colour 00ff00; give a `mask`"):
        read_mask(job, photo, MaskOptions(colour=(0, 255, 0)))


def test_the_command_takes_what_was_painted_over_and_compares(twoface: Run, model: Path, tmp_path: Path) -> None:
    photo = synthetic_photo(3, 0, 128)
    damaged = photo.copy()
    damaged[50:75, 45:85] = (255, 0, 255)
    write_image(tmp_path / "photo.png", damaged)
    write_image(tmp_path / "other.png", synthetic_photo(3, 1, 128))
    common = ["inpaint", "--model", model, "--image", "photo.png", "--reference", "other.png"]
    done = twoface(*common, "--mask-colour", "ff00ff", "--compare", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    filled = decode_image(tmp_path / "photo-filled.png")
    hole = np.zeros((128, 128), bool)
    hole[50:75, 45:85] = True
    before, after = (float(psnr_in_hole(each[None], photo[None], hole[None])[0]) for each in (damaged, filled))
    assert after > before + 5
    compared = decode_image(tmp_path / "photo-filled-compare.jpg")
    assert compared.shape == (128, 3 * 128 + 2 * 8, 3)
    assert np.abs(compared[:, -128:].astype(int) - filled).mean() < 4
    again = twoface(*common, "--mask-colour", "ff00ff", "--compare", "--output", "b.png", cwd=tmp_path)
    assert again.returncode == 0
    for wrong, says in (
        (("--mask-colour", "pink"), "is no colour; give six digits"),
        (("--grow", "-1"), "is not a number of pixels from 0 to 1000"),
        (("--mask", "photo.png", "--mask-colour", "white"), "give --mask or --mask-colour, not both"),
    ):
        refused = twoface(*common, *wrong, "--output", "c.png", cwd=tmp_path)
        assert refused.returncode != 0
        assert says in refused.stderr
    assert not (tmp_path / "c.png").exists()


@pytest.mark.parametrize("by", [1, 4, 20])
def test_a_grown_mask_is_what_a_disc_dilates_softness_kept(by: int) -> None:
    mask = np.zeros((120, 150), np.uint8)
    mask[50:60, 40:90] = 255
    soft = cv2.GaussianBlur(mask, (0, 0), 3)
    away = np.hypot(*np.mgrid[-by : by + 1, -by : by + 1])
    disc = (away < by + 0.5).astype(np.uint8)
    assert np.array_equal(_grown(mask, by), cv2.dilate(mask, disc))
    wanted, found = cv2.dilate(soft, disc).astype(int), _grown(soft, by).astype(int)
    assert (found <= wanted).all()
    assert (found >= wanted - 255 // 15 - 1).all()  # in steps
    assert (found >= soft).all()


def test_a_hole_may_grow_over_the_whole_of_a_large_photo() -> None:
    mask = np.zeros((1500, 2000), np.uint8)
    mask[700:720, 900:930] = 255
    grown = _grown(mask, 1000)
    assert grown[700, 1929] == 255
    assert grown[0, 0] == 0
