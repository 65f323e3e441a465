"""KServe's protocol, as Triton's own client speaks it, and as it must not be spoken."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from served import INFER, Served, serving

from twoface_pl.model_file import SHIPPED
from twoface_pl.serving.fill import FillSession

triton = pytest.importorskip("tritonclient.http")
from tritonclient.utils import InferenceServerException  # noqa: E402 (of a package that may be missing)

NAME, SIZE = "two_face_model", 128
LENGTH = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("serve") / "log") as served:
        yield served


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Any]:
    with triton.InferenceServerClient(served.url, network_timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    images, references = rng.random((2, SIZE, SIZE, 3), np.float32), rng.random((2, 2, SIZE, SIZE, 3), np.float32)
    masks = np.zeros((2, SIZE, SIZE, 1), np.float32)
    masks[:, 20:60, 30:90] = 1
    return images, masks, references


@pytest.fixture(scope="module")
def filled(pictures: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    images, masks, references = pictures
    return FillSession(SHIPPED, "cpu").fill(images, masks[..., 0], references)


def _inputs(pictures: tuple[np.ndarray, ...], binary: bool) -> list[Any]:
    made = []
    for name, values in zip(("masked_image", "mask", "reference_images"), pictures, strict=True):
        made.append(triton.InferInput(name, values.shape, "FP32"))
        made[-1].set_data_from_numpy(values, binary_data=binary)
    return made


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("packed", [None, "gzip", "deflate"])
@pytest.mark.parametrize("named", [True, False])
def test_tritons_client_gets_the_fill(
    client: Any, pictures: tuple[np.ndarray, ...], filled: np.ndarray, binary: bool, packed: str | None, named: bool
) -> None:
    answer = client.infer(
        NAME,
        _inputs(pictures, binary),
        outputs=[triton.InferRequestedOutput("filled_image", binary_data=binary)] if named else None,
        request_id="number 7",
        request_compression_algorithm=packed,
        response_compression_algorithm=packed,
    )
    assert answer.get_response()["id"] == "number 7"
    assert answer.get_response()["model_version"] == "1"
    assert np.allclose(answer.as_numpy("filled_image"), filled, atol=1e-5)


def test_tritons_client_asks_about_it(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, "1")
    assert not client.is_model_ready(NAME, "2")
    assert not client.is_model_ready("another")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    for version in ("", "1"):
        told = client.get_model_metadata(NAME, version)
        assert (told["name"], told["versions"]) == (NAME, ["1"])
        shapes = {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in told["inputs"]}
        assert shapes["masked_image"] == ("FP32", [-1, -1, -1, 3])
        assert shapes["reference_images"] == ("FP32", [-1, -1, -1, -1, 3])


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.get_model_config(NAME),
        lambda client: client.get_inference_statistics(NAME),
        lambda client: client.get_model_repository_index(),
        lambda client: client.load_model(NAME),
        lambda client: client.unload_model(NAME),
        lambda client: client.get_model_metadata("another"),
        lambda client: client.get_system_shared_memory_status(),
    ],
)
def test_what_is_not_served_is_an_error_that_its_client_reads(client: Any, ask: Any) -> None:
    with pytest.raises(InferenceServerException) as raised:
        ask(client)
    assert raised.value.status() == "404"
    assert raised.value.message() == "Not Found"


def test_a_mask_may_be_left_out_and_a_picture_larger(served: Served, pictures: tuple[np.ndarray, ...]) -> None:
    images = pictures[0]
    with triton.InferenceServerClient(served.url, network_timeout=60) as client:
        both = [each for each in _inputs(pictures, True) if each.name() != "mask"]
        outside = np.ones((SIZE, SIZE), bool)
        outside[48:80, 48:80] = False
        result = client.infer(NAME, both).as_numpy("filled_image")
        assert np.array_equal(result[:, outside], images[:, outside])
        large = np.random.default_rng(1).random((1, 160, 160, 3), np.float32)
        mask = np.zeros((1, 160, 160, 1), np.float32)
        mask[:, 60:90, 60:90] = 1
        result = client.infer(NAME, _inputs((large, mask, large[:, None]), True)).as_numpy("filled_image")
        assert result.shape == large.shape
        assert np.array_equal(result[mask[..., 0] == 0], large[mask[..., 0] == 0])


def _tensor(name: str, values: np.ndarray, **changes: Any) -> dict[str, Any]:
    return {"name": name, "shape": [*values.shape], "datatype": "FP32", "data": values.ravel().tolist(), **changes}


def _document(**changes: Any) -> dict[str, Any]:
    image = np.full((1, SIZE, SIZE, 3), 0.5, np.float32)
    inputs = [_tensor("masked_image", image), _tensor("reference_images", image[:, None])]
    return {"inputs": inputs, **changes}


def _changed(number: int, **changes: Any) -> dict[str, Any]:
    document = _document()
    document["inputs"][number] |= changes
    return document


def _bad() -> dict[str, tuple[dict[str, Any], str]]:
    (image, reference) = _document()["inputs"]
    mask = _tensor("mask", np.zeros((1, SIZE, SIZE, 1)))
    output = {"name": "filled_image"}
    return {
        "negative shape": (_changed(0, shape=[-1, SIZE, SIZE, 3]), "whole numbers"),
        "huge shape": (_changed(0, shape=[2**62, 2**62, 2**62, 3]), "whole numbers"),
        "huge shape of nothing": (_changed(0, shape=[0, 2**62, 4], data=[]), "whole numbers"),
        "large shape": (_changed(0, shape=[2**20, 2**20, 2**20, 3]), "values, but its shape"),
        "shape of text": (_changed(0, shape="1,128"), "whole numbers"),
        "deep shape": (_changed(0, shape=[1] * 40), "whole numbers"),
        "no shape": ({"inputs": [{"name": "mask", "datatype": "FP32"}]}, "shape is missing"),
        "another type": (_changed(0, datatype="UINT8"), "'UINT8' is not FP32"),
        "unknown input": (_changed(0, name="image"), "input 'image' is not known"),
        "twice": (_document(inputs=[image, image, reference]), "comes twice"),
        "missing": (_document(inputs=[image]), "reference_images is missing"),
        "no list": (_document(inputs={"a": 1}), "inputs must be a list"),
        "too few values": (_changed(0, data=[0.5]), "1 values, but its shape"),
        "text": (_changed(0, data=["a"]), "must be a list of numbers"),
        "out of range": (_changed(0, data=[2.0] * (SIZE * SIZE * 3)), "values must lie in [0, 1]"),
        "empty": (_changed(0, shape=[0, SIZE, SIZE, 3], data=[]), "0 pictures"),
        "no hole": (_document(inputs=[image, mask, reference]), "no hole in it"),
        "other sides": (_changed(0, shape=[1, 64, 64, 3], data=[0.5] * (64 * 64 * 3)), "64 pixels a side"),
        "references of none": (_changed(1, shape=[1, 0, SIZE, SIZE, 3], data=[]), "reference_images: shape"),
        "unknown output": (_document(outputs=[{"name": "other"}]), "output 'other' is not known"),
        "output twice": (_document(outputs=[output, output]), "the one output"),
        "classification": (_document(outputs=[{**output, "parameters": {"classification": 1}}]), "not served"),
        "shared memory": (_changed(0, parameters={"shared_memory_region": "a"}), "not served"),
        "binary of text": (_document(parameters={"binary_data_output": "yes"}), "true or false"),
        "id of numbers": (_document(id=7), "id must be a text"),
        "unknown field": (_document(speed=7), "the body has inputs"),
        "binary and data": (_changed(0, parameters={"binary_data_size": 4}), "not both"),
    }


@pytest.mark.parametrize("case", sorted(_bad()))
def test_bad_requests_are_answered_by_field(served: Served, case: str) -> None:
    document, says = _bad()[case]
    answer = served.client.post(INFER, json=document)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert len(answer.content) < 300


@pytest.mark.parametrize("length", ["0", "-1", "99999999", "1e3", "", "٣", "1" * 30])
def test_header_lengths_that_are_none(served: Served, length: str) -> None:
    body = json.dumps(_document()).encode()
    answer = served.client.post(INFER, content=body, headers={LENGTH: length.encode()})
    assert (answer.status_code, "Header-Content-Length" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("size", "sent", "says"),
    [
        (SIZE * SIZE * 12, 100, "bytes are announced, 100 came"),
        (100, 100, "is not the"),
        (2**70, 100, "no JSON|not JSON|is not the"),
        (SIZE * SIZE * 12, SIZE * SIZE * 12 + 5, "5 bytes after the JSON"),
    ],
)
def test_binary_tensors_that_are_cut_or_too_long(served: Served, size: int, sent: int, says: str) -> None:
    document = _changed(0, parameters={"binary_data_size": size})
    del document["inputs"][0]["data"]
    text = json.dumps(document).encode()
    answer = served.client.post(INFER, content=text + b"\0" * sent, headers={LENGTH: str(len(text))})
    assert answer.status_code == 400
    assert any(each in answer.json()["error"] for each in says.split("|"))


def test_json_that_is_nested_a_thousand_deep_and_unknown_encodings(served: Served) -> None:
    for body in (b"[" * 1500, b'{"inputs":' * 1100 + b"1" + b"}" * 1100, b'{"inputs": NaN}', b"\xff\xfe", b""):
        answer = served.client.post(INFER, content=body)
        assert (answer.status_code, list(answer.json())) == (400, ["error"])
    answer = served.client.post(INFER, content=b"x", headers={"Content-Encoding": "zstd"})
    assert answer.status_code == 415
    answer = served.client.post(INFER, content=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


def test_not_a_number_in_binary_is_refused(served: Served) -> None:
    document = _changed(0, parameters={"binary_data_size": SIZE * SIZE * 12})
    del document["inputs"][0]["data"]
    text = json.dumps(document).encode()
    body = text + np.full(SIZE * SIZE * 3, np.nan, "<f4").tobytes()
    answer = served.client.post(INFER, content=body, headers={LENGTH: str(len(text))})
    assert (answer.status_code, "must lie in [0, 1]" in answer.json()["error"]) == (400, True)


def test_the_probes_of_kubernetes(served: Served) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/health", f"/v2/models/{NAME}/ready"):
        assert served.client.get(path).status_code == 200
    told = served.client.get("/v2/health").json()
    assert (told["ready"], told["provider"], told["version"]) == (True, "CPUExecutionProvider", "1")
