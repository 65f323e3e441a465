"""A photo written again: what its file holds stays, its pixels outside the hole too, and what was done is said."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from camera import MAKER_NOTE, camera_exif
from conftest import Run
from PIL import Image

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.exif import renewed
from twoface_pl.faces.image import Photo, read_photo, write_image
from twoface_pl.faces.origin import read_origin
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.faces.writing import check_keeps_pixels, write_photo
from twoface_pl.faces.xmp import RDF, SOURCE_TYPE, marked

TITLE = "a day at the sea"
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
    f"<dc:title>{TITLE}</dc:title><xmp:Thumbnails>old picture</xmp:Thumbnails></rdf:Description></rdf:RDF></x:xmpmeta>"
).encode()
HOLE = np.zeros((90, 131), np.uint8)
HOLE[30:60, 40:75] = 255
AROUND = np.zeros(HOLE.shape, bool)  # the blocks that it touches, of colours at half size, and a pixel more
AROUND[16 - 1 : 64 + 1, 32 - 1 : 80 + 1] = True
CODINGS = [
    {"quality": 90},
    {"quality": 75, "subsampling": 0},
    {"quality": 80, "subsampling": 1, "progressive": True},
    {"quality": 85, "optimize": True},
]


def _pixels(height: int = 90, width: int = 131) -> np.ndarray:
    return np.ascontiguousarray(synthetic_photo(3, 0, 160)[:height, :width])


def _saved(path: Path, orientation: int = 1, **options: object) -> Path:
    kind = {"exif": camera_exif(_pixels(), orientation), "dpi": (240, 240)} | options
    if path.suffix != ".png":
        kind["xmp"] = XMP
    Image.fromarray(_pixels()).save(path, **kind)  # type: ignore[arg-type]
    return path


def _filled(photo: Photo, mask: np.ndarray = HOLE) -> Photo:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    part = photo.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return photo.with_fill(255 - part, mask)


def _thumbnail(exif: bytes) -> np.ndarray:
    start = exif.index(b"\xff\xd8\xff")
    return np.asarray(Image.open(io.BytesIO(exif[start:])).convert("RGB")).astype(int)


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_a_jpeg_keeps_every_pixel_that_its_hole_does_not_touch(coding: dict[str, object], tmp_path: Path) -> None:
    photo = read_photo(_saved(tmp_path / "in.jpg", **coding), keep=True)
    filled = _filled(photo)
    write_photo(tmp_path / "out.jpg", filled)
    result = read_photo(tmp_path / "out.jpg").pixels
    assert np.array_equal(result[~AROUND], photo.pixels[~AROUND])
    error = np.abs(result.astype(int) - filled.pixels)
    assert error[HOLE > 0].mean() < 12  # once through the photo's own coding
    before, after = (Image.open(tmp_path / name) for name in ("in.jpg", "out.jpg"))
    assert after.quantization == before.quantization  # type: ignore[attr-defined]
    assert after.layer == before.layer  # type: ignore[attr-defined]  # subsampling


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_stays_turned(orientation: int, tmp_path: Path) -> None:
    photo = read_photo(_saved(tmp_path / "in.jpg", orientation), keep=True)
    mask = np.zeros(photo.pixels.shape[:2], np.uint8)
    mask[5:20, 9:40] = 255
    filled = _filled(photo, mask)
    write_photo(tmp_path / "out.jpg", filled)
    result = read_photo(tmp_path / "out.jpg", keep=True)
    assert result.origin is not None
    assert result.origin.orientation == orientation
    assert np.abs(result.pixels.astype(int) - filled.pixels)[mask > 0].mean() < 12
    assert np.array_equal(result.pixels[-30:, -60:], photo.pixels[-30:, -60:])


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
def test_what_the_file_says_stays_and_the_mark_is_added(suffix: str, tmp_path: Path) -> None:
    photo = read_photo(_saved(tmp_path / "in.jpg", 6, comment=b"hello"), keep=True)
    mask = np.ascontiguousarray(HOLE.T[:, ::-1])
    filled = _filled(photo, mask)
    write_photo(tmp_path / f"out{suffix}", filled)
    with Image.open(tmp_path / f"out{suffix}") as opened:
        opened.load()
        exif = opened.getexif()
        assert exif[0x010F] == "Camera"
        assert exif.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        assert exif.get(0x0112, 1) == (6 if suffix == ".jpg" else 1)  # kept or applied, never both
        xmp = opened.info["xmp"]
        xmp = xmp if isinstance(xmp, bytes) else xmp.encode()
        if suffix != ".webp":  # which has no place for it
            assert round(opened.info["dpi"][0]) == 240
    assert SOURCE_TYPE.encode() in xmp
    assert TITLE.encode() in xmp
    assert b"old picture" not in xmp
    again = read_photo(tmp_path / f"out{suffix}", keep=True)
    if suffix != ".jpg":
        assert np.array_equal(again.pixels, filled.pixels)
    write_photo(tmp_path / f"again{suffix}", _filled(again, mask))  # marked once, however often it is filled
    assert again.origin is not None
    assert marked(again.origin.xmp, "Two-Face", "9").count(SOURCE_TYPE.encode()) == 1


def test_the_thumbnail_shows_what_is_there_now(tmp_path: Path) -> None:
    photo = read_photo(_saved(tmp_path / "in.jpg"), keep=True)
    assert photo.origin is not None
    filled = Photo(np.zeros_like(photo.pixels), origin=photo.origin, hole=np.ones(HOLE.shape, bool))
    assert _thumbnail(photo.origin.exif).max() > 100
    write_photo(tmp_path / "out.jpg", filled)
    written = read_photo(tmp_path / "out.jpg", keep=True).origin
    assert written is not None
    assert _thumbnail(written.exif).max() < 10
    assert MAKER_NOTE in written.exif
    assert written.exif.index(MAKER_NOTE) == photo.origin.exif.index(MAKER_NOTE)  # its offsets hold


def test_other_pictures_in_a_jpeg_go_and_captions_stay(tmp_path: Path) -> None:
    caption = b"8BIM\x04\x04\0\0\0\0\0\x05hello\0"
    preview = b"8BIM\x04\x0c\0\0\0\0\0\x06secret"
    stream = io.BytesIO()
    Image.fromarray(_pixels()).save(stream, "JPEG")
    resources = b"Photoshop 3.0\0" + preview + caption
    parts = [(0xED, resources), (0xE2, b"MPF\0secret"), (0xE1, b"http://ns.adobe.com/xmp/extension/\0secret")]
    segments = b"".join(bytes([0xFF, kind]) + (len(part) + 2).to_bytes(2, "big") + part for kind, part in parts)
    (tmp_path / "in.jpg").write_bytes(b"\xff\xd8" + segments + stream.getvalue()[2:] + b"secret behind the end")
    write_photo(tmp_path / "out.jpg", _filled(read_photo(tmp_path / "in.jpg", keep=True)))
    content = (tmp_path / "out.jpg").read_bytes()
    assert b"secret" not in content
    assert caption in content


def test_damaged_metadata_never_stop_a_result(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole, picture = camera_exif(_pixels()).removeprefix(b"Exif\0\0"), Image.fromarray(_pixels())
    for _ in range(200):
        broken = bytearray(whole)
        for place in rng.integers(0, 160, 3):
            broken[place] = rng.integers(256)
        renewed(bytes(broken[: rng.integers(1, len(broken))]), picture)
    assert SOURCE_TYPE.encode() in marked(b"<x:xmpmeta", "Two-Face", "1")
    assert renewed(b"no block", picture) == b""
    spaces = "".join(f' xmlns:own{number}="urn:{number}"' for number in range(150))
    known = dict(ElementTree._namespace_map)
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"{spaces}><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'
    assert b"xmpmeta" in marked(packet.encode(), "Two-Face", "1")
    assert ElementTree._namespace_map == known  # of what a photo says nothing is kept
    for size in (packet.replace(spaces, spaces + spaces.replace("own", "more")), packet + " " * 5_000_000):
        assert b"urn:1" not in marked(size.encode() + b"x" * 3, "Two-Face", "1")
    _saved(tmp_path / "in.jpg", exif=b"Exif\0\0rubbish")
    write_photo(tmp_path / "out.jpg", _filled(read_photo(tmp_path / "in.jpg", keep=True)))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tiff", ".webp"])
def test_metadata_that_no_format_can_hold_cost_no_result(suffix: str, tmp_path: Path) -> None:
    photo = read_photo(_saved(tmp_path / "in.jpg"), keep=True)
    assert photo.origin is not None
    rational = b"MM\0*\0\0\0\x08\0\1\x82\x9a\0\5\0\0\0\1\xff\xff\xff\xf0\0\0\0\0"  # a value beyond the block's end
    for exif in (b"MM\0*" + bytes(70000), rational, photo.origin.exif + bytes(70000)):
        odd = replace(photo, origin=replace(photo.origin, exif=exif))
        write_photo(tmp_path / f"out{suffix}", _filled(odd), reencode=True)
        assert read_photo(tmp_path / f"out{suffix}").pixels.shape == photo.pixels.shape
    long = replace(photo, origin=replace(photo.origin, xmp=XMP.replace(b"</dc:title>", b"x" * 70000 + b"</dc:title>")))
    if suffix == ".jpg":
        with pytest.raises(TwoFaceError, match=r"too long.*give `output` with \.png"):
            write_photo(tmp_path / "long.jpg", _filled(long), reencode=True)
        with pytest.raises(TwoFaceError, match=r"too long.*give `output` with \.png"):
            write_photo(tmp_path / "long.jpg", _filled(long))
    else:
        write_photo(tmp_path / f"long{suffix}", _filled(long))


def test_a_tiff_says_again_what_it_said(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera", 6
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0)})
    Image.fromarray(_pixels()).save(tmp_path / "in.tiff", exif=exif.tobytes(), dpi=(300, 300))
    photo = read_photo(tmp_path / "in.tiff", keep=True)
    for suffix in (".tiff", ".png"):
        write_photo(tmp_path / f"out{suffix}", _filled(photo, np.ascontiguousarray(HOLE.T)))
        with Image.open(tmp_path / f"out{suffix}") as opened:
            opened.load()
            found = opened.getexif()
            assert found[0x010F] == "Camera"
            assert found.get_ifd(0x8825)[1] == "N"
            assert found.get(0x0112, 1) == 1
            assert round(opened.info["dpi"][0]) == 300
    only_where = Image.Exif()
    only_where.get_ifd(0x8825).update({1: "S"})
    Image.fromarray(_pixels()).save(tmp_path / "where.tiff", exif=only_where.tobytes())
    write_photo(tmp_path / "where.png", _filled(read_photo(tmp_path / "where.tiff", keep=True)))
    with Image.open(tmp_path / "where.png") as opened:
        assert opened.getexif().get_ifd(0x8825)[1] == "S"


@pytest.mark.parametrize(("turned", "dpi"), [(9, (0, 0)), (0, (1e9, 1e9)), (6, (float("nan"), 300))])
def test_what_is_no_orientation_or_resolution_is_none(turned: int, dpi: tuple[float, float], tmp_path: Path) -> None:
    _saved(tmp_path / "in.jpg", turned)
    with Image.open(tmp_path / "in.jpg") as opened:
        opened.info["dpi"] = dpi
        origin = read_origin(opened, tmp_path / "in.jpg")
    assert origin.orientation == (turned if turned == 6 else 1)
    assert origin.dpi is None


def test_a_jpeg_in_rgb_is_known_by_its_components_names(tmp_path: Path) -> None:
    Image.fromarray(_pixels()).save(tmp_path / "in.jpg", keep_rgb=True, quality=95)
    content = (tmp_path / "in.jpg").read_bytes()
    adobe = content.index(b"\xff\xee")
    length = 2 + int.from_bytes(content[adobe + 2 : adobe + 4], "big")
    (tmp_path / "in.jpg").write_bytes(content[:adobe] + content[adobe + length :])
    photo = read_photo(tmp_path / "in.jpg", keep=True)
    with pytest.raises(TwoFaceError, match="a JPEG in CMYK, RGB or 12 bits"):
        write_photo(tmp_path / "out.jpg", _filled(photo))


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_a_jpeg_of_another_kind(mode: str, tmp_path: Path) -> None:
    Image.fromarray(_pixels()).convert(mode).save(tmp_path / "in.jpg")
    photo = read_photo(tmp_path / "in.jpg", keep=True)
    if mode == "CMYK":
        with pytest.raises(TwoFaceError, match=r"in CMYK, .*give `output` with \.png, or `reencode`"):
            write_photo(tmp_path / "out.jpg", _filled(photo))
        write_photo(tmp_path / "out.jpg", _filled(photo), reencode=True)
    else:
        write_photo(tmp_path / "out.jpg", _filled(photo))
        with Image.open(tmp_path / "out.jpg") as opened:
            assert opened.mode == "L"
    result = read_photo(tmp_path / "out.jpg").pixels
    assert np.abs(result.astype(int) - _filled(photo).pixels).mean() < 6


def test_without_the_package_a_jpeg_becomes_a_png(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from twoface_pl.serving import plan

    assert plan.result_suffix(Path("a.jpg")) == ".jpg"
    for place in ("faces.jpeg", "serving.plan"):
        monkeypatch.setattr(f"twoface_pl.{place}.can_rewrite", lambda: False)
    assert plan.result_suffix(Path("a.jpg")) == ".png"
    assert plan.result_suffix(Path("a.jpg"), reencode=True) == ".jpg"
    with pytest.raises(TwoFaceError, match=r"pip install 'twoface-pl\[jpeg\]'; or give `output` .*or `reencode`"):
        check_keeps_pixels(".jpg", read_photo(_saved(tmp_path / "a.jpg"), keep=True))


def test_the_command_writes_beside_the_photo_in_its_format(twoface: Run, model: Path, tmp_path: Path) -> None:
    _saved(tmp_path / "photo.jpg", 1, quality=92)
    write_image(tmp_path / "other.png", synthetic_photo(3, 1, 96))
    Image.fromarray(HOLE).save(tmp_path / "hole.png")
    common = ["inpaint", "--model", model, "--image", "photo.jpg", "--reference", "other.png", "--mask", "hole.png"]
    done = twoface(*common, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "photo-filled.jpg"
    before, after = (read_photo(tmp_path / name, keep=True) for name in ("photo.jpg", "photo-filled.jpg"))
    assert np.array_equal(after.pixels[~AROUND], before.pixels[~AROUND])
    assert (after.pixels != before.pixels)[HOLE > 0].any()
    assert after.origin is not None
    assert SOURCE_TYPE.encode() in after.origin.xmp
    Image.open(tmp_path / "photo.jpg").convert("CMYK").save(tmp_path / "cmyk.jpg")
    common[4] = "cmyk.jpg"
    other = twoface(*common, cwd=tmp_path)
    assert other.returncode == 0, other.stderr
    assert "in CMYK, RGB or 12 bits cannot be changed" in other.stderr
    assert other.stdout.strip() == "cmyk-filled.png"
    bmp = twoface(*common, "--output", "out.bmp", cwd=tmp_path)
    assert bmp.returncode == 0
    assert "nothing in it says that a model completed the photo" in bmp.stderr
