"""Examples in the docstrings of public functions."""

import doctest
import importlib
from pathlib import Path

import pytest
from conftest import ROOT

ROOMS = {"faces": ROOT / "src/twoface_pl/faces", "masks": ROOT / "src/twoface_pl/masks", "serving": ROOT / "serving"}


def _has_examples(path: Path) -> bool:
    return ">>> " in path.read_text("utf-8")


MODULES = ["twoface_pl.errors"] + [
    f"twoface_pl.{room}.{path.stem}" for room, folder in ROOMS.items() for path in sorted(folder.glob("*.py"))
    if _has_examples(path)
]  # fmt: skip


def test_rooms_that_people_import_have_examples() -> None:
    assert {name.split(".")[1] for name in MODULES} == {"errors", *ROOMS}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
