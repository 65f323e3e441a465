"""Pictures of the web page's states, in both themes, on a desktop and on a phone; the best is the README's.

make screenshots
make screenshots ARGS="--readme"
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from page import open_browser, prepare_samples, serving

DESKTOP = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
README = Path(__file__).parents[1] / "docs" / "page.png"


def walk(page: Any, take: Any) -> None:
    """Through the page, with a picture of each state."""
    take("1-start")
    prepare_samples(page)
    take("2-hole")
    page.click("#tool-frame")
    take("3-frame")
    page.locator("#reference-list .picture button").first.click()
    take("4-reference")
    page.set_input_files("#add-reference", {"name": "x", "mimeType": "image/png", "buffer": b"hello"})
    page.wait_for_selector("#failure:not([hidden])")
    take("5-failure")
    page.locator("#photo-list .picture button").click()
    page.click("#fill")
    take("6-filling")
    page.wait_for_selector("#result:not([hidden])")
    page.wait_for_timeout(300)
    take("7-result")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("results/page"), help="a folder (%(default)s)")
    parser.add_argument("--readme", action="store_true", help="the README's picture alone")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with serving() as base, open_browser() as browser:
        for name, device in (("desktop", DESKTOP), ("phone", PHONE)):
            for theme in ("light", "dark"):
                page = browser.new_context(**device, color_scheme=theme, locale="en-US").new_page()
                page.goto(base)
                page.wait_for_timeout(500)

                def take(state: str, page: Any = page, name: str = name, theme: str = theme) -> None:
                    if not arguments.readme:
                        path = arguments.output / f"{name}-{theme}-{state}.png"
                        page.screenshot(path=path)
                        print(path)
                    elif (name, theme, state) == ("desktop", "light", "7-result"):
                        page.screenshot(path=README)
                        print(README)

                walk(page, take)
                page.context.close()


if __name__ == "__main__":
    main()
