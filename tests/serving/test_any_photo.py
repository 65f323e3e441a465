"""For any size, format, orientation and mask: outside of the mask a photo's pixels are the photo's own."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.image import read_photo, write_image
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.model_file import REPAIR
from twoface_pl.serving.jobs import JobOptions, run_job
from twoface_pl.serving.plan import Job
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model

LOSSLESS = (".png", ".tiff", ".webp", ".bmp")
BLOCK = 16  # pixels of a JPEG's block of colours at half size


class Case(NamedTuple):
    width: int
    height: int
    suffix: str
    mode: str
    orientation: int
    quality: int
    mask: tuple[float, float, float, float]  # left, top, width, height, as shares
    soft: bool


cases = st.builds(
    Case,
    width=st.integers(16, 150),
    height=st.integers(16, 150),
    suffix=st.sampled_from([*LOSSLESS, ".jpg"]),
    mode=st.sampled_from(["RGB", "L", "RGBA", "P", "I;16"]),
    orientation=st.integers(1, 8),
    quality=st.integers(20, 98),
    mask=st.tuples(*[st.floats(0, 0.9)] * 2, *[st.floats(0.05, 1)] * 2),
    soft=st.booleans(),
)


@pytest.fixture(scope="module")
def session(model: Path) -> RepairSession:
    return RepairSession(find_model(model, REPAIR), "cpu")


def _photo(case: Case) -> bytes:
    """As its format can hold it."""
    pixels = np.ascontiguousarray(synthetic_photo(1, 0, 150)[: case.height, : case.width])
    mode = case.mode
    if case.suffix in (".jpg", ".webp", ".bmp") and mode not in ("RGB", "L"):
        mode = "RGB"
    image = Image.fromarray(pixels)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(cv2.resize(np.arange(256, dtype=np.uint8)[None], image.size)))
    elif mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257 + 5)
    else:
        image = image.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = case.orientation
    options = (
        {"quality": case.quality} if case.suffix == ".jpg" else {"lossless": True} if case.suffix == ".webp" else {}
    )
    stream = io.BytesIO()
    kind = {".jpg": "JPEG", ".tiff": "TIFF"}.get(case.suffix, case.suffix[1:].upper())
    image.save(stream, kind, **options, **({} if case.suffix == ".bmp" else {"exif": exif}))
    return stream.getvalue()


def _mask(case: Case, height: int, width: int) -> np.ndarray:
    left, top, across, down = case.mask
    mask = np.zeros((height, width), np.uint8)
    x, y = int(left * width), int(top * height)
    mask[y : y + max(1, int(down * height)), x : x + max(1, int(across * width))] = 255
    return cv2.GaussianBlur(mask, (7, 7), 0) if case.soft else mask


def _touched(mask: np.ndarray, suffix: str) -> np.ndarray:
    """What may change: of a JPEG the blocks that the hole has part in, wherever they begin, and a pixel about them."""
    if suffix != ".jpg":
        return mask > 0
    return cv2.dilate(mask, np.ones((2 * BLOCK + 3, 2 * BLOCK + 3), np.uint8)) > 0


def _run(session: RepairSession, job: Job) -> str:
    """Why a photo is not filled; nothing where it is."""
    try:
        run_job(session, job, JobOptions())
    except TwoFaceError as error:
        return str(error)
    return ""


@given(case=cases)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_pixels_outside_the_mask_are_the_photos(session: RepairSession, case: Case) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = Job(
            folder / f"photo{case.suffix}",
            (folder / "reference.png",),
            folder / f"out{case.suffix}",
            folder / "mask.png",
        )
        job.photo.write_bytes(_photo(case))
        write_image(job.references[0], synthetic_photo(1, 1, 90))
        before = read_photo(job.photo, keep=True)
        mask = _mask(case, *before.pixels.shape[:2])
        Image.fromarray(mask).save(folder / "mask.png")
        refused = _run(session, job)
        if refused:  # a hole that the model's square does not hold, or that hides all of it
            assert any(words in refused for words in ("reaches out", "hides all", "has no hole", "BMP cannot keep")), (
                refused
            )
            assert not job.output.exists()
            return
        after = read_photo(job.output, keep=True)
        kept = ~_touched(mask, case.suffix)
        assert after.pixels.shape == before.pixels.shape
        assert np.array_equal(after.pixels[kept], before.pixels[kept])
        assert (after.alpha is None) == (before.alpha is None)
        assert after.alpha is None or np.array_equal(after.alpha, before.alpha)
        if before.deep is not None:
            assert after.deep is not None
            assert np.array_equal(after.deep[kept], before.deep[kept])
