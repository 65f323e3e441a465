"""The web page: the whole way in a real browser, on the server and in the browser."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import (
    BROWSER,
    HOLE,
    MASK,
    OTHER,
    PHOTO,
    PLACES,
    SERVER,
    SIDE,
    Page,
    as_png,
    needs_browser,
    needs_runtime,
    visiting,
)  # fmt: skip
from camera import MAKER_NOTE, camera_exif
from PIL import Image
from served import Served, serving

from twoface_pl.faces.image import decode_image

pytestmark = needs_browser


@needs_runtime
def test_server_and_browser_fill_alike_and_keep_the_rest(visit: Page) -> None:
    filled, figures = {}, {}
    for place in PLACES:
        visit.prepare(place)
        before = len(visit.requests)
        visit.fill()
        assert ("POST" in {method for method, _ in visit.requests[before:]}) == (place == SERVER)
        filled[place] = visit.pixels()
        assert np.array_equal(filled[place][MASK == 0], PHOTO[MASK == 0])
        assert not np.array_equal(filled[place], PHOTO)
        words, figures[place] = visit.text("#likeness strong"), float(visit.text("#likeness span").split()[1])
        assert words == "Looks like the same person"
        content = visit.saved("#download")
        assert b"compositeWithTrainedAlgorithmicMedia" in content
        assert visit.page.locator("#download").get_attribute("download") == "photo-filled.png"
        visit.page.click("#photo-card .picture button")
        visit.page.click("#reference-card .remove")
    assert np.abs(filled[SERVER].astype(int) - filled[BROWSER]).max() <= 1
    assert abs(figures[SERVER] - figures[BROWSER]) < 0.03


@needs_runtime
def test_in_the_browser_no_request_carries_a_photo_and_a_second_visit_needs_no_server(
    browser: Any, tmp_path: Path
) -> None:
    with serving(tmp_path / "log") as served, visiting(browser, f"http://{served.url}/") as page:
        page.until("document.documentElement.dataset.kept === 'true'")
        page.prepare(BROWSER)
        page.fill()
        first = page.pixels()
        assert {method for method, _ in page.requests} == {"GET"}
        assert "WebAssembly" in page.text("#place-says")
        served.process.terminate()
        served.process.wait(30)
        page.open()
        page.prepare(BROWSER)
        page.fill()
        assert np.array_equal(page.pixels(), first)


def _turned_jpeg(upright: np.ndarray) -> bytes:
    """A phone's photo: its pixels lie on their side, EXIF says so, and who made it."""
    stream = io.BytesIO()
    exif = camera_exif(np.rot90(upright), 6, "A phone")
    Image.fromarray(np.rot90(upright)).save(stream, "JPEG", quality=92, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("place", [SERVER, pytest.param(BROWSER, marks=needs_runtime)])
def test_a_phones_photo_stands_upright_and_keeps_what_its_file_says(visit: Page, place: str) -> None:
    content, high = _turned_jpeg(np.pad(PHOTO, ((0, 80), (0, 0), (0, 0)), mode="edge")), np.pad(MASK, ((0, 80), (0, 0)))
    visit.place(place)
    visit.photo(content, "photo.jpg", "image/jpeg")
    visit.reference(as_png(OTHER))
    visit.mask(as_png(high))
    visit.fill()
    filled = visit.saved("#download")
    name = visit.page.locator("#download").get_attribute("download")
    with Image.open(io.BytesIO(filled)) as opened:
        kind, suffix = ("JPEG", "jpg") if place == SERVER else ("PNG", "png")
        assert (opened.format, name) == (kind, f"photo-filled.{suffix}")
        assert opened.getexif()[0x010F] == "A phone"
    seen, given_photo = decode_image(filled), decode_image(content)
    assert seen.shape == given_photo.shape == (SIDE + 80, SIDE, 3)
    outside = high == 0
    if place == SERVER:  # a JPEG: blocks of 16 pixels that the hole touches, and colours that reach out of them
        outside[HOLE[0].start - 18 : HOLE[0].stop + 18, HOLE[1].start - 18 : HOLE[1].stop + 18] = False
    assert np.array_equal(seen[outside], given_photo[outside])
    assert np.abs(seen.astype(int) - given_photo)[high > 0].mean() > 1
    assert visit.page.locator("#save-anew").is_visible() == (place == BROWSER)
    if place == BROWSER:
        anew = visit.saved("#save-anew")
        with Image.open(io.BytesIO(anew)) as opened:
            assert (opened.format, opened.getexif()[0x010F]) == ("JPEG", "A phone")
            for exif in (opened.info["exif"], Image.open(io.BytesIO(filled)).info["exif"]):
                assert MAKER_NOTE in exif
                assert b"\xff\xd8" not in exif  # the small picture, which shows what was in the hole
        assert b"compositeWithTrainedAlgorithmicMedia" in anew
        assert np.abs(decode_image(anew).astype(int) - seen).mean() < 2
    boxes = visit.page.evaluate("document.querySelector('photo-stage').scene")
    assert (boxes["width"], boxes["height"]) == (SIDE, SIDE + 80)


@pytest.mark.parametrize("place", [SERVER, pytest.param(BROWSER, marks=needs_runtime)])
def test_what_is_transparent_is_the_hole(visit: Page, place: str) -> None:
    clear = np.dstack([PHOTO, 255 - MASK])
    visit.place(place)
    visit.photo(as_png(clear))
    visit.reference(as_png(OTHER))
    assert np.array_equal(visit.hole(), MASK > 0)
    visit.fill()
    with Image.open(io.BytesIO(visit.saved("#download"))) as opened:
        filled = np.asarray(opened.convert("RGBA"))
    assert (filled[..., 3] == 255).all()
    assert np.array_equal(filled[MASK == 0][:, :3], PHOTO[MASK == 0])
    visit.page.click("#again")
    visit.drag((20, 20), (60, 20))
    more = visit.hole()
    assert more[20, 25:55].all()
    visit.fill()
    with Image.open(io.BytesIO(visit.saved("#download"))) as opened:
        assert (np.asarray(opened.convert("RGBA"))[..., 3] == 255).all()


@pytest.mark.slow
@pytest.mark.parametrize("place", [SERVER, pytest.param(BROWSER, marks=needs_runtime)])
def test_a_photo_of_48_megapixels_is_filled_at_its_full_size(visit: Page, place: str) -> None:
    large = np.asarray(Image.fromarray(PHOTO).resize((6900, 6900)))
    stream = io.BytesIO()
    Image.fromarray(large).save(stream, "JPEG", quality=80)
    visit.place(place)
    visit.photo(stream.getvalue(), "photo.jpg", "image/jpeg")
    visit.reference(as_png(np.asarray(Image.fromarray(OTHER).resize((3450, 3450)))))
    visit.page.click("#part-mouth")
    visit.fill()
    assert visit.pixels().shape == large.shape


@pytest.mark.parametrize("place", [SERVER, pytest.param(BROWSER, marks=needs_runtime)])
def test_a_face_that_a_hole_hides_in_part_is_found_by_the_rest(visit: Page, place: str) -> None:
    frames = {}
    for name, hidden in (("whole", PHOTO), ("hidden", np.where(MASK[..., None] > 0, np.uint8(235), PHOTO))):
        visit.place(place)
        visit.photo(as_png(hidden))
        if name == "hidden":
            visit.mask(as_png(MASK))
            visit.wait()
        frames[name] = visit.page.evaluate("document.querySelector('photo-stage').scene.frame")
        assert frames[name] is not None, name
    apart = np.hypot(frames["whole"]["x"] - frames["hidden"]["x"], frames["whole"]["y"] - frames["hidden"]["y"])
    assert apart < 0.1 * frames["whole"]["side"]
    assert 0.85 < frames["whole"]["side"] / frames["hidden"]["side"] < 1.18


def test_the_samples_are_filled_with_one_click_each(visit: Page) -> None:
    visit.page.click("#samples")
    visit.until("!document.querySelector('#fill').disabled && document.querySelector('#busy').hidden")
    visit.fill()
    assert visit.text("#likeness strong")


def test_a_visit_loads_little(visit: Page, page_server: Served) -> None:
    loaded = {url for _, url in visit.requests if url.startswith("http")}
    assert len(loaded) > 15
    assert sum(len(page_server.client.get(url).content) for url in loaded) <= 150_000
