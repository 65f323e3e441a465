"""A real server process, asked as TensorFlow Serving was asked in 2018."""

import base64
import gzip
import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import orjson
import pytest
from conftest import SIZE, Run
from PIL import Image
from served import PREDICT, serving

from twoface_pl.serving.fill import FillSession

MODEL = "/v1/models/two_face_model"
LIMIT = 20_000_000  # bytes of a body


@pytest.fixture(scope="module")
def client(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    log = tmp_path_factory.mktemp("serve") / "log"
    options = "--model", model, "--allow-host", "Faces.example", "--max-body", LIMIT // 10**6
    with serving(log, *options) as served:
        yield served.client


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
    for path in ("", "/versions/1", "/labels/stable"):
        status = client.get(MODEL + path).json()["model_version_status"][0]
        assert (status["state"], status["version"]) == ("AVAILABLE", "1")


def test_metadata_says_what_requests_hold(client: httpx.Client) -> None:
    for path in ("", "/versions/1", "/labels/stable"):
        told = client.get(f"{MODEL}{path}/metadata").json()
        assert told["model_spec"] == {"name": "two_face_model", "signature_name": "", "version": "1"}
        inputs = told["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
        assert set(inputs) == {"masked_image", "reference_image", "mask"}
        sides = [side["size"] for side in inputs["masked_image"]["tensor_shape"]["dim"]]
        assert (inputs["masked_image"]["dtype"], sides) == ("DT_FLOAT", ["-1", str(SIZE), str(SIZE), "3"])


@pytest.mark.parametrize("path", [f"{MODEL}/versions/2", f"{MODEL}/labels/canary", "/v1/models/another"])
def test_what_is_not_served_is_not_found(client: httpx.Client, path: str) -> None:
    for answer in (client.get(path), client.get(f"{path}/metadata"), client.post(f"{path}:predict", json={})):
        assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_versions_and_labels_predict(client: httpx.Client) -> None:
    body = _body(_request(1))
    wanted = client.post(PREDICT, json={**body, "signature_name": "serving_default"}).json()
    for path in ("/versions/1", "/labels/stable"):
        assert client.post(f"{MODEL}{path}:predict", json=body).json() == wanted
    refused = client.post(PREDICT, json={**body, "signature_name": "another"})
    assert (refused.status_code, "one signature" in refused.json()["error"]) == (400, True)


def test_rows_are_columns_in_another_order(client: httpx.Client) -> None:
    inputs = _request(2)
    rows = [{name: images[number].tolist() for name, images in inputs.items()} for number in range(2)]
    answer = client.post(PREDICT, json={"instances": rows}).json()
    assert list(answer) == ["predictions"]
    columns = client.post(PREDICT, json=_body(inputs)).json()["outputs"]
    assert np.allclose(answer["predictions"], columns, atol=1e-5)


def _file(levels: np.ndarray, kind: str = "PNG") -> dict[str, str]:
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, kind)
    return {"b64": base64.b64encode(stream.getvalue()).decode()}


def test_pictures_may_be_files_and_holes_anywhere(client: httpx.Client) -> None:
    rng = np.random.default_rng(3)
    photo, other = rng.integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    hole = np.zeros((SIZE, SIZE), np.uint8)
    hole[:10, 5:30] = 255
    files = {"masked_image": _file(photo), "reference_image": _file(other), "mask": _file(hole)}
    numbers = {
        "masked_image": (photo / np.float32(255)).tolist(),
        "reference_image": (other / np.float32(255)).tolist(),
        "mask": (hole / 255)[..., None].tolist(),
    }
    (of_files,), (of_numbers,) = (
        client.post(PREDICT, json={"instances": [row]}).json()["predictions"] for row in (files, numbers)
    )
    assert np.allclose(of_files, of_numbers, atol=1e-5)
    assert np.allclose(np.array(of_files)[hole == 0], (photo / 255)[hole == 0], atol=1e-5)
    assert not np.allclose(np.array(of_files)[hole > 0], (photo / 255)[hole > 0], atol=0.1)
    by_column = {name: [value] for name, value in files.items()}
    assert np.allclose(client.post(PREDICT, json={"inputs": by_column}).json()["outputs"][0], of_files, atol=1e-5)


def test_a_row_without_a_mask_has_the_models_hole(client: httpx.Client) -> None:
    first, second = ({name: images[0].tolist() for name, images in _request(1).items()} for _ in range(2))
    hole = np.zeros((SIZE, SIZE))
    hole[0, 0] = 1
    mixed = client.post(PREDICT, json={"instances": [first, {**second, "mask": hole.tolist()}]}).json()["predictions"]
    alone = client.post(PREDICT, json={"instances": [first]}).json()["predictions"]
    assert np.allclose(mixed[0], alone[0], atol=1e-5)
    assert (np.abs(np.array(mixed[1]) - second["masked_image"]).max(axis=-1) > 1e-4).sum() <= 1


def test_a_body_may_come_compressed_and_is_bounded_when_it_is_inflated(client: httpx.Client) -> None:
    content = orjson.dumps(_body(_request(1)))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    packed = client.post(PREDICT, content=gzip.compress(content), headers=headers)
    assert packed.json() == client.post(PREDICT, content=content, headers={"Content-Type": "application/json"}).json()
    bomb = gzip.compress(b" " * (LIMIT + 1))
    for body, status in ((bomb, 413), (gzip.compress(content)[:-20], 400), (content, 400)):
        answer = client.post(PREDICT, content=body, headers=headers)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])
    unknown = client.post(PREDICT, content=content, headers={**headers, "Content-Encoding": "br"})
    assert unknown.status_code == 415


def test_every_answer_has_a_number_and_the_log_has_it_too(client: httpx.Client, tmp_path: Path) -> None:
    for path in ("/healthz", "/nowhere", "/metrics", MODEL):
        assert len(client.get(path).headers["x-request-id"]) == 32
    assert client.get(MODEL, headers={"X-Request-Id": "shop-17"}).headers["x-request-id"] == "shop-17"
    assert len(client.get(MODEL, headers={"X-Request-Id": 'a "b"'}).headers["x-request-id"]) == 32
    assert client.post(PREDICT, content=b"{", headers={"X-Request-Id": "bad-1"}).headers["x-request-id"] == "bad-1"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl_asks_as_in_2018(client: httpx.Client, tmp_path: Path) -> None:
    body = tmp_path / "request.json"
    body.write_bytes(orjson.dumps({"inputs": _body(_request(1))["inputs"]}))
    url = str(client.base_url.join(PREDICT))
    asked = subprocess.run(["curl", "-s", "-d", f"@{body}", url], capture_output=True, check=True, timeout=60)
    assert np.array(orjson.loads(asked.stdout)["outputs"]).shape == (1, SIZE, SIZE, 3)


def _bad_bodies() -> dict[str, tuple[object, str]]:
    good = _body(_request(1))["inputs"]
    small = np.zeros((1, 8, 8, 3)).tolist()
    two = [*good["masked_image"], *good["masked_image"]]
    bright = (np.ones((1, SIZE, SIZE, 3)) * 255).tolist()
    row = {name: images[0] for name, images in good.items()}
    uneven = [[list(line) for line in picture] for picture in good["masked_image"]]
    uneven[0][1].append(uneven[0][2].pop())
    return {
        "no inputs": ({}, "the body must be"),
        "a list": ([1], "the body must be"),
        "unknown field": ({"inputs": good, "mask": []}, "the body has inputs, instances, signature_name; found"),
        "rows and columns": ({"inputs": good, "instances": []}, "the body must be"),
        "no rows": ({"instances": []}, "instances: 0 pictures"),
        "a row of a list": ({"instances": [[1]]}, "instances[0] must be an object"),
        "a file that is none": (
            {"instances": [{**row, "mask": {"b64": "aGVsbG8="}}]},
            "mask: not a picture",
        ),
        "no letters of base64": ({"instances": [{**row, "mask": {"b64": "é\U00012345"}}]}, "holds a picture's file"),
        "no base64": ({"instances": [{**row, "mask": {"b64": "?"}}]}, 'instances[0].mask: {"b64": ...}'),
        "a large file": (
            {"instances": [{**row, "mask": _file(np.zeros((99, 99), np.uint8))}]},
            "instances[0].mask: 99x99; ",
        ),
        "no hole": ({"inputs": {**good, "mask": np.zeros((1, SIZE, SIZE)).tolist()}}, "inputs.mask: no hole"),
        "mask of 255": ({"inputs": {**good, "mask": np.full((1, SIZE, SIZE), 255).tolist()}}, "inputs.mask: values"),
        "uneven rows": ({"inputs": {**good, "masked_image": uneven}}, "lists of a picture differ in length"),
        "missing reference": ({"inputs": {"masked_image": good["masked_image"]}}, "reference_image"),
        "misspelt": ({"inputs": {**good, "refrence": []}}, "refrence"),
        "wrong size": ({"inputs": {**good, "masked_image": small}}, "inputs.masked_image: shape [1, 8, 8, 3]"),
        "ragged": ({"inputs": {**good, "masked_image": [[1], [1, 2]]}}, "inputs.masked_image: shape [2, 1]"),
        "words": ({"inputs": {**good, "reference_image": "hello"}}, "inputs.reference_image: not an array"),
        "0..255": ({"inputs": {**good, "reference_image": bright}}, "values must lie in [0, 1]"),
        "unequal": ({"inputs": {**good, "masked_image": two}}, "2 masked images but 1 references"),
        "null": ({"inputs": {**good, "reference_image": [[[[None] * 3] * SIZE] * SIZE]}}, "inputs.reference_image"),
        "too many": ({"inputs": {**good, "masked_image": good["masked_image"] * 33}}, "inputs.masked_image"),
        "text for numbers": ({"inputs": {**good, "masked_image": [[[["0.5"] * 3] * SIZE]]}}, "not an array of numbers"),
        "a text": ({"inputs": {**good, "masked_image": [[["0.5"]]]}}, "inputs.masked_image: not an array"),
        "true for a number": ({"inputs": {**good, "masked_image": [[[[True] * 3] * SIZE] * SIZE]}}, "not an array"),
        "uneven": ({"inputs": {**good, "masked_image": [*good["masked_image"], 0]}}, "inputs.masked_image: not an"),
        "over float32": ({"inputs": {**good, "masked_image": [[[[1e39] * 3] * SIZE] * SIZE]}}, "must lie in [0, 1]"),
        "long names": ({"inputs": {"a" * 10**6: 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}}, "aaa...aaa"),
        "objects": ({"inputs": [{}] * 100}, "inputs must be an object"),
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
    assert f"--port {client.base_url.port}: another program listens there" in taken.stderr
    assert "no such name" in twoface("serve", "--model", model, "--host", "nowhere.invalid").stderr


def test_not_json_too_large_and_other_paths(client: httpx.Client) -> None:
    answer = client.post(PREDICT, content=b"{")
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["error"]
    assert client.post(PREDICT, content=b'{"inputs": {"masked_image": NaN}}').status_code == 400
    answer = client.post(PREDICT, content=b" " * (LIMIT + 1))
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
