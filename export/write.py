"""Exported files: their metadata and checksum, and a repair beside its generator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from twoface_pl.errors import TwoFaceError
from twoface_pl.export.repair import repair_graph
from twoface_pl.faces.hole import as_levels
from twoface_pl.faces.onnx_file import graph_checksum
from twoface_pl.masks import build_mask_policy
from twoface_pl.model_file import (
    CHECKSUM,
    FORMATS,
    INT8,
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


def open_unlogged(path: Path) -> onnxruntime.InferenceSession:
    """A session that does not tell each weight which is kept but not used."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def write_repair(generator: Path, path: Path) -> None:
    """A whole repair's graph, from a generator's exported file, with the same metadata.

    Raises:
        TwoFaceError: it does not repair a picture as the generator fills it.
    """
    model = read_model(generator)
    graph = repair_graph(onnx.load_model_from_string(model.content), model.facts, path)
    save_model(graph, path, {**model.metadata, "format": FORMATS[REPAIR]}, signature(REPAIR))
    read_model(path, REPAIR)
    _check_repair(path, generator, model.facts, model.metadata.get("stored") == INT8)


def _check_repair(path: Path, generator: Path, facts: ModelFacts, quantised: bool) -> None:
    """Hold a repair of a photo that is its own frame, pixel by pixel, against what the generator makes of it."""
    size, count = facts.image_size, facts.references or 1
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (1 + count, BLOCKS, BLOCKS, 3), np.uint8)
    photo, *others = np.kron(coarse, np.ones((1, -(-size // BLOCKS), -(-size // BLOCKS), 1), np.uint8))[:, :size, :size]
    hole = build_mask_policy(facts.default_mask).draw(rng, size)
    landmarks = (size * facts.canonical).astype(np.float32)
    sizes, places = np.full((count, 2), size), np.stack([landmarks] * count)
    given = photo, as_levels(hole), landmarks, np.stack(others), sizes, places
    (repaired,) = open_unlogged(path).run(None, dict(zip(REPAIR_INPUTS, given, strict=True)))

    image, references = photo.astype(np.float32) / 255, np.stack(others).astype(np.float32) / 255
    mask = hole[None, ..., None].astype(np.float32)
    framed = image[None] * (1 - mask), mask, references[None]
    (filled,) = open_unlogged(generator).run([OUTPUT], dict(zip(GENERATOR_INPUTS, framed, strict=True)))
    off = np.abs(np.where(hole[..., None], np.round(filled[0] * 255), photo) - repaired)
    # in int8 the last digit of an input may decide about a step, and each of the graphs has its own last digit
    far = off[hole].mean() if quantised else off[hole].max()
    if not far <= 1 or off[~hole].any():
        raise TwoFaceError(
            f"the graph of a repair is up to {off.max():.0f} levels from what the generator fills; nothing was written"
        )
