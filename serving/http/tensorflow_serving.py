"""TensorFlow Serving's REST API, as clients of 2018 use it: numbers or pictures in JSON, by column or by row."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.http.json_input import (
    Skeleton,
    is_list,
    is_object,
    members,
    numbers,
    read_json,
    shape_of,
    shortened,
)
from twoface_pl.serving.http.pictures import Pictures, check_count, checked, encoded_picture
from twoface_pl.serving.http.task import Refusal, Reply, Served, Task

MODEL_NAME = "two_face_model"
SIGNATURE = "serving_default"
LABEL = "stable"  # of the version that is served
IMAGE, REFERENCE, MASK = "masked_image", "reference_image", "mask"
INPUTS = {IMAGE: True, REFERENCE: True, MASK: False}  # and whether it must be there
WANTED = 'the body must be {"inputs": {"masked_image": ..., "reference_image": ...}}, or the same by "instances"'
COLUMNS, ROWS = "inputs", "instances"
ANSWERS = {COLUMNS: "outputs", ROWS: "predictions"}


class _Reader:
    """Reads the pictures of one request, and counts them by their shape."""

    def __init__(self, skeleton: Skeleton, size: int) -> None:
        self.size = size
        self._skeleton = skeleton
        self._read: dict[tuple[int, ...], int] = {}

    def _shapes(self, mask: bool) -> list[tuple[int, ...]]:
        side = (self.size, self.size)
        return [side, (*side, 1)] if mask else [(*side, 3)]

    def picture(self, value: Any, name: str, mask: bool) -> np.ndarray:
        """Float32 (S, S, 3) of lists of numbers or of a picture's file; of a mask (S, S)."""
        if is_object(value):
            return encoded_picture(_decoded(members(value, name, {"b64": True})["b64"], name), self.size, name, mask)
        shape, shapes = tuple(shape_of(value)), self._shapes(mask)
        flat = numbers(value) if is_list(value) else None
        if flat is None or shape not in shapes or flat.size != np.prod(shape):
            wanted = " or ".join(str([*each]) for each in shapes)
            found = f"shape {[*shape]} is" if flat is not None else "an array of other things than numbers,"
            raise Refusal(f"{name}: {found} not {wanted}")
        self._read[shape] = self._read.get(shape, 0) + 1
        return flat.reshape(shapes[0])

    def column(self, value: Any, name: str, mask: bool) -> np.ndarray:
        """Several pictures: float32 (N, S, S, 3), or (N, S, S)."""
        if not is_list(value):
            raise Refusal(f"{name}: not an array of numbers of shape [N, {self.size}, {self.size}, 3]")
        check_count(len(value), name)
        if any(is_object(each) for each in value):
            return np.stack([self.picture(each, name, mask) for each in value])
        shape, shapes = shape_of(value), self._shapes(mask)
        flat = numbers(value)
        if flat is None:
            raise Refusal(f"{name}: not an array of numbers of shape [N, {self.size}, {self.size}, 3]")
        if tuple(shape[1:]) not in shapes:
            raise Refusal(f"{name}: shape {shape} is not {['N', *shapes[0]]}".replace("'", ""))
        if flat.size != np.prod(shape):
            raise Refusal(f"{name}: not an array of numbers: its lists differ in length")
        self._read[tuple(shape[1:])] = self._read.get(tuple(shape[1:]), 0) + len(value)
        return flat.reshape(len(value), *shapes[0])

    def check_even(self) -> None:
        """Refuse lists that differ in length where their sum is right."""
        for shape, count in self._read.items():
            if self._skeleton.count(*shape) < count:
                raise Refusal(f"not an array of numbers: lists of a picture differ in length from {[*shape]}")


def _decoded(text: Any, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError):  # no text, or letters that base64 has not
        raise Refusal(f'{name}: {{"b64": ...}} holds a picture\'s file (JPEG, PNG, ...) in base64') from None


def _columns(reader: _Reader, value: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    given = members(value, COLUMNS, INPUTS)
    read = {name: reader.column(given[name], f"{COLUMNS}.{name}", name == MASK) for name in given}
    counts = {name: len(pictures) for name, pictures in read.items()}
    if len(set(counts.values())) > 1:
        raise Refusal(f"{COLUMNS}: {counts[IMAGE]} masked images but {counts[REFERENCE]} references"
                      + (f" and {counts[MASK]} masks" if MASK in counts else ""))  # fmt: skip
    return read[IMAGE], read[REFERENCE], read.get(MASK)


def _rows(reader: _Reader, value: Any, default: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    if not is_list(value):
        raise Refusal(f"{ROWS} must be a list of objects, each of {', '.join(INPUTS)}")
    check_count(len(value), ROWS)
    rows: list[dict[str, np.ndarray]] = []
    for number, row in enumerate(value):
        what = f"{ROWS}[{number}]"
        given = members(row, what, INPUTS)
        rows.append({name: reader.picture(given[name], f"{what}.{name}", name == MASK) for name in given})
    masks = None
    if any(MASK in row for row in rows):
        masks = np.stack([row.get(MASK, default) for row in rows])
    return np.stack([row[IMAGE] for row in rows]), np.stack([row[REFERENCE] for row in rows]), masks


def parse(task: Task, body: bytes | bytearray, session: FillSession) -> tuple[Pictures, str]:
    """The pictures of a request, and how its answer calls them.

    Raises:
        TwoFaceError: names the field that is wrong.
    """
    size = session.image_size
    document, skeleton = read_json(body, size)
    if not is_object(document) or (COLUMNS in document) == (ROWS in document):
        raise Refusal(WANTED)
    given = members(document, "the body", {COLUMNS: False, ROWS: False, "signature_name": False})
    signature = given.get("signature_name", SIGNATURE)
    if signature not in (SIGNATURE, ""):
        raise Refusal(f"signature_name {shortened(signature)}: there is one signature, {SIGNATURE}")
    reader = _Reader(skeleton, size)
    layout = COLUMNS if COLUMNS in given else ROWS
    if layout == COLUMNS:
        images, references, masks = _columns(reader, given[COLUMNS])
    else:
        default = session.default_mask.astype(np.float32)
        images, references, masks = _rows(reader, given[ROWS], default)
    reader.check_even()
    return checked(session, images, references[:, None], masks, f"{layout}."), ANSWERS[layout]


def write(filled: np.ndarray, answer: str) -> Reply:
    """``{"outputs": [N, S, S, 3]}``, or ``predictions``."""
    return Reply.json({answer: np.ascontiguousarray(filled)}, pictures=len(filled))


def status(served: Served) -> dict[str, Any]:
    """The model's state, as TensorFlow Serving gives it."""
    ok = {"error_code": "OK", "error_message": ""}
    return {"model_version_status": [{"version": served.version, "state": "AVAILABLE", "status": ok}]}


def _tensors(shapes: dict[str, Sequence[int]]) -> dict[str, Any]:
    return {
        name: {
            "dtype": "DT_FLOAT",
            "tensor_shape": {"dim": [{"size": str(side), "name": ""} for side in shape], "unknown_rank": False},
            "name": f"{name}:0",
        }
        for name, shape in shapes.items()
    }


def metadata(served: Served) -> dict[str, Any]:
    """What requests and answers hold, as TensorFlow Serving gives it."""
    side = served.image_size
    picture = (-1, side, side, 3)
    signature = {
        "inputs": _tensors({IMAGE: picture, REFERENCE: picture, MASK: picture[:3]}),
        "outputs": _tensors({"outputs": picture}),
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": MODEL_NAME, "signature_name": "", "version": served.version},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }
