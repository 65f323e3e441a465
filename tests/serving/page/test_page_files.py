"""What the server gives of the web page, and what it lets it do."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from twoface_pl.model_file import SHIPPED
from twoface_pl.serving.http.app import create_app
from twoface_pl.serving.http.core_options import CoreOptions
from twoface_pl.serving.http.desk import AppOptions, Desk
from twoface_pl.serving.http.opening import open_worker
from twoface_pl.serving.http.page import RUNTIME, SITE
from twoface_pl.serving.http.people import FACES_FILES, INPAINT_FILES, INPAINT_TEXTS
from twoface_pl.serving.http.work import Worker

TOKEN = "a-token-of-letters-and-digits-7"


@pytest.fixture(scope="module")
def worker() -> Worker:
    return open_worker(CoreOptions(SHIPPED, "cpu"))


@pytest.fixture
def client(worker: Worker) -> Iterator[TestClient]:
    with TestClient(create_app(Desk(worker, AppOptions(names=["testserver"])))) as client:
        yield client


def test_the_pages_fields_are_the_servers() -> None:
    named = set(re.findall(r'form\.append\("(\w+)"', (SITE / "engines" / "server.js").read_text()))
    assert {"photo", "reference", "mask", "frame", "reference_frames"} <= named <= {*INPAINT_FILES, *INPAINT_TEXTS}
    assert set(FACES_FILES) <= named


def test_the_pages_policy_allows_nothing_from_elsewhere(client: TestClient) -> None:
    start = client.get("/")
    policy = start.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; ")
    assert not re.search(r"unsafe-(inline|eval)|https?:|\*", policy.replace("wasm-unsafe-eval", ""))
    assert start.headers["cross-origin-embedder-policy"] == "require-corp"
    assert not re.search(r"<style|style=|<script(?![^>]*src=)| on\w+=", start.text)
    for path in re.findall(r'(?:src|href)="(/[^"]*)"', start.text):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-security-policy"]) == (200, policy)


def test_a_models_files_are_those_that_are_announced(client: TestClient) -> None:
    about = client.get("/page/about").json()
    assert about["runtime"] == RUNTIME.is_file()
    assert {"detector.onnx", "placement.onnx", "repair.onnx"} <= set(about["files"])
    for file in about["files"].values():
        answer = client.get(file["url"])
        assert len(answer.content) == file["bytes"]
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"  # it may need a token
        assert client.get(file["url"].replace(file["sha256"], "0" * 64)).status_code == 404


@pytest.mark.parametrize(
    "path", ["/page/../app.py", "/page/models/0/repair.onnx", "/page/nothing.js", "/page/%2e%2e/http/app.py", "/page/"]
)
def test_nothing_else_is_given(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_with_a_token_the_page_is_free_and_the_model_is_not(worker: Worker) -> None:
    with TestClient(create_app(Desk(worker, AppOptions(names=["testserver"], token=TOKEN)))) as client:
        assert client.get("/").status_code == 200
        about = client.get("/page/about").json()
        assert about["token"]
        url = about["files"]["repair.onnx"]["url"]
        assert client.get(url).status_code == 401
        assert client.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.post("/faces").status_code == 401


def test_a_model_that_repairs_nothing_has_no_files(worker: Worker) -> None:
    alone = Worker(worker.session, replace(worker.served, repairs=None), None, 1000, 1)
    with TestClient(create_app(Desk(alone, AppOptions(names=["testserver"])))) as client:
        about = client.get("/page/about").json()
        assert (about["files"], "hole" in about) == ({}, False)
