"""The web page: what hands do on it, by mouse, keys and fingers; on screens of every size, and read aloud."""

from typing import Any

import numpy as np
import pytest
from browser import MASK, OTHER, PHOTO, SITE, Page, as_png, given, needs_browser, visiting
from drawn_faces import CLEAR, drawn
from served import Served

pytestmark = needs_browser


def test_each_tool_paints_and_each_step_can_be_undone(visit: Page) -> None:
    visit.photo(as_png(PHOTO))
    visit.tool("rectangle")
    visit.drag((40, 50), (100, 110))
    rectangle = visit.hole()
    assert abs(np.count_nonzero(rectangle) - 60 * 60) < 400
    assert rectangle[60:100, 50:90].all()
    visit.tool("eraser")
    visit.drag((30, 80), (120, 80))
    erased = visit.hole()
    assert not erased[80, 45:95].any()
    assert erased[55, 50:90].all()
    visit.tool("lasso")
    visit.drag((150, 150), (200, 150), (200, 200), (150, 200))
    assert visit.hole()[160:190, 165:195].all()
    visit.tool("brush")
    visit.drag((20, 220), (220, 220))
    painted = visit.hole()
    assert painted[220, 30:210].all()
    assert not painted[190:210, 30:140].any()
    for _ in range(3):
        visit.page.keyboard.press("Control+z")
    assert np.array_equal(visit.hole(), rectangle)
    visit.page.click("#redo")
    assert np.array_equal(visit.hole(), erased)
    visit.page.click("#clear")
    assert visit.page.locator("#save-mask").is_disabled()
    visit.page.click("#undo")
    assert np.array_equal(visit.hole(), erased)


def test_parts_of_the_face_lie_in_its_frame_and_a_mask_comes_back_as_it_was_saved(visit: Page) -> None:
    visit.photo(as_png(PHOTO))
    heights = {}
    for part in ("eyes", "nose", "mouth", "lower_half", "square"):
        visit.page.click(f"#part-{part}")
        heights[part] = np.nonzero(visit.hole())[0].mean()
        visit.page.click("#clear")
    assert heights["eyes"] < heights["nose"] < heights["mouth"]
    assert heights["lower_half"] > heights["nose"]
    visit.mask(as_png(MASK))
    assert np.array_equal(visit.hole(), MASK > 0)
    visit.page.set_input_files("#mask-file", given("mask.png", as_png(MASK[:, :100])))
    assert "of 100 \u00d7 240 pixels" in visit.failure
    visit.page.set_input_files("#mask-file", given("mask.png", as_png(0 * MASK)))
    visit.until("document.querySelector('#failure').textContent.includes('nothing white')")
    assert np.array_equal(visit.hole(), MASK > 0)


def test_photos_are_pasted_and_dropped(visit: Page) -> None:
    hand_over = """([event, name, numbers]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(numbers)], name, { type: "image/png" }));
        const made = event === "paste" ? new ClipboardEvent(event, { clipboardData: data, bubbles: true })
            : new DragEvent(event, { dataTransfer: data, bubbles: true, cancelable: true });
        document.body.dispatchEvent(made);
    }"""
    visit.page.evaluate(hand_over, ["paste", "photo.png", list(as_png(PHOTO))])
    visit.page.wait_for_selector("#photo-list .picture")
    visit.wait()
    visit.page.evaluate(hand_over, ["drop", "other.png", list(as_png(OTHER))])
    visit.page.wait_for_selector("#reference-list .picture")
    visit.wait()
    assert visit.text("#reference-says").startswith("The face was found")


def test_of_several_faces_another_is_chosen_and_its_frame_moved(visit: Page) -> None:
    visit.photo(as_png(drawn(*CLEAR[:2])))
    assert visit.text("#photo-says").startswith("2 faces found")
    buttons = visit.page.locator("#photo-faces button")
    assert [each.get_attribute("aria-pressed") for each in buttons.all()] == ["true", "false"]
    buttons.nth(1).click()
    assert buttons.nth(1).get_attribute("aria-pressed") == "true"
    visit.tool("frame")
    scene = "(({frame, others}) => ({frame, others}))(document.querySelector('photo-stage').scene)"
    before = visit.page.evaluate(scene)
    assert len(before["others"]) == 1
    start = (before["frame"]["x"], before["frame"]["y"])
    visit.drag(start, (start[0] + 20, start[1] - 10))
    moved = visit.page.evaluate(scene)["frame"]
    assert abs(moved["x"] - start[0] - 20) < 2
    assert abs(moved["y"] - start[1] + 10) < 2
    assert moved["side"] == before["frame"]["side"]
    corner = visit.page.evaluate("import('/page/geometry.js').then((its) => its.corners(" + str(moved) + ")[2])")
    middle = np.array([moved["x"], moved["y"]])
    visit.drag(tuple(corner), tuple(middle + 1.2 * (corner - middle)))
    grown = visit.page.evaluate(scene)["frame"]
    assert abs(grown["side"] / moved["side"] - 1.2) < 0.05
    visit.page.locator("photo-stage canvas").focus()
    for _ in range(5):
        visit.page.keyboard.press(".")
    assert abs(visit.page.evaluate(scene)["frame"]["angle"] - grown["angle"] - 10) < 0.1


def test_where_no_face_is_found_a_frame_is_put_by_hand(visit: Page) -> None:
    plain = np.full((200, 300, 3), 120, np.uint8)
    visit.photo(as_png(plain))
    assert "No face was found" in visit.text("#photo-says")
    visit.page.set_input_files("#add-reference", given("same.png", as_png(plain)))
    assert "the photo itself" in visit.failure
    visit.reference(as_png(OTHER))
    visit.tool("rectangle")
    visit.drag((120, 80), (180, 130))
    visit.wait()
    visit.page.click("#fill")
    assert "Put the frame over it" in visit.failure
    assert visit.page.locator("#tool-frame").get_attribute("aria-checked") == "true"
    visit.fill()
    assert np.array_equal(visit.pixels()[:70], plain[:70])


def test_all_is_done_by_keyboard(visit: Page) -> None:
    visit.prepare()
    visit.page.click("#clear")
    visit.page.focus("#tool-brush")
    visit.page.keyboard.press("ArrowRight")
    assert visit.page.evaluate("document.activeElement.id") == "tool-eraser"
    visit.page.keyboard.press("ArrowRight")
    visit.page.locator("photo-stage canvas").focus()
    for key in (" ", "Shift+ArrowRight", "Shift+ArrowDown", " "):
        visit.page.keyboard.press(key)
    rectangle = visit.hole()
    rows, columns = (np.nonzero(rectangle.any(axis=axis))[0] for axis in (1, 0))
    assert rectangle[rows[0] : rows[-1], columns[0] : columns[-1]].all()
    assert rows[-1] - rows[0] > 5
    visit.page.click("#clear")
    visit.tool("brush")
    visit.page.locator("photo-stage canvas").focus()
    for key in ("ArrowDown", "ArrowDown", " ", "ArrowRight", " ", "+", "-", "0"):
        visit.page.keyboard.press(key)
    assert 20 < np.count_nonzero(visit.hole()) < 2000
    visit.page.focus("#fill")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("#result:not([hidden])")
    assert visit.page.evaluate("document.activeElement.id") == "download"
    visit.page.focus("#split")
    visit.page.keyboard.press("ArrowRight")
    assert visit.page.evaluate("document.querySelector('photo-stage').scene.split") == 0.51


PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2,
}  # fmt: skip


def test_a_phone_is_enough(browser: Any, page_server: Served) -> None:
    with visiting(browser, f"http://{page_server.url}/", **PHONE) as page:
        assert page.page.locator("#camera").get_attribute("capture") == "environment"
        page.photo(as_png(PHOTO))
        page.reference(as_png(OTHER))
        x, y = page.on_screen(120, 150)
        page.page.touchscreen.tap(x, y)
        assert page.hole()[150, 120]
        page.page.locator("#hole-card").scroll_into_view_if_needed()
        page.page.set_input_files("#add-reference", given("x.png", b"hello"))
        page.until("!document.querySelector('#failure').hidden")
        stage, said = (page.page.locator(name).bounding_box() for name in ("#stage", "#failure"))
        assert stage["y"] + stage["height"] <= said["y"] + 1  # it is seen, not behind the picture
        assert said["y"] + said["height"] <= 740
        page.fill()
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_two_fingers_zoom_and_move_and_paint_nothing(browser: Any, page_server: Served) -> None:
    with visiting(browser, f"http://{page_server.url}/", **PHONE) as page:
        page.photo(as_png(PHOTO))
        fingers = page.page.context.new_cdp_session(page.page)

        def touch(kind: str, *points: tuple[float, float]) -> None:
            touched = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})

        stage = "document.querySelector('photo-stage')"
        scale = f"{stage}.scale"
        x, y = page.on_screen(120, 120)
        before = page.page.evaluate(scale)
        touch("touchStart", (x - 20, y))
        touch("touchMove", (x - 24, y))  # the first one paints until the second comes
        touch("touchStart", (x - 24, y), (x + 24, y))
        for step in range(1, 7):
            touch("touchMove", (x - 24 - 4 * step, y), (x + 24 + 4 * step, y))
        # A browser hands moves over when it draws.
        page.until(f"Math.abs({scale} / {before} - 2) < 0.01")
        assert np.hypot(*np.subtract(page.on_screen(120, 120), (x, y))) < 4
        touch("touchMove", (x - 18, y + 40), (x + 78, y + 40))
        page.until(f"{stage}.onScreen([120, 120])[1] > {y + 38}")
        assert np.hypot(*np.subtract(page.on_screen(120, 120), (x + 30, y + 40))) < 4
        touch("touchEnd")
        assert page.page.locator("#save-mask").is_disabled()
        page.page.touchscreen.tap(x, y)
        assert np.count_nonzero(page.hole())


@pytest.mark.parametrize("size", [(360, 640), (768, 1024), (1280, 720), (3840, 2160)])
def test_every_screen_has_all_of_it(browser: Any, page_server: Served, size: tuple[int, int]) -> None:
    width, height = size
    with visiting(browser, f"http://{page_server.url}/", viewport={"width": width, "height": height}) as page:
        page.photo(as_png(PHOTO))
        page.reference(as_png(OTHER))
        page.page.click("#part-mouth")
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.page.locator("#fill").is_visible()
        stage = page.page.locator("photo-stage canvas").bounding_box()
        assert stage["width"] * stage["height"] > 0.4 * width * height
        for button in ("#fill", "#tool-brush", "#undo", "#zoom button:last-child"):
            box = page.page.locator(button).bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert 0 <= box["y"] <= height - box["height"]


def test_it_speaks_spanish_where_the_browser_does(browser: Any, page_server: Served) -> None:
    with visiting(browser, f"http://{page_server.url}/", locale="es-AR") as page:
        assert page.text("#start h2") == "Vuelve a ver a la persona"
        page.photo(as_png(PHOTO))
        assert page.text("#photo-says").startswith("Se ha encontrado la cara")
        assert page.page.locator("html").get_attribute("lang") == "es"
        page.page.select_option("#language", "en")
        assert page.text("#fill") == "Fill"


AXE = SITE.parent / "node_modules" / "axe-core" / "axe.min.js"


@pytest.mark.skipif(not AXE.is_file(), reason="there is no axe: make page")
@pytest.mark.parametrize(("scheme", "screen"), [("light", {}), ("dark", PHONE)])
def test_axe_finds_nothing_serious(browser: Any, page_server: Served, scheme: str, screen: dict[str, Any]) -> None:
    with visiting(browser, f"http://{page_server.url}/", color_scheme=scheme, bypass_csp=True, **screen) as page:
        found = []

        def look(state: str) -> None:
            page.page.evaluate(AXE.read_text())
            told = page.page.evaluate("axe.run().then(({ violations }) => violations)")
            found.extend(
                (state, each["id"], each["nodes"][0]["html"][:200])
                for each in told
                if each["impact"] in ("serious", "critical", "moderate")
            )

        look("start")
        page.photo(as_png(drawn(*CLEAR[:2])))
        page.reference(as_png(OTHER))
        look("edit")
        page.tool("frame")
        look("frame")
        page.page.click("#part-mouth")
        page.page.route("**/inpaint", lambda route: None)  # it never answers
        page.page.click("#fill")
        look("busy")
        page.page.click("#cancel")
        page.wait()
        page.page.unroute("**/inpaint")
        page.fill()
        look("result")
        page.page.evaluate("document.querySelector('#token').showModal()")
        look("dialog")
        page.page.keyboard.press("Escape")
        page.page.set_input_files("#add-reference", given("x.png", b"hello"))
        assert page.failure
        look("failure")
        assert found == []
