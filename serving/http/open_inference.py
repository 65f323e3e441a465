"""KServe's Open Inference Protocol, version 2, with Triton's binary tensors: the generator by its own inputs' names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from twoface_pl.model_file import SIZE_STEP
from twoface_pl.model_signature import MASK, MASKED_IMAGE, OUTPUT, REFERENCE_IMAGES
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.http.json_input import (
    MAX_BATCH,
    MOST_REFERENCES,
    is_list,
    is_object,
    members,
    numbers,
    read_json,
    shortened,
)
from twoface_pl.serving.http.pictures import Pictures, check_count, checked
from twoface_pl.serving.http.task import Refusal, Reply, Served, Task

EXTENSIONS = ("binary_tensor_data",)
HEADER_LENGTH = "inference-header-content-length"
BINARY, BYTES = "application/octet-stream", 4  # of a float32
DATATYPE = "FP32"
LONGEST = 2**20  # of a side: none is nearly so long, and numpy takes the product of six
INPUTS = {MASKED_IMAGE: True, MASK: False, REFERENCE_IMAGES: True}  # and whether it must be there
TENSOR = {"name": True, "shape": True, "datatype": True, "parameters": False, "data": False}
WANTED = {"float32": DATATYPE}  # numpy's names and the protocol's


@dataclass(frozen=True)
class Wanted:
    """What of an answer a request asks for."""

    name: str | None  # its "id", which comes back
    binary: bool  # the pictures as bytes after the JSON


def _split(task: Task, body: bytes | bytearray) -> tuple[memoryview, memoryview]:
    """The JSON and the bytes after it."""
    view, length = memoryview(body), task.headers.get(HEADER_LENGTH)
    if length is None:
        return view, view[len(view) :]
    if not (length.isascii() and length.isdigit() and len(length) < 12 and 0 < int(length) <= len(view)):
        raise Refusal(
            f"Inference-Header-Content-Length {shortened(length)} is not a part of a body of {len(view)} bytes"
        )
    return view[: int(length)], view[int(length) :]


def _parameters(value: Mapping[str, Any], what: str) -> Any:
    found = value.get("parameters")
    if found is not None and not is_object(found):
        raise Refusal(f"{what}.parameters must be an object, {{...}}")
    for name in ("shared_memory_region", "classification"):
        if found is not None and name in found:
            raise Refusal(f"{what}: {name} is not served")
    return found if found is not None else {}


def _truth(parameters: Any, name: str, what: str, otherwise: bool) -> bool:
    value = parameters.get(name, otherwise)
    if not isinstance(value, bool):
        raise Refusal(f"{what}.parameters.{name} must be true or false")
    return value


def _shape(value: Any, name: str) -> tuple[int, ...]:
    if not is_list(value) or len(value) > 6 or not all(type(side) is int and 0 <= side <= LONGEST for side in value):
        raise Refusal(f"{name}: its shape must be a list of whole numbers from 0 to {LONGEST}")
    return tuple(value)


class _Tensors:
    """Reads a request's tensors, in turn."""

    def __init__(self, binary: memoryview) -> None:
        self._left = binary

    def read(self, value: Any, what: str) -> tuple[str, np.ndarray]:
        """The name and the values of an input."""
        given = members(value, what, TENSOR)
        name = given["name"]
        if not isinstance(name, str) or name not in INPUTS:
            raise Refusal(f"{what}: input {shortened(name)} is not known; there are {', '.join(INPUTS)}")
        if given["datatype"] != DATATYPE:
            raise Refusal(f"{name}: datatype {shortened(given['datatype'])} is not {DATATYPE}")
        shape = _shape(given["shape"], name)
        parameters = _parameters(given, name)
        if "binary_data_size" in parameters:
            if "data" in given:
                raise Refusal(f"{name}: give data or binary_data_size, not both")
            return name, self._bytes(parameters["binary_data_size"], shape, name)
        flat = numbers(given["data"]) if is_list(given.get("data")) else None
        if flat is None:
            raise Refusal(f"{name}: its data must be a list of numbers, or come after the JSON with a binary_data_size")
        if flat.size != math.prod(shape):
            raise Refusal(f"{name}: {flat.size} values, but its shape {[*shape]} has {math.prod(shape)}")
        return name, flat.reshape(shape)

    def _bytes(self, size: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
        wanted = BYTES * math.prod(shape)
        if type(size) is not int or size != wanted:
            raise Refusal(f"{name}: binary_data_size {shortened(size)} is not the {wanted} bytes of shape {[*shape]}")
        if size > len(self._left):
            raise Refusal(f"{name}: {size} bytes are announced, {len(self._left)} came")
        taken, self._left = self._left[:size], self._left[size:]
        return np.frombuffer(taken, "<f4").reshape(shape)

    def check_all_read(self) -> None:
        if len(self._left):
            raise Refusal(f"{len(self._left)} bytes after the JSON belong to no input")


def _check_sides(session: FillSession, read: dict[str, np.ndarray]) -> None:
    """Refuse inputs whose shapes do not go together, or that are too large."""
    shape = read[MASKED_IMAGE].shape
    size, count = session.image_size, shape[0] if shape else 0
    if len(shape) != 4 or shape[3] != 3 or shape[1] != shape[2]:
        raise Refusal(f"{MASKED_IMAGE}: shape {[*shape]} is not [N, S, S, 3]")
    check_count(count, MASKED_IMAGE)
    side = shape[1]
    fits = side == size or (session.facts.any_size and side >= size and side % SIZE_STEP == 0)
    if not fits or side > session.facts.largest_size:
        more = f", or {SIZE_STEP} more and so on up to {session.facts.largest_size}" if session.facts.any_size else ""
        raise Refusal(f"{MASKED_IMAGE}: pictures of {side} pixels a side; the model takes {size}{more}")
    references = read[REFERENCE_IMAGES].shape
    if len(references) != 5 or references[:1] + references[2:] != shape or not 1 <= references[1] <= MOST_REFERENCES:
        raise Refusal(
            f"{REFERENCE_IMAGES}: shape {[*references]} is not [{count}, 1 to {MOST_REFERENCES}, {side}, {side}, 3]"
        )
    if MASK in read and read[MASK].shape != (*shape[:3], 1):
        raise Refusal(f"{MASK}: shape {[*read[MASK].shape]} is not {[*shape[:3], 1]}")
    if count * side**2 > MAX_BATCH * size**2 and count > 1:
        raise Refusal(f"{MASKED_IMAGE}: {count} pictures of {side} pixels a side; send fewer a request", 413)


def _wanted(document: dict[str, Any]) -> Wanted:
    name = document.get("id")
    if name is not None and not isinstance(name, str):
        raise Refusal("id must be a text")
    binary = _truth(_parameters(document, "the body"), "binary_data_output", "the body", False)
    outputs = document.get("outputs")
    if outputs is None:
        return Wanted(name, binary)
    if not is_list(outputs) or len(outputs) != 1:
        raise Refusal(f"outputs must be a list of the one output, {OUTPUT}")
    asked = members(outputs[0], "outputs[0]", {"name": True, "parameters": False})
    if asked["name"] != OUTPUT:
        raise Refusal(f"outputs[0]: output {shortened(asked['name'])} is not known; there is {OUTPUT}")
    return Wanted(name, _truth(_parameters(asked, "outputs[0]"), "binary_data", "outputs[0]", binary))


def parse(task: Task, body: bytes | bytearray, session: FillSession) -> tuple[Pictures, Wanted]:
    """The pictures of a request, and what of the answer it asks for.

    Raises:
        TwoFaceError: names the field that is wrong.
    """
    text, binary = _split(task, body)
    document = members(
        read_json(bytes(text), session.image_size)[0], "the body",
        {"inputs": True, "id": False, "outputs": False, "parameters": False},
    )  # fmt: skip
    wanted, tensors = _wanted(document), _Tensors(binary)
    if not is_list(document["inputs"]) or len(document["inputs"]) > len(INPUTS):
        raise Refusal(f"inputs must be a list of {', '.join(INPUTS)}")
    read: dict[str, np.ndarray] = {}
    for number, value in enumerate(document["inputs"]):
        name, values = tensors.read(value, f"inputs[{number}]")
        if name in read:
            raise Refusal(f"input {name} comes twice")
        read[name] = values
    tensors.check_all_read()
    for name, needed in INPUTS.items():
        if needed and name not in read:
            raise Refusal(f"input {name} is missing")
    _check_sides(session, read)
    masks = read[MASK][..., 0] if MASK in read else None
    return checked(session, read[MASKED_IMAGE], read[REFERENCE_IMAGES], masks), wanted


def write(filled: np.ndarray, wanted: Wanted, served: Served, model: str) -> Reply:
    """The answer, with its pictures in the JSON or after it."""
    output: dict[str, Any] = {"name": OUTPUT, "datatype": DATATYPE, "shape": list(filled.shape)}
    answer: dict[str, Any] = {"model_name": model, "model_version": served.version, "outputs": [output]}
    if wanted.name is not None:
        answer["id"] = wanted.name
    if not wanted.binary:
        output["data"] = np.ascontiguousarray(filled).ravel()
        return Reply.json(answer, pictures=len(filled))
    content = np.ascontiguousarray(filled, "<f4").tobytes()
    output["parameters"] = {"binary_data_size": len(content)}
    text = orjson.dumps(answer)
    headers = {"Inference-Header-Content-Length": str(len(text))}
    return Reply(text + content, media=BINARY, headers=headers, pictures=len(filled))


def metadata(served: Served, model: str) -> dict[str, Any]:
    """The model's inputs and outputs."""

    def listed(tensors: dict[str, tuple[str, list[int]]]) -> list[dict[str, Any]]:
        return [{"name": name, "datatype": WANTED[kind], "shape": shape} for name, (kind, shape) in tensors.items()]

    return {
        "name": model,
        "versions": [served.version],
        "platform": "onnxruntime_onnx",
        "inputs": listed(served.takes),
        "outputs": listed({name: tensor for name, tensor in served.gives.items() if name == OUTPUT}),
    }
