"""Triton's and KServe's ``config.pbtxt`` for an exported file."""

from __future__ import annotations

from twoface_pl.model_file import GENERATOR
from twoface_pl.model_signature import Signature, Value, Values

TYPES = {"float32": "TYPE_FP32", "uint8": "TYPE_UINT8", "int64": "TYPE_INT64"}
MOST_BATCHED = 16  # requests
PATIENCE = 2000  # microseconds that a request waits for others


def _dims(value: Value, batched: bool) -> str:
    return ", ".join(str(side) if isinstance(side, int) else "-1" for side in value.shape[int(batched) :])


def _entries(values: Values, batched: bool) -> str:
    lines = (
        f'  {{ name: "{name}" data_type: {TYPES[value.type]} dims: [ {_dims(value, batched)} ] }}'
        for name, value in values.items()
    )
    return "[\n" + ",\n".join(lines) + "\n]"


def triton_config(name: str, kind: str, values: Signature) -> str:
    """A model's configuration: batches of requests where a file takes them, as a generator does.

    Args:
        name: of the model, and of its folder.
        kind: of the file, one of ``FILES``.
        values: what it takes and gives.
    """
    batched = kind == GENERATOR
    lines = [
        f'name: "{name}"',
        'backend: "onnxruntime"',
        f"max_batch_size: {MOST_BATCHED if batched else 0}",
        f"input {_entries(values.inputs, batched)}",
        f"output {_entries(values.outputs, batched)}",
    ]
    if batched:
        lines.append(f"dynamic_batching {{ max_queue_delay_microseconds: {PATIENCE} }}")
    return "\n".join(lines) + "\n"
