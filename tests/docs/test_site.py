"""The documentation as a site, its links, and the messages that it quotes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT


def test_the_site_builds_and_no_link_leads_nowhere(tmp_path: Path) -> None:
    mkdocs = Path(sys.executable).with_name("mkdocs")
    if not mkdocs.exists():
        pytest.skip("mkdocs-material is not installed (the extra docs)")
    done = subprocess.run(
        [mkdocs, "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    index = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "fonts.googleapis" not in index


def test_links_of_the_readme_lead_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md", "SECURITY.md"):
        text = (ROOT / page).read_text("utf-8")
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            assert "://" in link or (ROOT / link).exists(), (page, link)


def test_what_troubleshooting_quotes_is_what_the_program_says() -> None:
    """So that who searches a message finds it."""
    said = "\n".join(path.read_text("utf-8") for room in ("src/twoface_pl", "serving", "export", "data_prep")
                     for path in (ROOT / room).rglob("*.py"))  # fmt: skip
    said = re.sub(r'"\s*\n\s*f?"', "", said)  # texts over several lines
    quoted = re.findall(r"^\| `([^`]+)`", (ROOT / "docs" / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    assert len(quoted) > 10
    missing = [text for text in quoted if text not in said]
    assert not missing
