"""A training that is packed, carried to another folder without a network, run there, and brought back."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, Run, prepare_options

from twoface_pl.data_prep.prepare import prepare
from twoface_pl.model_file import read_model

SCRIPTS = ("gpu_run.py", "gpu_store.py", "gpu_pieces.py")
PACK = ROOT / "benchmarks" / "gpu_pack.py"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
TINY = [
    "trainer=cpu", "precision=fp32", "generator=ours_tiny", "discriminator=conv_small", "augment=none", "identity=none",
    "losses.identity.weight=0", "losses.perceptual.weight=0", "image_size=64", "mask=center16", "data.workers=0",
    "log_every=1", "validate_every=20", "data.validation_photos=4", "optimizer.warm_up=2",
]  # fmt: skip


def _without_network() -> list[str]:
    """What runs a command in a system without a network, where this machine allows it."""
    command = ["unshare", "--map-root-user", "--net"]
    usable = shutil.which(command[0]) and subprocess.run([*command, "true"], capture_output=True).returncode == 0
    return command if usable else []


@pytest.fixture(scope="module")
def zipped(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "set"
    prepare(prepare_options(photos, root, zip=True))
    return root / "data.zip"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The other machine's folder, with nothing but the scripts."""
    folder = tmp_path / "there"
    folder.mkdir()
    for name in SCRIPTS:
        shutil.copy(ROOT / "benchmarks" / name, folder)
    return folder


def _pack(*arguments: object, output: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PACK), *map(str, arguments), "--output", str(output), "--python", HERE]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _tiny_wheel(folder: Path, name: str) -> Path:
    """Of a package with nothing in it."""
    about = f"{name}-1.0.dist-info"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return folder


def test_what_the_machine_lacks_is_fetched(zipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(_tiny_wheel(tmp_path / "index", "lacking")))
    (tmp_path / "list.txt").write_text("# what it lacks\nlacking  # of this version\n\n")
    packed = _pack("--data", zipped, "--fetch", tmp_path / "list.txt", output=tmp_path / "packed")
    assert packed.returncode == 0, packed.stderr
    assert len(list((tmp_path / "packed").glob("*/lacking-1.0-py3-none-any.whl*"))) == 1
    (tmp_path / "list.txt").write_text("lacking\nno-such-package\n")
    refused = _pack("--data", zipped, "--fetch", tmp_path / "list.txt", output=tmp_path / "none")
    assert "gpu_pack: no-such-package cannot be fetched" in refused.stderr
    gone = _pack("--data", zipped, "--fetch", tmp_path / "gone.txt", output=tmp_path / "none")
    assert f"{tmp_path / 'gone.txt'} is not there" in gone.stderr
    listed = (ROOT / "benchmarks" / "gpu_wheels.txt").read_text().splitlines()[1:]
    pinned = {line.partition("==")[0].replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert set(listed) <= pinned


def _run(there: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*_without_network(), sys.executable, "gpu_run.py", *map(str, arguments)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(there), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=there, env=environment, capture_output=True, text=True, check=False)


def test_pieces_that_are_missing_or_torn_are_said(zipped: Path, there: Path, tmp_path: Path) -> None:
    packed = _pack("--data", zipped, "--most", 10, output=tmp_path / "packed")
    assert packed.returncode == 0, packed.stderr
    first, second = sorted((tmp_path / "packed").iterdir())
    assert "nothing was brought there; run `bring`" in _run(there, "check", "--store", "S", "--cpu").stderr
    assert "pieces are still missing, first" in _run(there, "bring", first, "--store", "S").stdout
    assert "pieces are missing: twoface_pl-" in _run(there, "check", "--store", "S", "--cpu").stderr
    torn = second / "photos.zip.000"
    whole = torn.read_bytes()
    torn.write_bytes(whole[:-1] + b"x")
    assert "photos.zip.000 is torn: pack and bring it again" in _run(there, "bring", second, "--store", "S").stderr
    torn.write_bytes(whole)
    assert _run(there, "bring", second, "--store", "S").stdout == "all pieces are there\n"
    assert torn.stat().st_size < 0.6 * zipped.stat().st_size  # a photo has three names
    assert "run `check` first" in _run(there, "train", "--store", "S").stderr
    (there / "S" / "ready").touch()
    assert "run-large has no checkpoint: train first" in _run(there, "train", "--size", "small", "--store", "S").stderr
    (there / "S" / "ready").unlink()
    manifest = there / "S" / "pieces" / "manifest.json"
    about = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**about, "python": "3.1"}))
    assert f"packed for Python 3.1, this one is {HERE}" in _run(there, "check", "--store", "S", "--cpu").stderr
    other = first / "manifest.json"
    other.write_text(json.dumps({**about, "python": "3.2"}))
    assert "pieces of another packing" in _run(there, "bring", first, "--store", "S").stderr


def _script(name: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module(name)


def test_files_come_back_as_they_are_now(tmp_path: Path) -> None:
    pieces = _script("gpu_pieces")
    for number in (1, 2):  # of the same size
        (tmp_path / "generator.pt").write_text(f"weights {number}")
        (packed,) = pieces.cut([tmp_path / "generator.pt"], tmp_path / f"packed{number}", 100)
        pieces.join(packed, tmp_path / "back")
        assert (tmp_path / "back" / "generator.pt").read_text() == f"weights {number}"
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "generator.pt").touch()
    with pytest.raises(pieces.Trouble, match=r"two files are called generator\.pt"):
        pieces.cut([tmp_path / "generator.pt", tmp_path / "more" / "generator.pt"], tmp_path / "packed3", 100)


def test_who_is_judged_stays_at_home_wherever_the_zip_has_them(tmp_path: Path) -> None:
    pack = _script("gpu_pack")
    for names, top in ((["train/a.jpg", "test/b.jpg"], ""), (["set/train/a.jpg", "set/test/b.jpg"], "set/")):
        with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
            for name in names:
                archive.writestr(name, name)
        assert pack._top(tmp_path / "data.zip") == top


def test_what_cannot_be_packed_is_said(zipped: Path, tmp_path: Path) -> None:
    gone = _pack("--data", tmp_path / "gone.zip", output=tmp_path / "packed")
    assert (gone.returncode, gone.stderr) == (1, f"gpu_pack: {tmp_path / 'gone.zip'} is not there\n")
    (tmp_path / "packed").mkdir()
    assert "exists; remove it" in _pack("--data", zipped, output=tmp_path / "packed").stderr


def test_the_large_experiment_is_as_large_as_it_may_be(twoface: Run, tmp_path: Path) -> None:
    from yaml import safe_load

    from twoface_pl.networks.build import build_generator

    shown = twoface("train", "--cfg", "job", "--resolve", "experiment=large", cwd=tmp_path)
    config = safe_load(shown.stdout)
    weights = sum(weight.numel() for weight in build_generator(config["generator"]).parameters())
    assert 7e6 <= weights <= 15e6
    assert (config["max_minutes"], config["save_minutes"], config["precision"]["precision"]) == (18, 2, "bf16-mixed")
    assert config["ema"] == 0.999


TRAINING = """
import pathlib, sys
batch = int(next(word for word in sys.argv if word.startswith("data.batch_size=")).partition("=")[2])
if batch > 20:
    sys.exit("twoface train: not enough memory; lower data.batch_size, or choose a smaller generator")
pathlib.Path("trained-with").write_text(str(batch))
"""


def test_a_batch_that_has_no_room_is_halved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpu_run = _script("gpu_run")
    store = gpu_run.Store(tmp_path)
    (tmp_path / "ready").touch()
    store.command = lambda *given: [sys.executable, "-c", TRAINING, *map(str, given)]
    gpu_run.train(store, "large", 1.0, 18.0, 64, [])
    said = capsys.readouterr().out
    assert "no room for batches of 64: going on with 32" in said
    assert "no room for batches of 32: going on with 16" in said
    assert (tmp_path / "trained-with").read_text() == "16"
    gpu_run.train(store, "large", 1.0, 18.0, 64, [])  # the next call begins with what has room
    assert "no room" not in capsys.readouterr().out
    store.command = lambda *given: [sys.executable, "-c", "raise SystemExit('twoface train: no')", *map(str, given)]
    with pytest.raises(gpu_run.Trouble, match=r"ended with 1; see .*what was saved is in"):
        gpu_run.train(store, "large", 1.0, 18.0, 16, [])
    assert gpu_run._room(store) == {"large": 16}  # what an earlier call was short of is not this one's fault
    (tmp_path / "trained-with").unlink()
    store.command = lambda *given: [sys.executable, "-c", TRAINING, *map(str, given)]
    gpu_run.train(store, "large", 1.0, 18.0, 8, [])
    assert (tmp_path / "trained-with").read_text() == "8"  # as it was asked for


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_a_packed_folder_to_what_comes_back(zipped: Path, there: Path, tmp_path: Path) -> None:
    packed = _pack("--data", zipped, "--most", 12, output=tmp_path / "packed")
    assert packed.returncode == 0, packed.stderr
    for folder in sorted((tmp_path / "packed").iterdir()):
        shutil.copytree(folder, there / "carried")  # what is carried replaces what was carried before
        brought = _run(there, "bring", "carried", "--store", "S")
        assert brought.returncode == 0, brought.stderr
        shutil.rmtree(there / "carried")
    checked = _run(there, "check", "--store", "S", "--cpu")
    assert "files whole, twoface" in checked.stdout, checked.stderr
    with zipfile.ZipFile(zipped) as before, zipfile.ZipFile(there / "S" / "data.zip") as after:
        assert after.namelist() == [name for name in before.namelist() if not name.startswith("test/")]
        assert all(after.read(name) == before.read(name) for name in after.namelist())
    if not torch.cuda.is_available():
        assert "finds no GPU" in _run(there, "check", "--store", "S").stderr
    measured = _run(there, "measure", "--store", "S", "--batches", 4, 8, "--seconds", 2, "--", *TINY)
    rows = [line.split() for line in measured.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == ["4", "8"]
    assert all(float(row[1]) > 0 for row in rows), measured.stdout
    train = ["train", "--store", "S", "--total", 0.4, "--batch", 4]
    stopped = _run(there, *train, "--minutes", 0.15, "--", *TINY)
    assert "batches are saved in" in stopped.stdout, stopped.stdout + stopped.stderr
    ended = _run(there, *train, "--minutes", 2, "--", *TINY)
    assert "next: twoface evaluate" in ended.stdout, ended.stdout + ended.stderr
    assert "the training is done" in _run(there, *train, "--", *TINY).stdout
    finished = _run(there, "finish", "--store", "S", "--output", "out", "--device", "cpu", "--photos", 4, "--",
                    "identity=none")  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("right above wrong reference") == 2
    assert (
        "center64: twoface evaluate: mask 'center': a hole of 64 px does not fit" in finished.stdout
    )  # said, and the rest comes back
    assert max(path.stat().st_size for path in (there / "out").iterdir()) <= 15 * 2**20
    joined = _run(there, "join", "out", "--output", "back")
    assert joined.returncode == 0, joined.stderr
    facts = read_model(there / "back" / "model.onnx").facts
    assert facts.image_size == 64
    assert {path.name for path in (there / "back").iterdir()} == {"generator.pt", "model.onnx", "rest.zip"}
    small = ["train", "--size", "small", "--store", "S", "--minutes", 1, "--total", 0.1, "--batch", 4]
    taught = _run(there, *small, "--", *TINY, "generator.width=48")
    assert "next: twoface evaluate" in taught.stdout, taught.stdout + taught.stderr
    finished = _run(there, "finish", "--size", "small", "--store", "S", "--output", "out-small", "--device", "cpu",
                    "--photos", 4, "--", "identity=none")  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert _run(there, "join", "out-small", "--output", "back-small").returncode == 0
    assert read_model(there / "back-small" / "model.onnx").facts.run == "run-small"
    with zipfile.ZipFile(there / "back-small" / "rest.zip") as rest:
        (logged,) = (name for name in rest.namelist() if name.endswith("metrics.csv"))
        assert "generator/distillation" in rest.read(logged).decode().splitlines()[0]
