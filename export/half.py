"""Weights stored in half precision: half the file, the same computation."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper
from torch import nn

SMALLEST = 1024  # values; smaller tensors are left as they are


def round_weights(network: nn.Module) -> None:
    """Round a network's weights to what half precision can hold; they stay float32."""
    for weight in network.parameters():
        weight.data.copy_(weight.data.half().float())


def rename_inputs(model: onnx.ModelProto, names: dict[str, str]) -> None:
    """Let every node that reads one of the names read its new one."""
    for node in model.graph.node:
        for place, used in enumerate(node.input):
            if used in names:
                node.input[place] = names[used]


def store_half(model: onnx.ModelProto) -> None:
    """Store large float32 initialisers in float16, each with a cast back, which a runtime does once at load.

    Only those whose values float16 holds exactly: the graph computes what it did before. So round the weights
    first (:func:`round_weights`).
    """
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST:
            continue
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if np.array_equal(half.astype(np.float32), values):
            casts.append(
                onnx.helper.make_node("Cast", [tensor.name], [f"{tensor.name}.float32"], to=onnx.TensorProto.FLOAT)
            )
            tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    rename_inputs(model, {cast.input[0]: cast.output[0] for cast in casts})
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def round_initializers(model: onnx.ModelProto, prefix: str) -> None:
    """Round the float32 initialisers whose names hold a prefix to what half precision can hold."""
    for tensor in model.graph.initializer:
        if prefix in tensor.name and tensor.data_type == onnx.TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def widen(model: onnx.ModelProto) -> None:
    """What :func:`store_half` did, undone: every weight in float32."""
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in stored]
    for tensor in stored.values():
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    rename_inputs(model, {cast.output[0]: cast.input[0] for cast in casts})
    for cast in casts:
        graph.node.remove(cast)
