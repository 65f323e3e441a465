"""What stands in the documentation's pages, for tests that do what it says."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import ROOT

BLOCK = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str, str]]:
    """The blocks of a page, given by its path from the root: kind, title, text."""
    return BLOCK.findall((ROOT / page).read_text("utf-8"))


def titled(page: str) -> dict[str, str]:
    """The files that a page shows, by their titles."""
    found: dict[str, str] = {}
    for _, title, text in blocks(f"docs/{page}"):
        if title:
            found[title] = found.get(title, "") + text
    return found


def write_files(folder: Path, *pages: str) -> None:
    """All files that these pages show; of one name in several, one after the other."""
    for page in pages:
        for title, text in titled(page).items():
            target = folder / title
            target.parent.mkdir(parents=True, exist_ok=True)
            before = target.read_text("utf-8") if target.exists() else ""
            target.write_text(f"{before}{text}\n", "utf-8")
