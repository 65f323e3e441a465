"""The container's files: what they name is there, and the image's steps work where there is no Docker."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml
from conftest import ROOT
from drawn_faces import CLEAR
from PIL import Image
from served import free_port

from twoface_pl.cli.serve import add_arguments
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.synthetic import synthetic_photo

SERVING = ROOT / "serving"
SCRIPTS = SERVING / "scripts"
RUNTIME = SERVING / "page" / "site" / "vendor" / "ort.wasm.min.mjs"
PROBED = {"/v2/health/ready", "/v2/health/live", "/metrics"}


def _found(value: object, name: str) -> list[object]:
    """Every value of a name, however deep."""
    if isinstance(value, list):
        return [found for each in value for found in _found(each, name)]
    if not isinstance(value, dict):
        return []
    own = [value[name]] if name in value else []
    return own + [found for each in value.values() for found in _found(each, name)]


def test_examples_name_options_and_paths_that_there_are() -> None:
    documents = [each for file in SERVING.glob("*.yaml") for each in yaml.safe_load_all(file.read_text())]
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    for arguments in _found(documents, "args") + _found(documents, "command"):
        assert isinstance(arguments, list)
        if arguments[0] != "sleep":
            parser.parse_args([re.sub(r"\$\{.*\}", "localhost", each) for each in arguments])
    paths = {probe["path"] for probe in _found(documents, "httpGet")} | set(_found(documents, "prometheus.io/path"))
    assert paths == PROBED
    assert set(_found(documents, "dockerfile")) == {(SERVING / "Dockerfile").relative_to(ROOT).as_posix()}


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")
@pytest.mark.parametrize("script", ["start.sh", "stop.sh", "sample_request.sh"])
def test_scripts_are_scripts(script: str) -> None:
    assert os.access(SCRIPTS / script, os.X_OK)
    subprocess.run(["sh", "-n", SCRIPTS / script], check=True)


def _checked_by(tool: str, *files: Path) -> None:
    program = Path(sys.executable).with_name(tool)
    if not program.exists():
        pytest.skip(f"there is no {tool} for this machine")
    done = subprocess.run([program, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_containers_files_pass_their_linters() -> None:
    _checked_by("hadolint", SERVING / "Dockerfile")
    _checked_by("shellcheck", *SCRIPTS.glob("*.sh"))


def _steps() -> list[str]:
    """What the image's first stage runs."""
    text = (SERVING / "Dockerfile").read_text().replace("\\\n", " ").partition("FROM python:3.12-slim\n")[0]
    return [line.removeprefix("RUN ") for line in text.splitlines() if line.startswith("RUN ")]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_images_steps_make_a_server_that_answers_the_sample_request(tmp_path: Path) -> None:
    source, target = tmp_path / "build", tmp_path / "opt"
    names = (ROOT / ".dockerignore").read_text().splitlines()
    for name in (line[1:] for line in names if line.startswith("!")):
        given = ROOT / name
        copy = shutil.copytree if given.is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(given, source / name, **({"symlinks": True} if given.is_dir() else {}))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "RUNTIME": "onnxruntime", "PATH": path}
    for step in _steps():
        subprocess.run(step.replace("/opt/twoface", str(target)), shell=True, cwd=source, env=environment, check=True)
    packages = {each.name for each in next(target.glob("lib/python*/site-packages")).iterdir()}
    assert "onnxruntime" in packages
    assert not packages & {"torch", "hydra", "pytorch_lightning"}
    for name, number in (("photo.jpg", 0), ("other.jpg", 1)):
        write_image(tmp_path / name, synthetic_photo(CLEAR[0], number, 240))
    port = free_port()
    command = [target / "bin" / "twoface", "serve", "--port", str(port)]
    server = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    try:
        for _ in range(600):
            try:
                httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").raise_for_status()
                break
            except httpx.TransportError:
                assert server.poll() is None
                time.sleep(0.1)
        about = httpx.get(f"http://127.0.0.1:{port}/page/about").json()
        assert bool(about["runtime"]) == RUNTIME.is_file()  # what `make page` put there comes into the image
        ask = [SCRIPTS / "sample_request.sh", "photo.jpg", "other.jpg"]
        asked = {**os.environ, "PORT": str(port)}
        done = subprocess.run(ask, cwd=tmp_path, env=asked, capture_output=True, text=True, check=True)
        assert done.stdout == "photo-filled.jpg\n"
        with Image.open(tmp_path / "photo-filled.jpg") as opened:
            assert opened.format == "JPEG"
        assert decode_image(tmp_path / "photo-filled.jpg").shape == (240, 240, 3)
        again = subprocess.run(ask, cwd=tmp_path, env=asked, capture_output=True, text=True, check=False)
        assert (again.returncode, "exists and is kept" in again.stderr) == (1, True)
    finally:
        server.terminate()
        server.wait(20)
