"""Decoding, frames and paste-back."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import write_text
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import bounding_box
from twoface_pl.faces.image import Photo, decode_image, decode_mask, write_image
from twoface_pl.faces.paste import check_reach

PHOTO = np.random.default_rng(0).integers(0, 256, (90, 131, 3), np.uint8)


def _encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_exif_orientations_come_out_upright(orientation: int) -> None:
    upright = PHOTO[:64, :48]
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _encoded(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    assert np.array_equal(decode_image(data), upright)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    if mode == "I;16":
        data = _encoded(Image.fromarray(np.linspace(0, 65535, 32 * 32, dtype=np.uint16).reshape(32, 32)))
    else:
        data = _encoded(Image.fromarray(PHOTO).convert(mode), "TIFF" if mode == "CMYK" else "PNG")
    pixels = decode_image(data)
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    assert pixels.max() > 200
    if mode == "I;16":
        assert (pixels[0, 0] == 0).all()
        assert abs(int(pixels[16, 0, 0]) - 128) <= 1


def test_transparent_lies_on_white() -> None:
    data = _encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 0)))
    assert (decode_image(data) == 255).all()


def test_a_mask_painted_on_a_transparent_layer_is_hole_where_it_is_painted() -> None:
    layer = Image.new("RGBA", (20, 20), (255, 255, 255, 0))
    layer.paste((255, 255, 255, 255), (5, 5, 10, 12))
    mask = decode_mask(_encoded(layer))
    assert (mask > 0).sum() == 5 * 7
    assert (mask[5:12, 5:10] == 255).all()


def _png_header(width: int, height: int) -> bytes:
    """A PNG that says it is huge, with hardly any content."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a picture"),
        (b"hello", "not a picture"),
        (_encoded(Image.fromarray(PHOTO))[:900], "broken picture"),
        (_encoded(Image.fromarray(PHOTO[:1, :1])), "too small"),
        (_png_header(8100, 8100), "8100x8100 is more than 64 megapixels"),
        (_png_header(20000, 20000), "more than 64 megapixels"),
        (_encoded(Image.fromarray(PHOTO), "GIF"), "not a picture"),
    ],
    ids=["empty", "text", "truncated", "1x1", "large", "huge", "gif"],
)
def test_bad_pictures_are_refused_by_name(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(TwoFaceError, match=says) as caught:
        decode_image(path)
    assert "bad.png" in str(caught.value)


def _frames(kind: str) -> bytes:
    first, second = Image.fromarray(PHOTO), Image.fromarray(PHOTO[::-1].copy())
    return _encoded(first, kind, save_all=True, append_images=[second])


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_animations_and_several_pages_are_refused(kind: str) -> None:
    with pytest.raises(TwoFaceError, match="an animation or several pages; save the one picture"):
        decode_image(_frames(kind), "photo")


def test_a_phones_jpeg_with_a_second_picture_in_it_is_a_photo() -> None:
    pixels = decode_image(_frames("MPO"))
    assert pixels.shape == PHOTO.shape


@pytest.mark.parametrize("options", [{"quality": 95, "subsampling": 0}, {"quality": 60, "progressive": True}])
def test_plain_jpegs_have_the_pixels_that_pillow_gives(options: dict) -> None:
    smooth = np.asarray(Image.fromarray(PHOTO).resize((40, 30)).resize((131, 90)))
    content = _encoded(Image.fromarray(smooth), "JPEG", **options)
    expected = np.array(Image.open(io.BytesIO(content)).convert("RGB"))
    assert np.array_equal(decode_image(content), expected)


def test_a_huge_jpeg_is_refused_by_its_header() -> None:
    content = bytearray(_encoded(Image.fromarray(PHOTO), "JPEG"))
    place = content.index(b"\xff\xc0")
    content[place + 5 : place + 9] = (20000).to_bytes(2, "big") * 2
    for name in ("huge.jpg", None):
        with pytest.raises(TwoFaceError, match="20000x20000 is more than 64 megapixels"):
            decode_image(bytes(content), name)


def test_a_damaged_jpeg_is_refused(tmp_path: Path) -> None:
    content = _encoded(Image.fromarray(PHOTO), "JPEG", quality=95)
    half = content[: len(content) // 2]
    for broken in (half, content[:300] + b"\xff\xd9"):
        (tmp_path / "photo.jpg").write_bytes(broken)
        for source in (broken, tmp_path / "photo.jpg"):
            with pytest.raises(TwoFaceError, match="picture"):
                decode_image(source)


def test_missing_picture() -> None:
    with pytest.raises(TwoFaceError, match="no such file"):
        decode_image(Path("nowhere.png"))


def test_a_file_that_is_replaced_keeps_who_may_read_it(tmp_path: Path) -> None:
    for name, mode in (("own.txt", 0o600), ("all.txt", 0o644)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
        write_text(tmp_path / name, "new")
        assert (tmp_path / name).stat().st_mode & 0o777 == mode


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept.png"
    write_image(path, PHOTO)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="Cannot handle"):
        write_image(path, np.zeros((4, 4, 7), np.uint8))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.png"]


def test_writing_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TwoFaceError, match="cannot be written"):
        write_text(tmp_path / "file" / "below.txt", "x")


def test_white_is_the_hole(tmp_path: Path) -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[5:9] = 255
    path = tmp_path / "mask.png"
    Image.fromarray(mask).save(path)
    assert np.array_equal(decode_mask(path), mask)


@pytest.mark.parametrize("shape", [(90, 131), (131, 90), (64, 64), (301, 299), (33, 500)])
@pytest.mark.parametrize("box", [None, (10, 5, 40, 21), (-9, -9, 50, 50)])
def test_paste_back_changes_the_hole_only(shape: tuple[int, int], box: tuple[int, int, int, int] | None) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    frame = Frame.centred(*shape) if box is None else Frame.around_box(box, *shape)
    hole = np.zeros((64, 64), bool)
    hole[20:40, 16:48] = True
    mask = frame.mask_in_photo(hole, *shape)
    content = frame.to_photo(np.full((64, 64, 3), 200, np.uint8), bounding_box(mask))
    result = Photo(photo).with_fill(content, mask.astype(np.uint8) * 255).pixels
    assert mask.any()
    assert np.array_equal(result[~mask], photo[~mask])
    assert (result[mask] == 200).all()


def test_a_frame_is_square_about_the_box_and_never_squashes() -> None:
    frame = Frame.around_box((10, 20, 30, 10), 90, 131)
    assert (frame.x, frame.y, frame.side) == (10, 10, 30)
    circle = np.zeros((90, 131), np.uint8)
    rows, columns = np.ogrid[:90, :131]
    circle[(rows - 45) ** 2 + (columns - 65) ** 2 < 30**2] = 255
    seen = Frame.centred(90, 131).crop(circle, 64) > 127
    assert abs(int(seen.any(0).sum()) - int(seen.any(1).sum())) <= 1


def test_over_the_edge_the_photo_is_reflected() -> None:
    frame = Frame(-5, 0, 10)
    assert np.array_equal(frame.crop(PHOTO, 10)[:, :5], PHOTO[:10, :5][:, ::-1])


def test_the_hole_in_the_frame_covers_every_pixel_it_touches() -> None:
    mask = np.zeros((90, 131), bool)
    mask[40, 60] = True
    assert Frame.centred(90, 131).crop_mask(mask, 16).sum() >= 1


@pytest.mark.parametrize(
    ("box", "says"),
    [((0, 0, 0, 5), "empty"), ((200, 0, 5, 5), "outside"), ((0, 0, 10**6, 5), "far larger")],
)
def test_bad_boxes(box: tuple[int, int, int, int], says: str) -> None:
    with pytest.raises(TwoFaceError, match=says):
        Frame.around_box(box, 90, 131)


def test_bad_masks() -> None:
    frame = Frame.centred(90, 131)
    with pytest.raises(TwoFaceError, match="no hole"):
        check_reach(frame, np.zeros((90, 131), bool))
    with pytest.raises(TwoFaceError, match="reaches out"):
        check_reach(Frame(0, 0, 40), np.ones((90, 131), bool))
