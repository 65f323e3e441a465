"""Model files that were changed, or made by hand: with a checksum that is right, as a forger would."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from twoface_pl.faces.onnx_file import graph_checksum
from twoface_pl.model_file import CHECKSUM


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def sealed(model: onnx.ModelProto, **changes: str | None) -> onnx.ModelProto:
    """The model with some metadata changed (None: left out) and, unless given, the checksum of its graph."""
    metadata = metadata_of(model)
    del model.metadata_props[:]
    found = {**metadata, CHECKSUM: graph_checksum(model.SerializeToString()), **changes}
    helper.set_model_props(model, {key: value for key, value in found.items() if value is not None})
    return model


def by_hand(
    nodes: Sequence[onnx.NodeProto],
    metadata: dict[str, str],
    constants: dict[str, np.ndarray] | None = None,
    size: int = 64,
    **shapes: list[object],
) -> onnx.ModelProto:
    """A model of one size, a generator's inputs and output, and any nodes between them; ``shapes`` are of inputs."""
    inputs = {
        "masked_image": ["n", size, size, 3],
        "mask": ["n", size, size, 1],
        "reference_images": ["n", "r", size, size, 3],
        **shapes,
    }
    *values, output = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in {**inputs, "filled_image": ["n", size, size, 3]}.items()
    )
    weights = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "by hand", values, [output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {**metadata, "largest_size": metadata["image_size"]})
    return sealed(model)
