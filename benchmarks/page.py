"""The web page in Chromium: its weight, its start, and fills on the server and in the browser, in one run.

make bench-page
make bench-page ARGS="--fills 50"
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright
from serve import SERVE, free_port, server

from twoface_pl.faces.synthetic import synthetic_photo

PERSON = 24  # a drawn face that the detector is sure of
FRAME = 0.57  # of such a photo's side, that of its face's frame
SIZES = (128, 768)  # of that frame, in pixels
USABLE = "document.querySelector('#place-says').textContent !== ''"
MOST = 120_000  # milliseconds


@contextmanager
def serving() -> Iterator[str]:
    """The server; its address."""
    port = free_port()
    with server([sys.executable, *SERVE, "--port", str(port)], port, "/healthz"):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def open_browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        if path is None:
            sys.exit("there is no chromium: apt-get install chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def until(page: Any, condition: str) -> None:
    """Until something holds."""
    for _ in range(MOST // 20):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    sys.exit(f"not within two minutes: {condition}")


def visit(browser: Any, base: str, place: str) -> Any:
    """The page, which fills there."""
    page = browser.new_context().new_page()
    page.goto(base)
    until(page, USABLE)
    page.locator(f"#places input[value={place}]").check(force=True)
    return page


def prepare_samples(page: Any) -> None:
    """The sample faces, ready to be filled."""
    page.click("#samples")
    until(page, "!document.querySelector('#fill').disabled && document.querySelector('#busy').hidden")
    page.wait_for_timeout(200)


def _file(pixels: np.ndarray, name: str) -> dict[str, Any]:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": stream.getvalue()}


def prepare(page: Any, side: int) -> None:
    """A drawn photo of a size, ready to be filled."""
    start = page.locator("body").get_attribute("data-view") == "start"
    page.set_input_files("#choose" if start else "#change-photo", _file(synthetic_photo(PERSON, 0, side), "photo.png"))
    idle = "document.querySelector('#busy').hidden && document.querySelectorAll('{} .picture').length === {}"
    until(page, idle.format("#photo-list", 1))
    for remove in page.locator("#reference-list .remove").all():
        remove.click()
    page.set_input_files("#add-reference", _file(synthetic_photo(PERSON, 1, side), "other.png"))
    until(page, idle.format("#reference-list", 1))
    page.click("#part-mouth")


def fill(page: Any) -> float:
    """Seconds of a fill."""
    if page.locator("#result").is_visible():
        page.click("#again")
    start = time.perf_counter()
    page.click("#fill")
    page.wait_for_selector("#result:not([hidden])", timeout=MOST)
    return time.perf_counter() - start


def _processes(root: int) -> list[int]:
    children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    return [root, *(process for child in children for process in _processes(int(child)))]


def memory() -> float:
    """Megabytes that all of Chromium's processes hold alone, with the driver's."""
    total = 0
    for process in _processes(os.getpid())[1:]:
        try:
            told = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:  # it ended
            continue
        total += sum(int(line.split()[1]) for line in told if line.startswith("Private_Dirty:"))
    return total / 1e3


def print_start(browser: Any, base: str) -> None:
    context = browser.new_context()
    for visit in ("first", "second"):
        page = context.new_page()
        answers: list[Any] = []
        page.on("response", lambda answer, answers=answers: answers.append(answer))
        start = time.perf_counter()
        page.goto(base)
        until(page, USABLE)
        took = time.perf_counter() - start
        weight = sum(len(answer.body()) for answer in answers if answer.ok)
        print(f"{visit} visit: {weight / 1e3:.0f} KB in {len(answers)} files, usable after {took:.2f} s")
        page.close()
    context.close()


def print_fills(browser: Any, base: str, rounds: int) -> None:
    for place in ("server", "browser"):
        page = visit(browser, base, place)
        for size in SIZES:
            prepare(page, round(size / FRAME))
            first = fill(page)
            middle = statistics.median(fill(page) for _ in range(rounds))
            runs_on = page.locator("#place-says").text_content()
            print(f"{place}, a face of {size} px: first {first:.2f} s, then {middle:.2f} s  ({runs_on})", flush=True)
        page.context.close()


def print_memory(browser: Any, base: str, fills: int) -> None:
    for place in ("server", "browser"):
        page = visit(browser, base, place)
        prepare(page, 400)
        held = []
        for number in range(fills):
            fill(page)
            if number + 1 in (fills // 5, fills):
                page.request_gc()
                page.wait_for_timeout(1000)
                held.append(memory())
        print(f"{place}: after {fills // 5} fills {held[0]:.0f} MB, after {fills} {held[-1]:.0f} MB", flush=True)
        page.context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="fills of each size (%(default)s)")
    parser.add_argument("--fills", type=int, default=50, help="after which memory is looked at (%(default)s)")
    arguments = parser.parse_args()
    with serving() as base, open_browser() as browser:
        print_start(browser, base)
        print_fills(browser, base, arguments.rounds)
        print_memory(browser, base, arguments.fills)


if __name__ == "__main__":
    main()
