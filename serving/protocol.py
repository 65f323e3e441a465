"""The 2018 request and answer: TensorFlow Serving's REST API, columnar format."""

from __future__ import annotations

from itertools import chain
from reprlib import Repr
from typing import Any

import numpy as np
import orjson

from twoface_pl.errors import TwoFaceError

IMAGES = ("masked_image", "reference_image")
MAX_BATCH = 32
MOST_MEMBERS = 32  # of objects, and quotes: a request has 2 objects and up to 10 quotes; some misspelt ones are named
WANTED = 'the body must be {"inputs": {"masked_image": ..., "reference_image": ...}}'

_short = Repr()  # of what the client wrote, for errors
_short.maxlist, _short.maxstring = 4, 40


class TooLarge(TwoFaceError):
    """A body over a limit."""


class StructureCount:
    """Counts what makes JSON dear to parse, while it comes: no request has more than the largest one.

    Args:
        size: the side of a picture in pixels.
    """

    def __init__(self, size: int) -> None:
        pictures = 2 * MAX_BATCH
        lists = 2 + pictures * (1 + size * (1 + size))
        self._left = {b"[": lists, b",": pictures * size**2 * 3 + MOST_MEMBERS, b"{": MOST_MEMBERS, b'"': MOST_MEMBERS}

    def add(self, chunk: bytes) -> None:
        """Count a further part of the body.

        Raises:
            TooLarge: more lists or values than the largest request has.
            TwoFaceError: more objects or words than any request has.
        """
        for sign in self._left:
            self._left[sign] -= chunk.count(sign)
        if min(self._left[b"["], self._left[b","]) < 0:
            raise TooLarge(f"the body holds more lists or values than {MAX_BATCH} pictures; send fewer a request")
        if min(self._left[b"{"], self._left[b'"']) < 0:
            raise TwoFaceError(f"the body holds more words or objects than a request has: {WANTED}, all else numbers")


def _flatten(value: Any) -> tuple[list[int], list[Any]] | None:
    """Shape and values of nested lists, down to five deep; None where lists of one depth differ in length."""
    shape: list[int] = []
    level = [value]
    while level and isinstance(level[0], list) and len(shape) < 5:
        lengths = {len(item) if isinstance(item, list) else -1 for item in level}
        if len(lengths) > 1:
            return None
        shape += lengths
        level = list(chain.from_iterable(level))
    return shape, level


def _read_images(name: str, value: Any, size: int) -> np.ndarray:
    found = _flatten(value)
    if found is None or not found[0] or not set(map(type, found[1])) <= {int, float}:
        raise TwoFaceError(f"inputs.{name}: not an array of numbers of shape [N, {size}, {size}, 3]")
    shape, values = found
    if shape[1:] != [size, size, 3]:
        raise TwoFaceError(f"inputs.{name}: shape {shape} is not [N, {size}, {size}, 3]")
    if shape[0] > MAX_BATCH:
        raise TwoFaceError(f"inputs.{name}: {shape[0]} pictures; a request takes 1 to {MAX_BATCH}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        images = np.array(values, np.float32).reshape(shape)
    if not (images.min() >= 0 and images.max() <= 1):
        raise TwoFaceError(f"inputs.{name}: values must lie in [0, 1]; divide 0..255 by 255")
    return images


def parse_request(body: bytes, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The masked images and references of a request: float32 (N, size, size, 3) in [0, 1] each.

    Raises:
        TwoFaceError: names the field that is wrong.
    """
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise TwoFaceError(f"the body is not JSON: {error}") from None
    if not isinstance(request, dict) or set(request) - {"inputs", "signature_name"} or "inputs" not in request:
        raise TwoFaceError(WANTED)
    inputs = request["inputs"]
    if not isinstance(inputs, dict) or set(inputs) != set(IMAGES):
        found = _short.repr(sorted(inputs)) if isinstance(inputs, dict) else type(inputs).__name__
        raise TwoFaceError(f"inputs must hold just {' and '.join(IMAGES)}, found {found}")
    masked, reference = (_read_images(name, inputs[name], size) for name in IMAGES)
    if len(masked) != len(reference):
        raise TwoFaceError(f"inputs: {len(masked)} masked images but {len(reference)} references")
    return masked, reference


def write_answer(filled: np.ndarray) -> bytes:
    """``{"outputs": [N, size, size, 3]}``."""
    return orjson.dumps({"outputs": np.ascontiguousarray(filled)}, option=orjson.OPT_SERIALIZE_NUMPY)
