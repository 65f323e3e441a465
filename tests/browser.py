"""The web page in a real browser: the fixtures of its tests, and what is done on it."""

from __future__ import annotations

import importlib.util
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_faces import CLEAR
from PIL import Image
from served import Served, serving

from twoface_pl.faces.synthetic import synthetic_photo

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SERVER, BROWSER = "server", "browser"
PLACES = (SERVER, BROWSER)
SITE = Path(__file__).parents[1] / "serving" / "page" / "site"
RUNTIME = SITE / "vendor" / "ort.wasm.min.mjs"
HAS_PLAYWRIGHT = importlib.util.find_spec("playwright") is not None
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and HAS_PLAYWRIGHT), reason="there is no chromium (make browser), or no playwright"
)
needs_runtime = pytest.mark.skipif(not RUNTIME.is_file(), reason="there is no runtime for browsers: make page")
MOST = 60_000  # milliseconds that anything may take

SIDE, PERSON = 240, CLEAR[4]
HOLE = (slice(130, 175), slice(90, 150))  # rows and columns, over the mouth
PHOTO, OTHER = (synthetic_photo(PERSON, number, SIDE) for number in (0, 1))
MASK = np.zeros((SIDE, SIDE), np.uint8)
MASK[HOLE] = 255


def as_png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def given(name: str, content: bytes, kind: str = "image/png") -> dict[str, Any]:
    """A file as people choose it."""
    return {"name": name, "mimeType": kind, "buffer": content}


@dataclass
class Page:
    """The web page, and what is done on it."""

    page: Any
    base: str
    errors: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)  # method and address

    def open(self) -> Page:
        self.page.goto(self.base)
        self.until("document.querySelector('#place-says').textContent !== ''")
        return self

    def until(self, condition: str) -> None:
        """Until something holds; Playwright's own way is forbidden by the page's policy."""
        for _ in range(MOST // 50):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"not within a minute: {condition}; {self.text('#failure')}")

    def wait(self) -> None:
        """Until it does nothing any more."""
        self.until("document.querySelector('#busy').hidden")

    def photo(self, content: bytes, name: str = "photo.png", kind: str = "image/png") -> None:
        first = self.page.locator("body").get_attribute("data-view") == "start"
        self.page.set_input_files("#choose" if first else "#change-photo", given(name, content, kind))
        self.wait()

    def reference(self, *contents: bytes) -> None:
        count = self.page.locator("#reference-list .picture").count()
        self.page.set_input_files("#add-reference", [given(f"other{n}.png", each) for n, each in enumerate(contents)])
        self.until(f"document.querySelectorAll('#reference-list .picture').length >= {count + len(contents)}")
        self.wait()

    def mask(self, content: bytes) -> None:
        self.page.set_input_files("#mask-file", given("mask.png", content))
        self.wait()

    def place(self, place: str) -> None:
        self.page.locator(f"#places input[value={place}]").check(force=True)

    def prepare(self, place: str = SERVER) -> None:
        """All that a fill needs."""
        self.place(place)
        self.photo(as_png(PHOTO))
        self.reference(as_png(OTHER))
        self.mask(as_png(MASK))

    def fill(self) -> None:
        self.page.click("#fill")
        self.page.wait_for_selector("#result:not([hidden]), #failure:not([hidden])", timeout=MOST)
        assert self.page.locator("#failure").is_hidden(), self.failure

    def saved(self, button: str) -> bytes:
        with self.page.expect_download() as download:
            self.page.click(button)
        return Path(download.value.path()).read_bytes()

    def pixels(self, button: str = "#download") -> np.ndarray:
        with Image.open(io.BytesIO(self.saved(button))) as opened:
            return np.asarray(opened.convert("RGB"))

    def hole(self) -> np.ndarray:
        """Bool, as it is saved."""
        return self.pixels("#save-mask")[..., 0] > 0

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        """A point of the picture on the screen."""
        found = self.page.evaluate(f"document.querySelector('photo-stage').onScreen([{x}, {y}])")
        return found[0], found[1]

    def drag(self, *points: tuple[float, float]) -> None:
        """From point to point of the picture."""
        mouse = self.page.mouse
        mouse.move(*self.on_screen(*points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.on_screen(*point), steps=4)
        mouse.up()

    def tool(self, name: str) -> None:
        self.page.click(f"#tool-{name}")

    @property
    def failure(self) -> str:
        self.page.wait_for_selector("#failure:not([hidden])")
        return str(self.page.locator("#failure span").text_content())

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).text_content())


@contextmanager
def chromium() -> Iterator[Any]:
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def visiting(browser: Any, base: str, **options: Any) -> Iterator[Page]:
    """A visitor without a past. What the page itself does wrong is an error in the end."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, "locale": "en-US", **options})
    context.set_default_timeout(MOST)
    opened = Page(context.new_page(), base)
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.page.on(
        "console",
        lambda told: opened.errors.append(told.text) if "Content Security Policy" in told.text else None,
    )
    context.on("request", lambda request: opened.requests.append((request.method, request.url)))
    try:
        yield opened.open()
        assert opened.errors == []
        assert {url.partition("://")[2].partition("/")[0] for _, url in opened.requests if url.startswith("http")} == {
            base.partition("://")[2].strip("/")
        }
    finally:
        context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("serve") / "log") as one:
        yield one


@pytest.fixture
def visit(browser: Any, page_server: Served) -> Iterator[Page]:
    with visiting(browser, f"http://{page_server.url}/") as page:
        yield page
