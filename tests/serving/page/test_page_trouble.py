"""The web page where something goes wrong: files, servers, tokens, a change of mind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import (
    BROWSER,
    MASK,
    OTHER,
    PERSON,
    PHOTO,
    SERVER,
    SIDE,
    Page,
    as_png,
    given,
    needs_browser,
    needs_runtime,
    visiting,
)  # fmt: skip
from served import serving

from twoface_pl.faces.image import decode_mask, soften
from twoface_pl.faces.synthetic import synthetic_photo

pytestmark = needs_browser
TOKEN = "a-token-of-letters-and-digits-7"


def test_a_fill_that_is_broken_off_changes_nothing(visit: Page) -> None:
    visit.prepare()
    visit.page.route("**/inpaint", lambda route: None)  # it never answers
    visit.page.click("#fill")
    assert visit.page.evaluate("document.activeElement.id") == "cancel"
    visit.drag((20, 20), (60, 20))  # painted meanwhile
    visit.page.click("#cancel")
    visit.wait()
    assert visit.page.locator("#result").is_hidden()
    assert visit.page.locator("#failure").is_hidden()
    visit.page.keyboard.press("Control+z")
    assert np.array_equal(visit.hole(), MASK > 0)
    visit.page.unroute("**/inpaint")
    visit.fill()
    visit.page.keyboard.press("Control+z")  # back to the hole, before the mask
    assert visit.page.locator("#result").is_hidden()
    assert visit.page.locator("#fill").is_disabled()


def test_masks_and_clear_parts_are_what_the_server_takes_them_for(visit: Page) -> None:
    levels = np.array([0, 40, 100, 126, 129, 140, 200, 255], np.uint8)
    red, alpha = (each.repeat(8, 0).repeat(8, 1) for each in np.meshgrid(levels, levels))
    for colour in ((1, 0, 0), (1, 1, 0), (0, 0, 1), (1, 1, 1)):
        content = as_png(np.dstack([*(red * channel for channel in colour), alpha]))
        taken = visit.page.evaluate(
            """async (bytes) => {
              const { openMask } = await import("/page/pictures.js");
              const file = new File([new Uint8Array(bytes)], "mask.png", { type: "image/png" });
              return [...(await openMask(file, { width: 64, height: 64 }, { body: 1e6, pixels: 1e6 }))];
            }""",
            list(content),
        )
        assert np.array_equal(np.reshape(taken, (64, 64)) > 0, decode_mask(content) > 127)
    nearly = np.full((64, 64), 254, np.uint8)
    nearly[:32] = 231
    nearly[:8, :8] = 230
    clear = visit.page.evaluate(
        """async (bytes) => {
          const { openPicture } = await import("/page/pictures.js");
          const file = new File([new Uint8Array(bytes)], "photo.png", { type: "image/png" });
          return [...((await openPicture(file, { body: 1e6, pixels: 1e6 })).clear ?? [])];
        }""",
        list(as_png(np.dstack([np.full((64, 64, 3), 90, np.uint8), nearly]))),
    )
    assert np.array_equal(np.reshape(clear, (64, 64)) > 0, soften(nearly) < 255)


@needs_runtime
def test_another_place_in_the_middle_of_a_fill_breaks_it_off_and_fills_there(visit: Page) -> None:
    visit.prepare()
    visit.page.route("**/inpaint", lambda route: None)  # it never answers
    visit.page.click("#fill")
    visit.place(BROWSER)
    visit.wait()
    assert visit.page.locator("#result").is_hidden()
    assert visit.page.locator("#failure").is_hidden()
    visit.fill()
    assert np.array_equal(visit.pixels()[MASK == 0], PHOTO[MASK == 0])
    visit.place(SERVER)
    assert visit.page.locator("#result").is_hidden()
    assert np.array_equal(visit.hole(), MASK > 0)


def test_a_server_that_is_busy_is_asked_again_with_what_there_is_by_then(visit: Page) -> None:
    visit.prepare()
    visit.reference(as_png(synthetic_photo(PERSON, 2, SIDE)))
    busy = {"status": 503, "headers": {"Retry-After": "2"}, "json": {"error": "busy"}}
    visit.page.route("**/inpaint", lambda route: route.fulfill(**busy))
    visit.page.click("#fill")
    assert "busy" in visit.failure
    visit.page.unroute("**/inpaint")
    visit.page.locator("#reference-list .remove").first.click()
    visit.page.evaluate("""() => {
        const [ask, sent] = [window.fetch, window.sent = []];
        window.fetch = (path, options) => {
            sent.push(options?.body?.getAll?.("reference").length);
            return ask(path, options);
        };
    }""")
    visit.fill()
    assert visit.page.evaluate("window.sent") == [1]


def test_of_several_references_a_bad_one_is_left_out(visit: Page) -> None:
    visit.photo(as_png(PHOTO))
    files = [("a.png", b"hello"), ("b.png", as_png(OTHER)), ("c.png", as_png(OTHER))]
    visit.page.set_input_files("#add-reference", [given(*each) for each in files])
    visit.until("document.querySelector('#failure').textContent.includes('left out')")
    assert visit.page.locator("#reference-list .picture").count() == 1


def _bomb() -> bytes:
    """A small file that says it is 60,000 pixels a side."""
    content = bytearray(as_png(np.zeros((8, 8, 3), np.uint8)))
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello", "no picture that is read here"),
        (b"", "empty"),
        (_bomb(), "50 megapixels are the most"),
        (b"II*\0" + bytes(100), "cannot show TIFF"),
        (b"\0\0\0\x18ftypheic" + bytes(100), "cannot show HEIC"),
        (as_png(PHOTO)[:300], "broken"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(visit: Page, content: bytes, says: str) -> None:
    visit.page.set_input_files("#choose", given("x.png", content))
    assert says in visit.failure
    visit.photo(as_png(PHOTO))
    assert visit.page.locator("#failure").is_hidden()
    visit.reference(as_png(OTHER))
    visit.page.set_input_files("#add-reference", given("x.png", content))
    assert says in visit.failure
    assert visit.page.locator("#reference-list .picture").count() == 1


def test_a_server_that_ends_and_comes_back_costs_nothing(browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path / "log") as first, visiting(browser, f"http://{first.url}/") as page:
        page.prepare()
        first.process.terminate()
        first.process.wait(30)
        page.page.click("#fill")
        assert "cannot be reached" in page.failure
        assert np.array_equal(page.hole(), MASK > 0)
        with serving(tmp_path / "again", port=first.port):
            page.page.click("#failure button")
            page.page.wait_for_selector("#result:not([hidden])")


def test_a_token_is_asked_for_once(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with (
        serving(tmp_path / "log", "--token-file", tmp_path / "token") as served,
        visiting(browser, f"http://{served.url}/") as page,
    ):
        page.page.set_input_files("#choose", given("photo.png", as_png(PHOTO)))
        for wrong in ("wrong-words-of-a-token", ""):
            page.page.wait_for_selector("#token[open]")
            page.page.fill("#token input", wrong)
            page.page.keyboard.press("Enter" if wrong else "Escape")
        assert "asks for a token" in page.failure
        page.page.click("#failure button")
        page.page.wait_for_selector("#token[open]")
        assert page.page.locator("#token-wrong").is_visible()
        page.page.fill("#token input", TOKEN)
        page.page.keyboard.press("Enter")
        page.until("document.querySelector('#photo-says').textContent.startsWith('The face was found')")
        about = served.client.get("/page/about").json()
        assert served.client.get(about["files"]["repair.onnx"]["url"]).status_code == 401
        page.reference(as_png(OTHER))
        page.page.click("#part-mouth")
        page.fill()
