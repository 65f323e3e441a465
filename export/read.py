"""An exported file back into a generator, so that a training can start from it and the judge can see it."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from twoface_pl.errors import TwoFaceError, require
from twoface_pl.faces.reading import first_line
from twoface_pl.model_file import INT8, WEIGHTS_PREFIX, read_model
from twoface_pl.networks.checkpoint import TrainedGenerator, generator_with

TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT64)  # of weights and of counters


def _weights(content: bytes, name: str) -> dict[str, Tensor]:
    """The generator's weights among a file's initialisers, by their names in the generator."""
    try:
        graph = onnx.load_model_from_string(content).graph
        return {
            tensor.name.removeprefix(WEIGHTS_PREFIX): torch.from_numpy(numpy_helper.to_array(tensor).copy())
            for tensor in graph.initializer
            if tensor.name.startswith(WEIGHTS_PREFIX) and tensor.data_type in TYPES
        }
    except Exception as error:  # protobuf's parser raises classes of its own; lengths may not fit shapes
        raise TwoFaceError(f"{name}: not an ONNX file ({first_line(error, 100)})") from None


def load_exported(path: Path) -> TrainedGenerator:
    """The generator of an exported file, from its initialisers; stored in half precision or not.

    Raises:
        TwoFaceError: as :func:`read_model`, or weights that are not finite or of another generator.
    """
    model = read_model(path)
    facts = model.facts
    require(
        model.metadata.get("stored") != INT8,
        f"{path}: stored in int8, which no training can start from; give the file that it was made of",
    )
    other = (
        f"{path}: an export of version {model.metadata.get('version')} with other weights than this version's "
        "generator has; export its checkpoint again, or train anew"
    )
    return TrainedGenerator(
        generator_with(facts.architecture, facts.image_size, _weights(model.content, str(path)), str(path), other),
        facts.architecture,
        facts.image_size,
        facts.frame,
        facts.mask,
        facts.run,
        facts.batches,
        facts.seconds,
        facts.figures,
    )
