"""Photos as people have them: colour profiles, transparency, soft masks, many bits, and files that are none."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SIZE
from PIL import Image, ImageCms
from profiles import PROPHOTO, grey_profile, rgb_profile

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.colour import _profile_mode, is_plain, profile_mode
from twoface_pl.faces.image import Photo, decode_image, decode_mask, read_photo, to_grey
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.faces.writing import write_photo
from twoface_pl.model_file import REPAIR
from twoface_pl.serving.inpaint import inpaint
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model

TRUE = synthetic_photo(1, 0, SIZE)
REFERENCE = synthetic_photo(1, 1, SIZE)
HOLE = np.zeros((SIZE, SIZE), bool)
HOLE[24:40, 20:44] = True


def saved(pixels: np.ndarray, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def in_profile(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """SRGB in another profile's numbers."""
    to = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = {"RGB ": "RGB", "GRAY": "L"}[to.profile.xcolor_space]
    found = ImageCms.profileToProfile(Image.fromarray(pixels), ImageCms.createProfile("sRGB"), to, outputMode=mode)
    return np.asarray(found)


@pytest.fixture(scope="module")
def session(model: Path) -> RepairSession:
    return RepairSession(find_model(model, REPAIR), "cpu")


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF"])
def test_a_photo_is_seen_through_its_profile(kind: str) -> None:
    profile, options = rgb_profile(), {"JPEG": {"quality": 98}, "WEBP": {"lossless": True}}.get(kind, {})
    photo = read_photo(saved(in_profile(TRUE, profile), kind, icc_profile=profile, **options))
    assert photo.profile == profile
    off, off_without = (np.abs(pixels.astype(int) - TRUE).mean() for pixels in (photo.seen(), photo.pixels))
    assert off < min(3, off_without - 0.5)


@pytest.mark.parametrize("profile", [rgb_profile(), rgb_profile(PROPHOTO, 1.8)], ids=["Display P3", "ProPhoto"])
def test_the_result_has_the_profile_and_the_fill_its_colours(session: RepairSession, profile: bytes) -> None:
    photo = Photo(in_profile(TRUE, profile), profile)
    result = inpaint(session, photo, REFERENCE, HOLE)
    assert result.profile == profile
    assert np.array_equal(result.pixels[~HOLE], photo.pixels[~HOLE])
    plain = inpaint(session, TRUE, REFERENCE, HOLE)
    assert np.abs(result.seen().astype(int) - plain).mean() < 1.5


def test_a_profile_that_is_srgbs_or_damaged_changes_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert is_plain(srgb)
    for profile in (srgb, b"no profile", rgb_profile()[:200]):
        assert np.array_equal(decode_image(saved(TRUE, icc_profile=profile)), TRUE)
    grey = np.asarray(Image.fromarray(TRUE).convert("L"))  # another picture's profile
    assert np.array_equal(decode_image(saved(grey, icc_profile=rgb_profile())), np.dstack([grey] * 3))


def test_a_grey_photo_keeps_its_grey_profile(session: RepairSession, tmp_path: Path) -> None:
    profile = grey_profile(1.0)
    levels = in_profile(TRUE, profile)
    photo = read_photo(saved(levels, icc_profile=profile))
    assert np.abs(photo.seen()[..., 0].astype(int) - to_grey(TRUE)[..., 0]).mean() < 6
    write_photo(tmp_path / "out.png", inpaint(session, photo, REFERENCE, HOLE))
    with Image.open(tmp_path / "out.png") as result:
        assert result.mode == "L"
        assert result.info["icc_profile"] == profile
        assert np.array_equal(np.asarray(result)[~HOLE], levels[~HOLE])


def test_cmyk_goes_through_its_profile() -> None:
    # No CMYK profile can be made here without a printer's table: one that does not fit is left out.
    image = Image.fromarray(TRUE).convert("CMYK")
    stream = io.BytesIO()
    image.save(stream, "TIFF", icc_profile=rgb_profile())
    photo = read_photo(stream.getvalue())
    assert photo.profile is None
    assert np.array_equal(photo.pixels, np.asarray(image.convert("RGB")))


def _with_alpha(alpha: np.ndarray) -> bytes:
    return saved(np.dstack([TRUE, alpha]))


def test_what_is_transparent_is_the_hole_where_no_mask_says_otherwise(
    session: RepairSession, caplog: pytest.LogCaptureFixture
) -> None:
    photo = read_photo(_with_alpha(np.where(HOLE, 0, 255).astype(np.uint8)))
    result = inpaint(session, photo, REFERENCE)
    assert "transparent part of the photo is taken as the hole" in caplog.text
    assert result.alpha is None
    assert np.array_equal(result.pixels, inpaint(session, TRUE, REFERENCE, HOLE))


def test_with_a_mask_transparency_stays_as_it_was(session: RepairSession, tmp_path: Path) -> None:
    alpha = np.full((SIZE, SIZE), 255, np.uint8)
    alpha[:10], alpha[30:34, 30:34] = 0, 99
    photo = read_photo(_with_alpha(alpha))
    write_photo(tmp_path / "out.tiff", inpaint(session, photo, REFERENCE, HOLE))
    result = read_photo(tmp_path / "out.tiff")
    assert result.alpha is not None
    assert np.array_equal(result.alpha, alpha)
    assert np.array_equal(result.pixels[~HOLE], TRUE[~HOLE])  # what lies under it too
    assert not np.array_equal(result.pixels[HOLE], TRUE[HOLE])


def test_what_shows_through_is_filled_in_the_colours_it_was_painted_in(
    session: RepairSession, caplog: pytest.LogCaptureFixture
) -> None:
    alpha = np.full((SIZE, SIZE), 120, np.uint8)
    result = inpaint(session, Photo(TRUE, None, alpha), REFERENCE, HOLE)
    assert np.array_equal(result.pixels, inpaint(session, TRUE, REFERENCE, HOLE))
    assert "stays so" not in caplog.text
    alpha[HOLE] = 0
    inpaint(session, Photo(TRUE, None, alpha), REFERENCE, HOLE)
    assert "the photo is transparent in the hole and stays so" in caplog.text
    nearly = np.full((SIZE, SIZE), 250, np.uint8)  # no hole of its own
    result = inpaint(session, Photo(TRUE, None, nearly), REFERENCE)
    assert np.array_equal(result.pixels, inpaint(session, TRUE, REFERENCE))
    assert result.alpha is nearly


def test_a_level_of_a_16_bit_picture_may_be_transparent() -> None:
    levels = np.full((SIZE, SIZE), 40000, np.uint16)
    levels[HOLE] = 1234
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG", transparency=1234)
    photo = read_photo(stream.getvalue())
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha == 0, HOLE)
    assert abs(int(photo.pixels[0, 0, 0]) - round(40000 / 257)) <= 1


def test_opaque_alpha_is_no_transparency_and_palettes_may_have_some() -> None:
    assert read_photo(_with_alpha(np.full((SIZE, SIZE), 255, np.uint8))).alpha is None
    stream = io.BytesIO()
    palette = Image.fromarray(TRUE).quantize(16)
    palette.save(stream, "PNG", transparency=palette.getpixel((0, 0)))
    assert read_photo(stream.getvalue()).alpha is not None


def test_a_soft_mask_blends(session: RepairSession) -> None:
    soft = np.zeros((SIZE, SIZE), np.uint8)
    soft[HOLE] = 255
    soft[24:40, 44:48] = (200, 150, 100, 50)
    whole = inpaint(session, TRUE, REFERENCE, soft > 0).astype(float)
    result = inpaint(session, TRUE, REFERENCE, soft)
    share = soft[..., None] / 255
    assert np.abs(result - (whole * share + TRUE * (1 - share))).max() <= 0.51
    assert np.array_equal(result[soft == 0], TRUE[soft == 0])


def test_a_jpegs_noise_is_no_softness() -> None:
    mask = np.where(HOLE, 255, 0).astype(np.uint8)
    read = decode_mask(saved(mask, "JPEG", quality=75))
    wrong = (read != mask).mean()
    assert wrong < 0.02
    feathered = decode_mask(saved(np.tile(np.arange(256, dtype=np.uint8), (16, 1))))
    assert feathered[0, :25].max() == 0
    assert feathered[0, -25:].min() == 255
    assert (np.diff(feathered[0].astype(int)) >= 0).all()
    assert len(np.unique(feathered)) > 200


RAMP = np.linspace(0, 1, SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE)


@pytest.mark.parametrize(
    "levels",
    [RAMP, RAMP * 255, RAMP * 65535, (RAMP * 65535).astype(np.uint16), (RAMP * 65535).astype(np.int32),
     (RAMP.astype(np.float64) * (2**32 - 1)).astype(np.uint32).view(np.int32)],
    ids=["0..1", "0..255", "0..65535", "16 bits", "16 of 32 bits", "32 bits"],
)  # fmt: skip
def test_many_bits_and_floating_point_are_read_by_their_range(levels: np.ndarray) -> None:
    pixels = decode_image(saved(levels, "TIFF"))
    assert np.abs(pixels[..., 0] - RAMP * 255).max() <= 1
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (RAMP * 1e9, "from 0 to 1e"),
        (RAMP * 300, "from 0 to 300"),
        (RAMP - 0.5, "from -0.5 to 0.5"),
        (np.where(RAMP > 0.5, np.nan, RAMP), "no numbers"),
    ],
    ids=["of no known range", "of 300", "negative", "NaN"],
)
def test_floating_point_that_cannot_be_known_is_refused(values: np.ndarray, says: str) -> None:
    with pytest.raises(TwoFaceError, match=says) as caught:
        decode_image(saved(values.astype(np.float32), "TIFF"), "scan.tif")
    assert str(caught.value).startswith("scan.tif: ")


def _large(width: int, height: int) -> bytes:
    """A BMP that says it is huge, with nothing in it."""
    content = bytearray(saved(TRUE, "BMP"))
    content[18:26] = width.to_bytes(4, "little") + height.to_bytes(4, "little")
    return bytes(content)


@pytest.mark.parametrize("size", [(12000, 9000), (20000, 10000), (100000, 100000)])
def test_photos_that_are_too_large_are_refused_in_our_words_alone(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "large.bmp").write_bytes(_large(*size))
    code = "from pathlib import Path; from twoface_pl.faces.image import decode_image; decode_image(Path('large.bmp'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "more than 64 megapixels; make it smaller" in done.stderr.splitlines()[-1]
    assert "Warning" not in done.stderr


def test_a_profile_of_many_megabytes_is_none(caplog: pytest.LogCaptureFixture) -> None:
    before = _profile_mode.cache_info().currsize
    large = rgb_profile() + bytes(5_000_000)
    assert is_plain(large)
    assert profile_mode(large) is None
    assert _profile_mode.cache_info().currsize == before


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(TwoFaceError, match=f"{name}: a folder, pipe or device"):
            decode_image(tmp_path / name)
    with pytest.raises(TwoFaceError, match="cannot be read"):
        decode_image(tmp_path / ("x" * 300 + ".png"))


def test_want_of_memory_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", full)
    with pytest.raises(TwoFaceError, match="not enough memory for its 64x64 pixels"):
        decode_image(saved(TRUE))


def test_heic_is_read_where_its_plugin_is_and_named_where_not(monkeypatch: pytest.MonkeyPatch) -> None:
    heic = b"\0\0\0\x1cftypheic" + bytes(100)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    from twoface_pl.faces import formats

    formats._heif_plugin.cache_clear()
    with pytest.raises(TwoFaceError, match=r"a HEIC photo; pip install 'twoface-pl\[heic\]'"):
        decode_image(heic, "photo.heic")
    monkeypatch.undo()
    formats._heif_plugin.cache_clear()
    plugin = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    stream = io.BytesIO()
    plugin.from_pillow(Image.fromarray(TRUE)).save(stream, quality=-1)
    assert np.abs(decode_image(stream.getvalue()).astype(int) - TRUE).mean() < 3
