"""A folder of photos that is stopped, killed or out of space: what is there is whole, and the same command goes on."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Run
from PIL import Image

from twoface_pl.faces.image import decode_image
from twoface_pl.faces.synthetic import synthetic_photo

SIDE, COUNT = 400, 12
SUFFIXES = (".jpg", ".png", ".tiff", ".webp")


def _folder(where: Path) -> Path:
    """Photos of every format, and one to fill them from."""
    (where / "photos").mkdir()
    for number in range(COUNT):
        Image.fromarray(synthetic_photo(1, number, SIDE)).save(where / "photos" / f"{number:02}{SUFFIXES[number % 4]}")
    Image.fromarray(synthetic_photo(1, 90, SIDE)).save(where / "other.png")
    return where


def _command(model: Path, *more: str) -> list[str]:
    given = ["--image", "photos", "--reference", "other.png", "--model", str(model), *more]
    return [str(Path(sys.executable).with_name("twoface")), "inpaint", *given]


def _whole(folder: Path) -> set[str]:
    """Names of results, each of which can be read."""
    paths = [path for path in folder.iterdir() if path.suffix in SUFFIXES]
    assert all(decode_image(path).shape == (SIDE, SIDE, 3) for path in paths if not path.name.startswith("."))
    return {path.name for path in paths if not path.name.startswith(".")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_stopped_folder_goes_on(number: int, jobs: int, model: Path, tmp_path: Path) -> None:
    command = _command(model, "--jobs", str(jobs))
    out = _folder(tmp_path) / "photos-filled"
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not out.is_dir() or len(list(out.iterdir())) < 3):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    there = _whole(out)
    assert 2 <= len(there) < COUNT
    before = {name: (out / name).stat().st_mtime_ns for name in there}
    if number == signal.SIGTERM:
        assert process.returncode == 143
        assert f"{len(there)} of {COUNT} photos filled; the same command goes on" in said
        assert not list(out.glob(".twoface-*"))
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert f"{len(there)} photos are there already and kept" in again.stderr
    assert len(_whole(out)) == COUNT
    assert {name: (out / name).stat().st_mtime_ns for name in there} == before


def test_a_full_disk_is_said_of_each_photo_and_leaves_nothing_half_written(model: Path, tmp_path: Path) -> None:
    out = _folder(tmp_path) / "photos-filled"
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "photos").iterdir()}
    limit = (min(sizes.values()) + max(sizes.values())) // 2
    done = subprocess.run(
        _command(model), cwd=tmp_path, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 1
    written = _whole(out)
    assert 0 < len(written) < COUNT
    failed = (out / "failed.txt").read_text().splitlines()
    assert len(failed) == COUNT - len(written)
    assert all("cannot be written" in line for line in failed)
    assert not list(out.glob(".twoface-*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_sentence(model: Path, twoface: Run, tmp_path: Path) -> None:
    _folder(tmp_path)
    tmp_path.chmod(0o555)
    done = twoface(*_command(model)[1:], cwd=tmp_path)
    tmp_path.chmod(0o755)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


def test_a_jpeg_that_became_a_png_is_kept_by_the_next_run(model: Path, twoface: Run, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(synthetic_photo(1, 0, SIDE)).convert("CMYK").save(photos / "a.jpg")
    Image.fromarray(synthetic_photo(1, 1, SIDE)).save(photos / "a.png")  # whose result has the name that it would get
    Image.fromarray(synthetic_photo(1, 2, SIDE)).save(tmp_path / "other.png")
    for again in (False, True):
        done = twoface(*_command(model)[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert ("2 photos are there already and kept" in done.stderr) == again
        assert {path.name for path in (tmp_path / "photos-filled").iterdir()} == {"a-jpg.png", "a.png"}


def test_warnings_name_their_photo(model: Path, twoface: Run, tmp_path: Path) -> None:
    _folder(tmp_path)
    Image.new("L", (SIDE, SIDE), 0).save(tmp_path / "mask.png")
    mask = Image.open(tmp_path / "mask.png").resize((SIDE // 2, SIDE // 2))
    mask.paste(255, (70, 70, 100, 100))
    mask.save(tmp_path / "mask.png")
    done = twoface(*_command(model, "--mask", "mask.png", "--jobs", "2")[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "is stretched to that" in line]
    assert {line.split(":")[0].strip() for line in said} == {
        f"photos/{name.name}" for name in (tmp_path / "photos").iterdir()
    }
