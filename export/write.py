"""Exported files: their metadata and checksum, and a repair beside its generator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from twoface_pl.errors import TwoFaceError
from twoface_pl.export.half import rename_inputs
from twoface_pl.export.repair import repair_graph
from twoface_pl.faces.hole import as_levels
from twoface_pl.faces.onnx_file import graph_checksum
from twoface_pl.masks import build_mask_policy
from twoface_pl.model_file import (
    CHECKSUM,
    FORMATS,
    REPAIR,
    ModelFacts,
    read_model,
)
from twoface_pl.model_signature import GENERATOR_INPUTS, OUTPUT, REPAIR_INPUTS, Signature, Values, signature

BLOCKS = 8  # a side, of the picture that a repair is checked with


def _described(values: Values) -> str:
    return json.dumps({name: value._asdict() for name, value in values.items()})


def save_model(model: onnx.ModelProto, path: Path, metadata: dict[str, str], takes_and_gives: Signature) -> None:
    """Write a model with what it is; its checksum is added, and what its inputs and outputs mean."""
    del model.metadata_props[:]
    for what, values in takes_and_gives._asdict().items():
        metadata[what] = _described(values)
    metadata[CHECKSUM] = graph_checksum(model.SerializeToString())
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def open_unlogged(content: bytes) -> onnxruntime.InferenceSession:
    """A session that does not tell each weight which is kept but not used."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _open_in_float(path: Path) -> onnxruntime.InferenceSession:
    """A session without the steps that a graph in int8 rounds to: there an input's last digit, which each graph has of
    its own, may decide about one, and two graphs that are the same would not fill the same."""
    model = onnx.load(path)
    graph = model.graph
    rounded = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    back = {
        node.output[0]: rounded[node.input[0]]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in rounded
    }
    kept = [node for node in graph.node if node.output[0] not in rounded and node.output[0] not in back]
    del graph.node[:]
    graph.node.extend(kept)
    rename_inputs(model, back)
    return open_unlogged(model.SerializeToString())


def write_repair(generator: Path, path: Path) -> None:
    """A whole repair's graph, from a generator's exported file, with the same metadata.

    Raises:
        TwoFaceError: it does not repair a picture as the generator fills it.
    """
    model = read_model(generator)
    graph = repair_graph(onnx.load_model_from_string(model.content), model.facts)
    save_model(graph, path, {**model.metadata, "format": FORMATS[REPAIR]}, signature(REPAIR))
    read_model(path, REPAIR)
    _check_repair(path, generator, model.facts)


def _check_repair(path: Path, generator: Path, facts: ModelFacts) -> None:
    """Hold a repair of a photo that is its own frame, pixel by pixel, against what the generator makes of it."""
    size, count = facts.image_size, facts.references or 1
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (1 + count, BLOCKS, BLOCKS, 3), np.uint8)
    photo, *others = np.kron(coarse, np.ones((1, -(-size // BLOCKS), -(-size // BLOCKS), 1), np.uint8))[:, :size, :size]
    hole = build_mask_policy(facts.default_mask).draw(rng, size)
    landmarks = (size * facts.canonical).astype(np.float32)
    sizes, places = np.full((count, 2), size), np.stack([landmarks] * count)
    given = photo, as_levels(hole), landmarks, np.stack(others), sizes, places
    (repaired,) = _open_in_float(path).run(None, dict(zip(REPAIR_INPUTS, given, strict=True)))

    image, references = photo.astype(np.float32) / 255, np.stack(others).astype(np.float32) / 255
    mask = hole[None, ..., None].astype(np.float32)
    framed = image[None] * (1 - mask), mask, references[None]
    (filled,) = _open_in_float(generator).run([OUTPUT], dict(zip(GENERATOR_INPUTS, framed, strict=True)))
    off = np.abs(np.where(hole[..., None], np.round(filled[0] * 255), photo) - repaired)
    if not off[hole].max() <= 1 or off[~hole].any():
        raise TwoFaceError(
            f"the graph of a repair is up to {off.max():.0f} levels from what the generator fills; nothing was written"
        )
