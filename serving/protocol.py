"""The 2018 request and answer: TensorFlow Serving's REST API, columnar format."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from twoface_pl.errors import TwoFaceError

IMAGES = ("masked_image", "reference_image")
MAX_BATCH = 32


def _read_images(name: str, value: Any, size: int) -> np.ndarray:
    try:
        images = np.asarray(value, np.float32)
    except (TypeError, ValueError):
        raise TwoFaceError(f"inputs.{name}: not an array of numbers of shape [N, {size}, {size}, 3]") from None
    if images.ndim != 4 or images.shape[1:] != (size, size, 3):
        raise TwoFaceError(f"inputs.{name}: shape {list(images.shape)} is not [N, {size}, {size}, 3]")
    if not 1 <= len(images) <= MAX_BATCH:
        raise TwoFaceError(f"inputs.{name}: {len(images)} pictures; a request takes 1 to {MAX_BATCH}")
    if not np.isfinite(images).all() or images.min() < 0 or images.max() > 1:
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
        raise TwoFaceError('the body must be {"inputs": {"masked_image": ..., "reference_image": ...}}')
    inputs = request["inputs"]
    if not isinstance(inputs, dict) or set(inputs) != set(IMAGES):
        found = sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__
        raise TwoFaceError(f"inputs must hold just {' and '.join(IMAGES)}, found {found}")
    masked, reference = (_read_images(name, inputs[name], size) for name in IMAGES)
    if len(masked) != len(reference):
        raise TwoFaceError(f"inputs: {len(masked)} masked images but {len(reference)} references")
    return masked, reference


def write_answer(filled: np.ndarray) -> bytes:
    """``{"outputs": [N, size, size, 3]}``."""
    return orjson.dumps({"outputs": np.ascontiguousarray(filled)}, option=orjson.OPT_SERIALIZE_NUMPY)
