"""What a user has after `pip install`: run by `make check-base` and `make check-wheel` with an environment of its own.

python .ci/empty_environment.py <its python> [--serve]
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HEAVY = ("torch", "pytorch_lightning", "hydra", "onnx", "pytest")
WITHOUT = "for name in {names!r}:\n  assert importlib.util.find_spec(name) is None, f'{{name}} is installed'"
START_SECONDS = 60


def check_light(python: Path) -> None:
    """Nothing heavy came with it."""
    code = "import importlib.util\n" + WITHOUT.format(names=HEAVY)
    subprocess.run([python, "-c", code], check=True)


def check_commands(twoface: Path, folder: Path) -> None:
    """A portrait is repaired; commands that need more say what to install."""
    subprocess.run([twoface, "demo"], cwd=folder, check=True)
    assert (folder / "demo" / "filled-compare.jpg").is_file()
    subprocess.run([twoface, "doctor"], cwd=folder, check=True)
    for command in ("prepare", "train", "evaluate", "benchmark", "export", "masks", "demo-training"):
        done = subprocess.run([twoface, command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 1, (command, done.stdout)
        assert "pip install 'twoface-pl[train]'" in done.stderr, (command, done.stderr)


def check_server(twoface: Path, folder: Path) -> None:
    """It starts, and says that it is alive."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([twoface, "serve", "--port", str(port)], cwd=folder)
    try:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
                    assert json.load(answer)["status"] == "ok"
                    return
            except OSError:
                if time.monotonic() > end or server.poll() is not None:
                    raise
                time.sleep(0.5)
    finally:
        server.terminate()
        server.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", type=lambda text: Path(text).absolute())
    parser.add_argument("--serve", action="store_true", help="the server is installed too")
    arguments = parser.parse_args()
    twoface = arguments.python.with_name("twoface")
    check_light(arguments.python)
    with tempfile.TemporaryDirectory() as name:
        check_commands(twoface, Path(name))
        if arguments.serve:
            check_server(twoface, Path(name))
    print("as it should be", file=sys.stderr)


if __name__ == "__main__":
    main()
