"""Requests that nobody would write: each has an answer, and none is the server's own fault."""

import base64
import gzip
import json
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_server_load import SERVED, Copier

from twoface_pl.faces.image import encode_jpeg
from twoface_pl.model_file import REPAIR, SHIPPED
from twoface_pl.serving.http.app import create_app
from twoface_pl.serving.http.desk import AppOptions, Desk
from twoface_pl.serving.http.people import INPAINT_FILES, INPAINT_TEXTS, People
from twoface_pl.serving.http.task import Task
from twoface_pl.serving.http.work import FACES, INPAINT, KINDS, OPEN_INFERENCE, TENSORFLOW, Worker
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model

schemathesis = pytest.importorskip("schemathesis")

SIZE = 16
MOST_BYTES = 2_000_000
REFUSED = {400, 413, 415}
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
COUNTS = [250, pytest.param(12_500, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])]  # times eight


@pytest.fixture(scope="module")
def worker() -> Worker:
    people = People(RepairSession(find_model(SHIPPED, REPAIR), "cpu"), 100_000)
    return Worker(Copier(), SERVED, people, MOST_BYTES, 4)


def _good_bodies() -> dict[str, tuple[bytes, dict[str, str]]]:
    """A request of each kind that is answered with 200, or nearly so."""
    picture = np.full((SIZE, SIZE, 3), 0.5).tolist()
    mask = np.eye(SIZE).tolist()
    row = {"masked_image": picture, "reference_image": picture, "mask": mask}
    image = np.full((1, SIZE, SIZE, 3), 0.5, "<f4").tobytes()
    tensors = [
        {"name": name, "datatype": "FP32", "shape": shape, "parameters": {"binary_data_size": len(image)}}
        for name, shape in (("masked_image", [1, SIZE, SIZE, 3]), ("reference_images", [1, 1, SIZE, SIZE, 3]))
    ]
    text = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}}).encode()
    photo = encode_jpeg(np.full((64, 64, 3), 90, np.uint8))
    form = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\n\r\n%s\r\n' % (name, photo)
        for name in (b"photo", b"reference")
    )
    as_form = {"content-type": "multipart/form-data; boundary=x"}
    return {
        TENSORFLOW: (json.dumps({"instances": [row]}).encode(), {}),
        OPEN_INFERENCE: (text + image * 2, {"inference-header-content-length": str(len(text))}),
        INPAINT: (form + b'--x\r\nContent-Disposition: form-data; name="box"\r\n\r\n5,5,40,40\r\n--x--\r\n', as_form),
        FACES: (form.partition(b'--x\r\nContent-Disposition: form-data; name="reference"')[0] + b"--x--\r\n", as_form),
    }


GOOD = _good_bodies()
_PIECES = st.sampled_from(
    [b"", b"[", b"]", b"{", b"}", b",", b":", b'"', b"null", b"NaN", b"-1", b"1e999", b"[[[[", b"\0", b"\xff", b"--x",
     b"\r\n", b"--x--", b'"mask"', b'{"b64":"', b"99999999999999999999", b"0.5,", b"true", b"\\u0000", b"\xd8\x00"]
)  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, kind: str) -> Task:
    """A good request with pieces cut out, put in or doubled; perhaps compressed, perhaps cut off."""
    body, headers = GOOD[kind]
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.sampled_from([0, 1, 2, 7, 50, 1000])))
        body = body[:start] + draw(st.one_of(_PIECES, st.binary(max_size=20))) + body[end:]
    headers = dict(headers)
    if draw(st.integers(0, 5)) == 0:
        pack = draw(st.sampled_from(["gzip", "deflate", "identity", "br", ""]))
        headers["content-encoding"] = pack
        body = {"gzip": gzip.compress, "deflate": zlib.compress}.get(pack, bytes)(body)
        body = body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body
    if draw(st.integers(0, 7)) == 0:
        name = draw(st.sampled_from(["inference-header-content-length", "content-type", "accept-encoding", "accept"]))
        headers[name] = draw(st.one_of(st.text(max_size=30), st.integers(-3, 10**6).map(str)))
    return Task(kind, body, headers)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", KINDS)
def test_changed_requests_are_answered_or_refused(worker: Worker, kind: str, count: int) -> None:
    seen: set[int] = set()

    @settings(max_examples=count, phases=[Phase.generate], **QUIET)
    @given(changed(kind))
    def ask(task: Task) -> None:
        (reply,) = worker.answer([task])
        assert reply.status in {200, *REFUSED}, (reply.failure, reply.body)
        assert reply.status == 200 or list(json.loads(reply.body)) == ["error"]
        seen.add(reply.status)

    ask()
    assert 400 in seen
    assert worker.answer([Task(kind, *GOOD[kind])])[0].status in {200, 400}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", KINDS)
def test_any_bytes_are_refused(worker: Worker, kind: str, count: int) -> None:
    @settings(max_examples=count, phases=[Phase.generate], **QUIET)
    @given(st.one_of(st.binary(max_size=200), st.text().map(str.encode), st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(
            ["inputs", "instances", "masked_image", "reference_image", "mask", "b64", "name", "shape", "datatype"]
        ), inner), max_leaves=20).map(lambda value: json.dumps(value).encode())))  # fmt: skip
    def ask(body: bytes) -> None:
        (reply,) = worker.answer([Task(kind, body, {"content-type": GOOD[kind][1].get("content-type", "")})])
        assert reply.status in REFUSED, (reply.failure, reply.body)

    ask()


def test_pictures_in_base64_may_be_anything(worker: Worker) -> None:
    @settings(max_examples=200, phases=[Phase.generate], **QUIET)
    @given(st.binary(max_size=300), st.integers(0, 300))
    def ask(content: bytes, cut: int) -> None:
        jpeg = encode_jpeg(np.full((SIZE, SIZE, 3), 90, np.uint8))
        for file in (content, jpeg[:cut] + content + jpeg[cut + len(content) :]):
            picture = {"b64": base64.b64encode(file).decode()}
            row = {"masked_image": picture, "reference_image": picture}
            (reply,) = worker.answer([Task(TENSORFLOW, json.dumps({"instances": [row]}).encode())])
            assert reply.status in {200, *REFUSED}, (reply.failure, reply.body)

    ask()


# Not: that what the description allows is done. A file of random bytes is in it, and no picture.
schemathesis.checks.load_all_checks()
CHECKS = [
    schemathesis.checks.CHECKS.get_one(f"{name}_conformance")
    for name in ("status_code", "content_type", "response_schema", "response_headers")
] + [schemathesis.checks.CHECKS.get_one("not_a_server_error")]


@pytest.mark.parametrize("count", [30, pytest.param(3000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
def test_requests_by_the_description_are_answered_as_it_says(worker: Worker, count: int) -> None:
    """The work is done in the test's own process."""
    desk = Desk(worker, AppOptions(names=["testserver"], most_bytes=MOST_BYTES))
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(desk))
    asked: list[str] = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=count if operation.method == "post" else 5, phases=[Phase.generate], **QUIET)
        @given(operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(checks=CHECKS)

        ask()
        asked.append(operation.label)
    assert len(asked) == len(set(asked)) > 20


def test_the_description_has_every_path_and_its_example_works(worker: Worker) -> None:
    desk = Desk(worker, AppOptions(names=["testserver"]))
    with TestClient(create_app(desk)) as client:
        told = client.get("/openapi.json").json()
        path = "/v1/models/two_face_model:predict"
        example = told["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
        assert client.post(path, json=example).status_code == 200
        form = told["paths"]["/inpaint"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert set(form["properties"]) == {*INPAINT_FILES, *INPAINT_TEXTS}


def test_the_description_is_of_the_version_that_is_served_by_then(worker: Worker) -> None:
    desk = Desk(worker, AppOptions(names=["testserver"]))
    with TestClient(create_app(desk)) as client:
        sizes = []
        for size in (SIZE, 2 * SIZE):
            desk.queue.core = Worker(Copier(), replace(SERVED, image_size=size), worker.people, MOST_BYTES, 4)
            sizes.append(f"S is {size}" in client.get("/openapi.json").text)
        assert sizes == [True, True]
