"""What lies on the machine with the GPU: brought, unpacked, installed into a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from gpu_pieces import Trouble, join, manifest_of, with_copies

LEAST_DISK = 3e9  # bytes free: unpacked twice, and checkpoints
WEIGHTS = {"TWOFACE_FACENET": "facenet.pt", "TWOFACE_VGG16": "vgg16.pt", "TWOFACE_SFACE": "sface.onnx"}
PROBE = """
import json, torch, warnings
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    there = torch.cuda.is_available()
print(json.dumps({
    "torch": torch.__version__, "cuda": there, "says": " ".join(str(each.message) for each in said),
    "device": torch.cuda.get_device_name() if there else "", "free": torch.cuda.mem_get_info()[0] if there else 0,
}))
"""


class Store:
    """What is on the machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pieces, self.brought, self.site = (folder / name for name in ("pieces", "brought", "site"))
        self.data = folder / "data.zip"

    def run(self, size: str) -> Path:
        """The folder of a training, of a size of model."""
        return self.folder / f"run-{size}"

    def checkpoint(self, size: str) -> Path:
        """What a training has come to.

        Raises:
            Trouble: nothing was saved yet.
        """
        run = self.run(size)
        found = next((path for path in (run / "best.ckpt", run / "last.ckpt") if path.exists()), None)
        if found is None:
            raise Trouble(f"{run} has no checkpoint: train first (--size {size})")
        return found

    def environment(self) -> dict[str, str]:
        there = {key: str(self.brought / name) for key, name in WEIGHTS.items() if (self.brought / name).exists()}
        added = {"PYTHONPATH": str(self.site), "TWOFACE_CACHE": str(self.folder / "cache"), "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **there, **added}

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "twoface_pl", *map(str, arguments)]

    def call(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """A `twoface` command, to its end."""
        given = self.command(*arguments)
        return subprocess.run(
            given, cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False
        )

    def require_ready(self) -> None:
        if not (self.folder / "ready").exists():
            raise Trouble(f"{self.folder}: run `check` first, it unpacks and installs what was brought")


def tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.replace("\r", "\n").strip().splitlines()[-lines:])


def _install(store: Store) -> None:
    """The wheels, into a folder of the store: nothing of the machine is changed."""
    wheels = [str(path) for path in store.brought.glob("*.whl")]
    shutil.rmtree(store.site, ignore_errors=True)
    common = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *common, "--target", str(store.site), *wheels]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"the wheels cannot be installed: {tail(done.stderr, 3)}")


def _probe(store: Store, on_cpu: bool) -> str:
    """What the machine computes on, in words.

    Raises:
        Trouble: no torch, no GPU, or one that torch cannot use.
    """
    given = [sys.executable, "-c", PROBE]
    done = subprocess.run(given, env=store.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"torch cannot be imported: {tail(done.stderr, 1)}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["cuda"]:
        return f"{found['device']}, {found['free'] / 1e9:.0f} GB free, torch {found['torch']}"
    if on_cpu:
        return f"the CPU, torch {found['torch']}"
    reason = f" ({found['says'].strip()[:300]})" if found["says"].strip() else ""
    raise Trouble(
        f"torch {found['torch']} finds no GPU{reason}; `nvidia-smi` says whether there is one, --cpu does without"
    )


def check(store: Store, on_cpu: bool) -> None:
    """Unpack and install what was brought, and look whether it runs."""
    manifest = manifest_of(store.pieces)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if manifest["python"] != here:
        raise Trouble(f"packed for Python {manifest['python']}, this one is {here}; pack with --python {here}")
    free = shutil.disk_usage(store.folder).free
    if free < LEAST_DISK:
        raise Trouble(f"{store.folder} has {free / 1e9:.1f} GB free, {LEAST_DISK / 1e9:.0f} are needed")
    files = join(store.pieces, store.brought)
    if not store.data.exists():
        with_copies(store.brought / "photos.zip", store.data)
    if not (store.folder / "ready").exists():
        _install(store)
    device = _probe(store, on_cpu)
    said = store.call("--version")
    if said.returncode:
        raise Trouble(f"what was installed does not start: {tail(said.stderr, 2)}")
    (store.folder / "ready").touch()
    print(f"{len(files)} files whole, {said.stdout.strip()}, on {device}")
