"""JPEGs by their segments: scans, what lies behind the picture, what follows its header."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_photos import TRUE, saved

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.formats import MAX_SCANS
from twoface_pl.faces.image import decode_image


def _many_scans(count: int) -> bytes:
    """A progressive JPEG that goes over its pixels again and again."""
    content = saved(TRUE, "JPEG", progressive=True)
    place = content.rindex(b"\xff\xda")
    return content[:place] + content[place:-2] * (count - content.count(b"\xff\xda") + 1) + content[-2:]


def test_a_jpeg_of_hundreds_of_scans_is_refused(tmp_path: Path) -> None:
    assert decode_image(saved(TRUE, "JPEG", progressive=True)).shape == TRUE.shape
    (tmp_path / "slow.jpg").write_bytes(_many_scans(300))
    for source in (tmp_path / "slow.jpg", _many_scans(300)):
        with pytest.raises(TwoFaceError, match=f"a JPEG of 300 scans, more than {MAX_SCANS}"):
            decode_image(source)


def test_what_lies_behind_a_jpeg_is_not_counted() -> None:
    film = np.random.default_rng(0).integers(0, 256, 8_000_000, np.uint8).tobytes()  # as phones' moving photos have it
    assert film.count(b"\xff\xda") > MAX_SCANS
    for options in ({}, {"progressive": True}):
        photo = saved(TRUE, "JPEG", **options)
        assert np.array_equal(decode_image(photo + film), decode_image(photo))


def test_what_follows_a_jpegs_header_counts_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    content = saved(TRUE, "JPEG", exif=exif)
    start = content.index(b"\xff\xe1")
    length = 2 + int.from_bytes(content[start + 2 : start + 4], "big")
    moved, rest = content[start : start + length], content[:start] + content[start + length :]
    place = rest.index(b"\xff\xda")
    late = rest[:place] + moved + rest[place:]
    (tmp_path / "late.jpg").write_bytes(late)
    assert np.array_equal(decode_image(late), decode_image(tmp_path / "late.jpg"))
    assert decode_image(late).shape == (*TRUE.shape[1::-1], 3)
