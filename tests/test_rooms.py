"""Which room may import what, and what an installed wheel holds."""

import ast
import importlib
import re
import subprocess
import sys
import traceback
import venv
import zipfile
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from warm import warm_context

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "twoface_pl"
TOP_ROOMS = ("conf", "data_prep", "export", "serving")

ML = ("torch", "torchvision", "pytorch_lightning", "facenet_pytorch", "torchmetrics")
# What must not be needed to import any module of a room.
FORBIDDEN = {
    "faces": (*ML, "hydra", "omegaconf", "onnx", "fastapi"),
    "buckets": (*ML, "hydra", "omegaconf", "onnx", "onnxruntime", "fastapi", "numpy", "cv2", "fsspec"),
    "masks": (*ML, "hydra", "omegaconf", "onnx", "onnxruntime", "fastapi", "albumentations"),
    "networks": ("pytorch_lightning", "hydra", "omegaconf", "onnx", "onnxruntime", "fastapi", "albumentations"),
    "losses": ("pytorch_lightning", "hydra", "omegaconf", "onnx", "onnxruntime", "fastapi", "cv2"),
    "data": ("hydra", "omegaconf", "onnx", "onnxruntime", "fastapi", "facenet_pytorch"),
    "training": ("hydra", "omegaconf", "onnx", "onnxruntime", "fastapi"),
    "evaluation": ("hydra", "omegaconf", "onnx", "onnxruntime", "fastapi"),
    "data_prep": (*ML, "hydra", "omegaconf", "onnx", "fastapi", "albumentations"),
    "export": ("pytorch_lightning", "hydra", "omegaconf", "fastapi"),
    "serving": (*ML, "hydra", "omegaconf", "onnx", "albumentations"),
    "cli": (*ML, "onnx", "onnxruntime", "fastapi", "numpy", "cv2"),
}
# Which other rooms a room may import: the way data flows, as docs/architecture.md has it.
TABLE = re.compile(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|", re.MULTILINE)
ROOMS = {
    room: set(re.findall(r"`(\w+)`", others))
    for room, others in TABLE.findall((ROOT / "docs" / "architecture.md").read_text("utf-8"))
}


def _modules(room: str) -> dict[str, Path]:
    """A room's modules and their files."""
    found = {}
    for path in sorted((SOURCE / room).rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(("twoface_pl", *parts)).removesuffix(".__init__")] = path
    return {name: path for name, path in found.items() if not name.endswith("__main__")}


def _import_without(forbidden: Iterable[str], modules: Iterable[str], output: Path) -> None:
    """Import modules anew in a process that has what they may know already; torch's import takes seconds.

    None in sys.modules makes an import fail, and leaves libraries free to ask whether a package is there.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] in {"twoface_pl", *forbidden}]:
        del sys.modules[name]
    sys.modules.update(dict.fromkeys(forbidden))  # type: ignore[arg-type]
    try:
        for name in modules:
            importlib.import_module(name)
    except BaseException:
        output.write_text(traceback.format_exc())
        raise


def _imported_without(forbidden: Iterable[str], modules: Iterable[str], output: Path) -> str:
    """What went wrong; nothing where nothing did."""
    process = warm_context().Process(target=_import_without, args=(tuple(forbidden), tuple(modules), output))
    process.start()
    process.join()
    return output.read_text() if output.exists() else f"status {process.exitcode}" * (process.exitcode != 0)


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_a_room_imports_without_what_it_may_not_know(room: str, tmp_path: Path) -> None:
    modules = list(_modules(room))
    assert modules
    assert _imported_without(FORBIDDEN[room], modules, tmp_path / "said") == ""


@pytest.mark.parametrize(("forbidden", "module"), [("onnx", "export.export"), ("torch", "networks.generator")])
def test_what_is_forbidden_would_be_noticed(forbidden: str, module: str, tmp_path: Path) -> None:
    assert f"import of {forbidden}" in _imported_without([forbidden], [f"twoface_pl.{module}"], tmp_path / "said")


def test_the_page_knows_every_room() -> None:
    assert set(ROOMS) | {"cli", "shipped"} == {path.name for path in SOURCE.iterdir() if path.is_dir()} - {
        "__pycache__"
    }


def _imports(path: Path) -> set[str]:
    """What a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            assert node.level == 0, f"{path}: relative import"
    return names


def test_no_two_modules_import_each_other() -> None:
    """Nor in a circle of more, nor within functions."""
    paths = {name: path for room in (*ROOMS, "cli") for name, path in _modules(room).items()}
    assert len(paths) > 200
    graph = {name: (_imports(path) & set(paths)) - {name} for name, path in paths.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them


def _imported_rooms(path: Path) -> set[str]:
    """The rooms a module imports, by any form of import."""
    parts = [name.split(".") for name in _imports(path) if name.startswith("twoface_pl.")]
    return {name[1] for name in parts} - {"errors", "plugins", "model_file", "model_signature", "__version__"}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_rooms_import_one_way(room: str) -> None:
    for path in (SOURCE / room).rglob("*.py"):
        assert _imported_rooms(path) <= ROOMS[room] | {room}, path


def test_only_the_cli_knows_hydra() -> None:
    for room in set(ROOMS) - {"conf"}:
        paths = list((SOURCE / room).rglob("*.py"))  # room by room: rglob enters no links
        assert paths, room
        for path in paths:
            packages = {name.partition(".")[0] for name in _imports(path)}
            assert not packages & {"hydra", "omegaconf"}, path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what git tracks: a stale build folder cannot leak in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        built: Path = importlib.import_module("gpu_pack").build_wheel(tmp_path_factory.mktemp("wheel"))
    return built


def test_the_wheel_holds_what_git_tracks_and_nothing_else(wheel: Path) -> None:
    rooms = [path for path in SOURCE.iterdir() if path.is_dir() and not path.name.startswith("__")]
    expected = {f"twoface_pl/{path.name}" for path in SOURCE.iterdir() if path.is_file()}
    for room in rooms:
        folder = ROOT / room.name if room.name in TOP_ROOMS else room
        tracked = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
            cwd=folder, capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        # what makes a container of the server lies beside it, and not in the package
        kept = [name for name in tracked if room.name != "serving" or name.endswith(".py") or "page/site/" in name]
        expected |= {f"twoface_pl/{room.name}/{name}" for name in kept}
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert found == expected


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with the wheel in it; the dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            str(wheel),
        ],
        check=True,
    )
    (packages,) = folder.glob("lib/*/site-packages")
    # A path file may add a folder but not run that folder's own path files: the editable install stays out.
    outer = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "dependencies.pth").write_text(f"{outer}\n")
    return folder


def test_every_room_comes_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    rooms = sorted(path.name for path in SOURCE.iterdir() if path.is_dir() and not path.name.startswith("__"))
    code = f"import importlib\nfor room in {rooms!r}: print(importlib.import_module('twoface_pl.' + room).__file__)"
    done = subprocess.run(
        [environment / "bin" / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    files = done.stdout.split()
    assert len(files) == len(rooms)
    assert all(Path(file).is_relative_to(environment) for file in files), files


@pytest.mark.parametrize("command", ["prepare", "train", "evaluate", "benchmark", "export", "masks"])
def test_installed_commands_find_their_configs(command: str, environment: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [environment / "bin" / "twoface", command, "--cfg", "job"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ":" in done.stdout


def test_installed_plain_commands_answer(environment: Path, tmp_path: Path) -> None:
    for arguments in (["--version"], ["inpaint", "--help"], ["serve", "--help"], ["doctor"], ["demo", "--help"]):
        done = subprocess.run(
            [environment / "bin" / "twoface", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
