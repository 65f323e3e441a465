"""How commands end: stopped by a signal, with a terminal that cannot show a name, with a reader that went away."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import SIZE

from twoface_pl.cli import main as entry
from twoface_pl.errors import Stopped, TwoFaceError
from twoface_pl.faces.files import write_text
from twoface_pl.faces.image import write_image
from twoface_pl.faces.synthetic import synthetic_photo, write_synthetic_photos
from twoface_pl.serving.target import NO_MASK

TWOFACE = str(Path(sys.executable).with_name("twoface"))


def _start(*arguments: object, cwd: Path, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [TWOFACE, *map(str, arguments)], cwd=cwd, env={**os.environ, **environment}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _wait_for(what: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not what.exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_prepare_stops_with_a_word_and_leaves_nothing_half_done(number: int, status: int, tmp_path: Path) -> None:
    write_synthetic_photos(tmp_path / "raw", people=12, photos=4, size=512)
    process = _start("prepare", "source.root=raw", "root=set", "workers=1", "split.validation=0", cwd=tmp_path)
    _wait_for(tmp_path / "set.work" / "results.sqlite", process)
    time.sleep(0.5)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status
    assert said.decode().endswith("\ntwoface prepare: stopped\n")
    assert not list(tmp_path.rglob(".twoface-*"))
    assert not list(tmp_path.glob("*.partial"))


def _main(monkeypatch: pytest.MonkeyPatch, raised: BaseException, command: str = "doctor") -> int:
    def fails(*_: object) -> int:
        raise raised

    monkeypatch.setattr(sys, "argv", ["twoface", command])
    monkeypatch.setattr(entry, "_dispatch", fails)
    before = signal.getsignal(signal.SIGTERM)
    try:
        return entry.main()
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("raised", "status", "says"),
    [
        (TwoFaceError("mend this"), 1, "twoface doctor: mend this\n"),
        (KeyboardInterrupt(), 130, "\ntwoface doctor: stopped\n"),
        (Stopped(signal.SIGTERM, "3 batches are saved"), 143, "\ntwoface doctor: stopped; 3 batches are saved\n"),
        (MemoryError(), 1, "twoface doctor: not enough memory; use smaller photos"),
        (OSError(36, "File name too long", "x" * 20), 1, f"twoface doctor: {'x' * 20}: File name too long\n"),
        (RecursionError("maximum recursion depth"), 1, "twoface doctor: a file is nested too deep to be read\n"),
        (ImportError("lib.so: failed to map segment"), 1, "twoface doctor: not enough memory to load a library"),
    ],
)
def test_what_every_command_says(
    raised: BaseException, status: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(monkeypatch, raised) == status
    assert capsys.readouterr().err.startswith(says)


def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError):
        _main(monkeypatch, KeyError("ours"))


def test_names_that_the_terminal_cannot_show(model: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "photo.png", synthetic_photo(1, 0, SIZE))
    write_image(tmp_path / "other.png", synthetic_photo(1, 1, SIZE))
    common = ["inpaint", "--model", model, "--image", "photo.png", "--reference", "other.png", "--output"]
    for name, encoding in ((os.fsdecode(b"Jos\xe9.png"), "utf-8:strict"), ("人.png", "cp1252")):
        process = _start(*common, name, cwd=tmp_path, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert said == f"{NO_MASK}\n".encode()
        assert (tmp_path / name).is_file()


def test_a_reader_that_has_read_enough(tmp_path: Path) -> None:
    process = _start("--help", cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(30) == 128 + signal.SIGPIPE
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_reader_that_left_a_hydra_command(tmp_path: Path) -> None:
    """What such a command prints while it works meets the closed pipe within Hydra."""
    code = (
        "import sys; import twoface_pl.cli.masks as command; from twoface_pl.cli.main import main;"
        "command.run = lambda *_: [print('x' * 99, flush=True) for _ in range(9999)];"
        "sys.argv = ['twoface', 'masks']; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 128 + signal.SIGPIPE
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(closed: str, tmp_path: Path) -> None:
    done = subprocess.run(["bash", "-c", f"{TWOFACE} --version {closed}"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written() -> None:
    done = subprocess.run(["bash", "-c", f"{TWOFACE} --help > /dev/full"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "twoface: standard output cannot be written (No space left on device)\n"


def test_texts_with_names_that_are_not_utf_8_are_written(tmp_path: Path) -> None:
    name = os.fsdecode(b"Jos\xe9")
    write_text(tmp_path / "report.txt", f"photos of {name}")
    assert (tmp_path / "report.txt").read_text("utf-8") == "photos of Jos\\udce9"
