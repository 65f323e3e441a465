"""Pack a training for a machine with a GPU and no network: code, wheels, data and weights, in folders to carry.

    python benchmarks/gpu_pack.py --data data/prepared/data.zip --facenet facenet.pt --vgg vgg16.pt --sface sface.onnx

makes `packed/1`, `packed/2`, ...: one for each call, with what else travels below the machine's limit. The package is
built from what git tracks; `--fetch benchmarks/gpu_wheels.txt` gets the wheels that such a machine lacks, `--wheels`
has more of them. `gpu_run.py` does the rest there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from gpu_pieces import MIB, Trouble, cut, without_copies

ROOT = Path(__file__).resolve().parents[1]
PIECE = 10 * MIB
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
NAMES = {"facenet": "facenet.pt", "vgg": "vgg16.pt", "sface": "sface.onnx"}


def build_wheel(folder: Path) -> Path:
    """The package of what git tracks or would, without what was built beside it, such as a browser's runtime."""
    tree = folder / "tree"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(os.readlink(source))
        elif source.is_file():
            target.write_bytes(source.read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(tree)], check=True)
    (wheel,) = folder.glob("twoface_pl-*.whl")
    return wheel


def fetch(names: Path, python: str, folder: Path) -> list[Path]:
    """Wheels of the packages that a file lists, for a Python on Linux, in the versions that the project is tested with.

    Raises:
        Trouble: a file that is not there, a package that cannot be had.
    """
    if not names.is_file():
        raise Trouble(f"{names} is not there")
    lines = [line.partition("#")[0].strip() for line in names.read_text().splitlines()]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    given = ["--no-deps", "--constraint", str(ROOT / "constraints.txt")]
    theirs = ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
    theirs += [f"--platform={name}" for name in PLATFORMS]
    for name in filter(None, lines):
        download = [*pip, "download", *given, *theirs, "--dest", str(folder), name]
        build = [*pip, "wheel", *given, "--wheel-dir", str(folder), name]  # of what is published as source alone
        if subprocess.run(download, capture_output=True, check=False).returncode:
            done = subprocess.run(build, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Trouble(f"{name} cannot be fetched: {done.stderr.strip().splitlines()[-1]}")
    return sorted(folder.glob("*.whl"))


def _top(data: Path) -> str:
    """What names in a zip begin with before the split's: nothing, or a folder that all lie in."""
    with zipfile.ZipFile(data) as archive:
        firsts = {name.partition("/")[0] for name in archive.namelist() if "/" in name}
    return "" if len(firsts) != 1 or firsts & {"train", "validation", "test"} else f"{firsts.pop()}/"


def pack(options: argparse.Namespace) -> list[Path]:
    """The folders that were made.

    Raises:
        Trouble: a file that is not there, a folder that is.
    """
    given = {name: getattr(options, name) for name in NAMES if getattr(options, name) is not None}
    wheels = sorted(options.wheels.glob("*.whl")) if options.wheels is not None else []
    for path in (options.data, *given.values(), *([options.wheels] if options.wheels is not None else [])):
        if not path.exists():
            raise Trouble(f"{path} is not there")
    if options.output.exists():
        raise Trouble(f"{options.output} exists; remove it, or give another --output")
    with tempfile.TemporaryDirectory() as temporary:
        named = [Path(temporary) / "photos.zip"]
        without_copies(options.data, named[0], (f"{_top(options.data)}test/",))  # that is judged at home, once
        for name, path in given.items():
            named.append(Path(temporary) / NAMES[name])
            named[-1].symlink_to(path.resolve())
        lacking = Path(temporary) / "lacking"
        lacking.mkdir()
        fetched = fetch(options.fetch, options.python, lacking) if options.fetch is not None else []
        files = [build_wheel(Path(temporary)), *wheels, *fetched, *named]
        return cut(files, options.output, PIECE, options.most * MIB, python=options.python)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="a prepared data set's zip (`twoface prepare zip=true`)")
    add("--facenet", type=Path, help="FaceNet's weights; without them the training needs identity=none")
    add("--vgg", type=Path, help="VGG16's weights; without them it needs losses.perceptual.weight=0")
    add("--sface", type=Path, help="SFace, to judge with")
    add("--fetch", type=Path, metavar="LIST", help="a list of packages that the machine lacks, got as wheels")
    add("--wheels", type=Path, help="a folder of more wheels")
    add("--python", default="3.12", help="of the machine (%(default)s)")
    add("--most", type=int, default=40, metavar="MIB", help="that a call may carry beside the code (%(default)s)")
    add("--output", type=Path, default=Path("packed"), help="(%(default)s)")
    options = parser.parse_args()
    try:
        folders = pack(options)
    except Trouble as trouble:
        print(f"gpu_pack: {trouble}", file=sys.stderr)
        return 1
    for folder in folders:
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(f"{folder}: {len(list(folder.iterdir())) - 1} pieces, {size / MIB:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
