"""A torch module as an ONNX model, without what the exporter says and notes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

OPSET = 18


def _drop_traces(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes at every node and value: stack traces, with paths of this machine."""
    graph = model.graph
    for noted in (graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del noted.metadata_props[:]


def trace(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    dynamic: tuple[dict[int, Any], ...],
    path: Path,
) -> onnx.ModelProto:
    """Export a module, by way of a file.

    Args:
        module: in evaluation mode.
        example: what it is traced with; a batch of 1 would be frozen into the graph.
        inputs, outputs: their names.
        dynamic: for each input, which of its dimensions may vary.
        path: written by the exporter, to be overwritten.
    """
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):  # each tells every step it takes
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, example, path, input_names=inputs, output_names=outputs, dynamic_shapes=dynamic,
            opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip
    model = onnx.load(path)
    _drop_traces(model)
    return model
