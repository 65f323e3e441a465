"""A real server process, asked as TensorFlow Serving was asked in 2018."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import orjson
import pytest
from conftest import SIZE, Run
from fastapi.testclient import TestClient

from twoface_pl.serving.app import create_app
from twoface_pl.serving.fill import FillSession

PREDICT = "/v1/models/two_face_model:predict"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def client(model: Path) -> Iterator[httpx.Client]:
    port = _free_port()
    command = [sys.executable, "-m", "twoface_pl.cli", "serve", "--model", str(model), "--port", str(port)]
    command += ["--allow-host", "Faces.example"]
    server = subprocess.Popen(command)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        try:
            for _ in range(300):
                assert server.poll() is None, "the server ended"
                try:
                    client.get("/healthz").raise_for_status()
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield client
        finally:
            server.terminate()
            assert server.wait(20) in (0, 143, -15)


def _request(batch: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(batch)
    return {name: rng.random((batch, SIZE, SIZE, 3), np.float32) for name in ("masked_image", "reference_image")}


def _body(inputs: dict[str, np.ndarray]) -> dict:
    return {"inputs": {name: images.tolist() for name, images in inputs.items()}}


@pytest.mark.parametrize("batch", [1, 3])
def test_the_2018_request_gets_the_2018_answer(client: httpx.Client, model: Path, batch: int) -> None:
    inputs = _request(batch)
    answer = client.post(PREDICT, json=_body(inputs))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["outputs"]
    outputs = np.array(answer.json()["outputs"], np.float32)
    assert outputs.shape == (batch, SIZE, SIZE, 3)
    session = FillSession(model, "cpu")
    hole = session.default_mask
    assert np.allclose(outputs[:, ~hole], inputs["masked_image"][:, ~hole], atol=1e-6)
    masks = np.broadcast_to(hole, (batch, SIZE, SIZE))
    assert np.allclose(outputs, session.fill(inputs["masked_image"], masks, inputs["reference_image"]), atol=1e-5)


def test_liveness_and_status(client: httpx.Client) -> None:
    alive = client.get("/healthz").json()
    assert alive == {
        "status": "ok", "model": "two_face_model", "version": "1", "provider": "CPUExecutionProvider",
    }  # fmt: skip
    status = client.get("/v1/models/two_face_model").json()["model_version_status"][0]
    assert status["state"] == "AVAILABLE"
    assert status["version"] == "1"


def _bad_bodies() -> dict[str, tuple[object, str]]:
    good = _body(_request(1))["inputs"]
    small = np.zeros((1, 8, 8, 3)).tolist()
    two = [*good["masked_image"], *good["masked_image"]]
    bright = (np.ones((1, SIZE, SIZE, 3)) * 255).tolist()
    return {
        "no inputs": ({}, "the body must be"),
        "a list": ([1], "the body must be"),
        "unknown field": ({"inputs": good, "mask": []}, "the body must be"),
        "missing reference": ({"inputs": {"masked_image": good["masked_image"]}}, "reference_image"),
        "misspelt": ({"inputs": {**good, "refrence": []}}, "refrence"),
        "wrong size": ({"inputs": {**good, "masked_image": small}}, "inputs.masked_image: shape [1, 8, 8, 3]"),
        "ragged": ({"inputs": {**good, "masked_image": [[1], [1, 2]]}}, "inputs.masked_image: not an array"),
        "words": ({"inputs": {**good, "reference_image": "hello"}}, "inputs.reference_image: not an array"),
        "0..255": ({"inputs": {**good, "reference_image": bright}}, "values must lie in [0, 1]"),
        "unequal": ({"inputs": {**good, "masked_image": two}}, "2 masked images but 1 references"),
        "null": ({"inputs": {**good, "reference_image": [[[[None] * 3] * SIZE] * SIZE]}}, "inputs.reference_image"),
        "too many": ({"inputs": {**good, "masked_image": good["masked_image"] * 33}}, "inputs.masked_image"),
        "text for numbers": ({"inputs": {**good, "masked_image": [[[["0.5"] * 3] * SIZE] * SIZE]}}, "all else numbers"),
        "a text": ({"inputs": {**good, "masked_image": [[["0.5"]]]}}, "inputs.masked_image: not an array"),
        "true for a number": ({"inputs": {**good, "masked_image": [[[[True] * 3] * SIZE] * SIZE]}}, "not an array"),
        "uneven": ({"inputs": {**good, "masked_image": [*good["masked_image"], 0]}}, "inputs.masked_image: not an"),
        "over float32": ({"inputs": {**good, "masked_image": [[[[1e39] * 3] * SIZE] * SIZE]}}, "must lie in [0, 1]"),
        "long names": ({"inputs": {"a" * 10**6: 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}}, "aaa...aaa"),
        "objects": ({"inputs": [{}] * 100}, "all else numbers"),
        "none": ({"inputs": {"masked_image": [], "reference_image": []}}, "inputs.masked_image"),
    }


@pytest.mark.parametrize("case", sorted(_bad_bodies()))
def test_malformed_requests_are_answered_by_field(client: httpx.Client, case: str) -> None:
    body, says = _bad_bodies()[case]
    answer = client.post(PREDICT, json=body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert len(answer.content) < 300


def test_ports_that_cannot_be_had(client: httpx.Client, twoface: Run, model: Path) -> None:
    for port in ("99999", "-1", "0", "http"):
        refused = twoface("serve", "--model", model, f"--port={port}")
        assert refused.returncode == 2
        assert "is not a port" in refused.stderr
    taken = twoface("serve", "--model", model, "--port", client.base_url.port)
    assert taken.returncode != 0
    assert "address already in use" in taken.stderr


def test_not_json_too_large_and_other_paths(client: httpx.Client) -> None:
    answer = client.post(PREDICT, content=b"{")
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["error"]
    assert client.post(PREDICT, content=b'{"inputs": {"masked_image": NaN}}').status_code == 400
    answer = client.post(PREDICT, content=b" " * (2 * 32 * SIZE * SIZE * 3 * 24 + 1))
    assert answer.status_code == 413
    assert client.get("/healthz").status_code == 200


def test_other_paths_and_methods_are_refused_in_the_protocols_form(client: httpx.Client) -> None:
    # The pages of documentation would load scripts from elsewhere.
    for path in ("/v1/models/another:predict", "/docs", "/redoc", "/healthz/"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})
    answer = client.get(PREDICT)
    assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})
    assert answer.headers["allow"] == "POST"
    assert PREDICT in client.get("/openapi.json").json()["paths"]


def test_a_body_of_another_type_is_refused(client: httpx.Client) -> None:
    content = orjson.dumps(_body(_request(1)))
    for kind in ("application/json; charset=utf-8", "APPLICATION/JSON", "application/x-www-form-urlencoded"):
        assert client.post(PREDICT, content=content, headers={"Content-Type": kind}).status_code == 200
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/json-seq"):
        answer = client.post(PREDICT, content=content, headers={"Content-Type": kind})
        assert answer.status_code == 415
        assert "application/json" in answer.json()["error"]


def test_a_name_of_its_own_is_answered(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"Host": "faces.example"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 421


def test_a_failure_of_its_own_is_answered_as_json(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> np.ndarray:
        raise RuntimeError("out of memory, say")

    session = FillSession(model, "cpu")
    monkeypatch.setattr(session, "fill", breaks)
    with TestClient(create_app(session), base_url="http://127.0.0.1") as client:
        answer = client.post(PREDICT, json=_body(_request(1)))
    assert answer.status_code == 500
    assert answer.json() == {"error": "the server failed; its log says why"}
