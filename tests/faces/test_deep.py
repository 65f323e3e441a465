"""Photos of 16 bits a channel: outside the hole every bit stays, and what their file says of them too."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Run
from PIL import Image
from profiles import rgb_profile

from twoface_pl.faces.deep import DEEPER, encode_deep, to_bytes
from twoface_pl.faces.image import decode_image, read_photo, write_image
from twoface_pl.faces.origin import as_stored
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.faces.writing import write_photo
from twoface_pl.faces.xmp import SOURCE_TYPE
from twoface_pl.serving.references import is_same
from twoface_pl.serving.target import NO_MASK, opaque_in

HEIGHT, WIDTH = 61, 90
HOLE = np.zeros((HEIGHT, WIDTH), np.uint8)
HOLE[20:40, 30:60] = 255
HOLE[20:40, 60:64] = 128


def _levels(channels: int) -> np.ndarray:
    """Uint16, every bit of them in use."""
    return np.random.default_rng(channels).integers(0, 65536, (HEIGHT, WIDTH, channels), np.uint16)


def _saved(path: Path, levels: np.ndarray) -> Path:
    """By OpenCV, which shares nothing with what writes ours as TIFF."""
    swapped = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    stored = levels[..., 0] if levels.shape[2] == 1 else cv2.cvtColor(levels, swapped[levels.shape[2]])
    assert cv2.imwrite(str(path), stored)
    return path


def _read(path: Path) -> np.ndarray:
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint16
    if found.ndim == 2:
        return found[..., None]
    return cv2.cvtColor(found, cv2.COLOR_BGR2RGB if found.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("before", [".png", ".tiff"])
@pytest.mark.parametrize("after", [".png", ".tiff"])
def test_all_bits_stay_outside_the_hole(before: str, after: str, channels: int, tmp_path: Path) -> None:
    levels = _levels(channels)
    photo = read_photo(_saved(tmp_path / f"in{before}", levels), keep=True)
    assert np.array_equal(photo.pixels, np.broadcast_to(to_bytes(levels[..., :3]), photo.pixels.shape))
    fill = np.full((20, 34, 3), 100, np.uint8)
    write_photo(tmp_path / f"out{after}", photo.with_fill(fill, HOLE))
    result = _read(tmp_path / f"out{after}")
    assert np.array_equal(result[HOLE == 0], np.broadcast_to(levels, result.shape)[HOLE == 0])
    assert (result[HOLE == 255][:, :3] == 100 * DEEPER).all()
    soft = HOLE == 128
    blended = (100 * DEEPER * 128 + levels[soft][:, :3].astype(float) * 127) / 255
    assert np.abs(result[soft][:, :3] - blended).max() <= 1
    if channels == 4:
        assert np.array_equal(result[..., 3], levels[..., 3])
    with Image.open(tmp_path / f"out{after}") as opened:  # other programs read it
        assert opened.size == (WIDTH, HEIGHT)
        seen = np.asarray(opened.convert("RGB"))
    assert np.abs(seen.astype(int)[HOLE == 255] - 100).max() <= 1


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".jpg"])
def test_a_format_of_8_bits_gets_8(suffix: str, tmp_path: Path) -> None:
    levels = np.repeat(np.repeat(_levels(3)[::8, ::8], 8, 0), 8, 1)[:HEIGHT, :WIDTH]
    photo = read_photo(_saved(tmp_path / "in.png", np.ascontiguousarray(levels)), keep=True)
    write_photo(tmp_path / f"out{suffix}", photo, reencode=True)
    off = np.abs(read_photo(tmp_path / f"out{suffix}").pixels.astype(int) - levels / DEEPER)
    assert off.max() <= 0.5 if suffix != ".jpg" else off.mean() < 4


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_what_the_file_says_stays(suffix: str, tmp_path: Path) -> None:
    levels, exif, profile = _levels(3), Image.Exif(), rgb_profile()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    block, exif = exif.tobytes(), Image.Exif()
    exif.load(block)  # a TIFF's own directories are written of what was read
    said = {"exif": exif, "icc_profile": profile, "dpi": (300, 300)}
    (tmp_path / f"in{suffix}").write_bytes(encode_deep(levels, "PNG" if suffix == ".png" else "TIFF", said))
    photo = read_photo(tmp_path / f"in{suffix}", keep=True)
    write_photo(tmp_path / f"out{suffix}", photo.with_fill(np.zeros((20, 34, 3), np.uint8), HOLE))
    assert np.array_equal(_read(tmp_path / f"out{suffix}")[HOLE == 0], levels[HOLE == 0])
    with Image.open(tmp_path / f"out{suffix}") as opened:
        opened.load()
        found = opened.getexif()
        assert found[0x010F] == "Camera"
        assert found.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        assert opened.info["icc_profile"] == profile
        assert round(opened.info["dpi"][0]) == 300
        xmp = opened.info["xmp"]
    assert SOURCE_TYPE.encode() in (xmp if isinstance(xmp, bytes) else xmp.encode())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_one_is_made_upright_once(orientation: int, tmp_path: Path) -> None:
    levels, exif = _levels(3), Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(as_stored(levels, orientation))
    (tmp_path / "in.png").write_bytes(encode_deep(stored, "PNG", {"exif": exif}))
    photo = read_photo(tmp_path / "in.png", keep=True)
    assert photo.deep is not None
    assert np.array_equal(photo.deep, levels)
    assert np.array_equal(photo.pixels, to_bytes(levels))
    write_photo(tmp_path / "out.png", photo)
    again = read_photo(tmp_path / "out.png", keep=True)
    assert again.deep is not None
    assert np.array_equal(again.deep, levels)


def test_what_is_transparent_may_be_filled_opaque(tmp_path: Path) -> None:
    levels = _levels(4)
    levels[..., 3] = np.where(HOLE > 0, 0, 65535)
    photo = read_photo(_saved(tmp_path / "in.png", levels), keep=True)
    filled = opaque_in(photo, HOLE).with_fill(np.full((20, 34, 3), 200, np.uint8), HOLE)
    write_photo(tmp_path / "out.png", filled)
    after = _read(tmp_path / "out.png")
    assert (after[..., 3] == 65535).all()
    assert (after[HOLE == 255, :3] == 200 * DEEPER).all()


def test_a_photo_is_the_same_however_its_bits_are_counted(tmp_path: Path) -> None:
    path = _saved(tmp_path / "in.png", _levels(3))
    one, other = read_photo(path, keep=True).seen(), decode_image(path.read_bytes())
    assert is_same(one, other)
    assert not is_same(one, other // 2)
    assert not is_same(one, other[1:])


def test_a_level_that_is_clear_is_read_in_8_bits(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(_levels(1)[..., 0]).save(stream, "PNG", transparency=7)
    photo = read_photo(stream.getvalue(), keep=True)
    assert photo.deep is None
    assert photo.alpha is not None or photo.pixels.shape == (HEIGHT, WIDTH, 3)


def test_inpaint_keeps_16_bits(model: Path, twoface: Run, tmp_path: Path) -> None:
    levels = synthetic_photo(1, 0, 96).astype(np.uint16) * DEEPER + 3
    _saved(tmp_path / "photo.tif", levels)
    write_image(tmp_path / "reference.png", synthetic_photo(1, 1, 96))
    given = ["--image", "photo.tif", "--reference", "reference.png", "--model", str(model)]
    done = twoface("inpaint", *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    changed = (_read(tmp_path / "photo-filled.tif") != levels).any(axis=2)
    assert 0 < changed.mean() < 0.1
    assert done.stderr == f"{NO_MASK}\n"
    done = twoface("inpaint", *given, "--output", "out.webp", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "of the photo's 16 bits a channel this format holds 8" in done.stderr
