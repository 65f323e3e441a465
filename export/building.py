"""ONNX graphs written operator by operator, where what is computed depends on the data's sizes.

``torch.export`` wants every size to follow from the inputs' sizes; where it follows from their values (a frame's
side, how many faces there are), a graph is written here. Values know ``+``, ``-``, ``*``, ``/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import onnx
import onnx_ir as ir
from onnxscript import GraphBuilder, OpBuilder

from twoface_pl.export.trace import OPSET
from twoface_pl.model_signature import Values

IR_VERSION = 10


@contextmanager
def building(name: str) -> Iterator[OpBuilder]:
    """Operators of a new graph: ``op.Add(first, second)`` appends one."""
    graph = ir.Graph([], [], nodes=[], opset_imports={"": OPSET}, name=name)
    op = GraphBuilder(graph).op
    before = ir.set_value_magic_handler(op)
    try:
        yield op
    finally:
        ir.set_value_magic_handler(before)


def inputs_of(op: OpBuilder, values: Values) -> list[ir.Value]:
    """The graph's inputs."""
    return [op.builder.input(name, _type(kind), shape) for name, (kind, shape, _) in values.items()]


def _type(name: str) -> ir.DataType:
    return ir.DataType.FLOAT if name == "float32" else ir.DataType[name.upper()]


def to_model(op: OpBuilder, values: Values, outputs: Sequence[ir.Value]) -> onnx.ModelProto:
    """The graph with its outputs as a model."""
    for (name, (kind, shape, _)), value in zip(values.items(), outputs, strict=True):
        value.type, value.shape = ir.TensorType(_type(kind)), ir.Shape(shape)
        op.builder.add_output(value, name)
    model = ir.to_proto(ir.Model(op.builder.graph, ir_version=IR_VERSION))
    for node in model.graph.node:
        del node.metadata_props[:]
    return model


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return first.dtype == second.dtype and np.array_equal(first, second)


def _register(graph: ir.Graph, weight: ir.Value, name: str) -> None:
    """A weight of another graph among this one's: the same one if it is there, under another name if that is taken."""
    while name in graph.initializers:
        there, new = graph.initializers[name].const_value, weight.const_value
        if there is not None and new is not None and _same(there.numpy(), new.numpy()):
            weight.replace_all_uses_with(graph.initializers[name])
            return
        name += "_"
    weight.name = name
    graph.register_initializer(weight)


def _renamed(shape: ir.Shape | None, prefix: str) -> ir.Shape | None:
    """With sides of its own: their names stand for other numbers where a model is spliced in again. To have no shapes
    at all is no way out: onnxruntime opens such a file ten times as slowly."""
    if shape is None:
        return None
    return ir.Shape(
        [side if isinstance(side, int) else None if side.value is None else f"{prefix}{side}" for side in shape]
    )


def splice(op: OpBuilder, model: onnx.ModelProto, feeds: Sequence[ir.Value], prefix: str) -> list[ir.Value]:
    """Another model's nodes and weights, fed with values of this graph; returns its outputs.

    Args:
        op: of the graph that gets them.
        model: left as it is.
        feeds: one for each of its inputs.
        prefix: of its values' names; weights keep theirs.
    """
    graph = ir.from_proto(model).graph
    for theirs, value in zip(graph.inputs, feeds, strict=True):
        theirs.replace_all_uses_with(value)
    for name in list(graph.initializers):
        weight = graph.initializers.pop(name)
        if weight.uses():
            _register(op.builder.graph, weight, name)
    nodes, outputs = list(graph), list(graph.outputs)
    graph.outputs.clear()
    graph.remove(nodes)
    for node in nodes:
        node.name = f"{prefix}{node.name}" if node.name else None
        for value in node.outputs:
            value.name = f"{prefix}{value.name}"
            value.shape = _renamed(value.shape, prefix)
    op.builder.graph.extend(nodes)
    return outputs


def constant(op: OpBuilder, values: np.ndarray) -> ir.Value:
    """An array as part of the graph."""
    return op.initializer(ir.tensor(values, name=f"constant_{len(op.builder.graph.initializers)}"))


def number(op: OpBuilder, value: ir.Value) -> ir.Value:
    """One value as a number, without dimensions."""
    return op.Squeeze(value)


def to_float(op: OpBuilder, value: ir.Value) -> ir.Value:
    return op.Cast(value, to=int(ir.DataType.FLOAT))


def to_whole(op: OpBuilder, value: ir.Value) -> ir.Value:
    return op.Cast(value, to=int(ir.DataType.INT64))


def length(op: OpBuilder, value: ir.Value, axis: int) -> ir.Value:
    """Int64, without dimensions."""
    return number(op, op.Shape(value, start=axis, end=axis + 1))


def steps(op: OpBuilder, count: ir.Value) -> ir.Value:
    """Float (count,): 0, 1, 2, ..."""
    return to_float(op, op.Range(0, count, 1))


def shape_of(op: OpBuilder, *sides: ir.Value | int) -> ir.Value:
    """Int64 (N,) for reshapes, of numbers."""
    parts = [constant(op, np.array([side])) if isinstance(side, int) else op.Reshape(side, [1]) for side in sides]
    return op.Concat(*parts, axis=0)


def pixels_of(
    op: OpBuilder, picture: ir.Value, box: Sequence[ir.Value], axes: tuple[int, int], step: ir.Value | int = 1
) -> ir.Value:
    """A picture's part: top, left, bottom, right as int64 numbers; along rows' and columns' axes."""
    top, left, bottom, right = box
    return op.Slice(picture, shape_of(op, top, left), shape_of(op, bottom, right), list(axes), shape_of(op, step, step))
