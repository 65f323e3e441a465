"""An exported file back into a generator, so that a training can start from it and the judge can see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import FrameKind
from twoface_pl.model_file import FORMAT, WEIGHTS_PREFIX
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.generator import build_generator


def weights_checksum(weights: Mapping[str, Tensor]) -> str:
    """sha256 over the names and float32 values of a generator's weights, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(weights[name].float().numpy(), dtype="<f4").tobytes())
    return digest.hexdigest()


def _open(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise TwoFaceError(f"no model {path}; make one with `twoface export`")
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's parser raises classes of its own
        raise TwoFaceError(f"{path}: not an ONNX file ({str(error).splitlines()[0][:100]})") from None


def _weights(model: onnx.ModelProto) -> dict[str, Tensor]:
    return {
        tensor.name.removeprefix(WEIGHTS_PREFIX): torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in model.graph.initializer
        if tensor.name.startswith(WEIGHTS_PREFIX)
    }


def load_exported(path: Path) -> TrainedGenerator:
    """The generator of an exported file, from its initialisers; stored in half precision or not.

    Raises:
        TwoFaceError: missing, not an export of this project, or weights that are not what was exported.
    """
    model = _open(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if metadata.get("format") != FORMAT:
        raise TwoFaceError(f"{path}: not a Two-Face generator, its format is {metadata.get('format')!r}")
    options = json.loads(metadata["architecture"])
    building = {**options, "vgg_weights": "random"} if options["name"] == "seed" else options
    generator = build_generator(building)
    weights = _weights(model)
    missing = sorted(set(generator.state_dict()) - set(weights))
    if missing or "weights_sha256" not in metadata:
        raise TwoFaceError(f"{path}: an export of an earlier version, without all weights; export its checkpoint again")
    if weights_checksum(weights) != metadata["weights_sha256"]:
        raise TwoFaceError(f"{path}: its weights are not those that were exported; get the file anew")
    generator.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return TrainedGenerator(
        generator.eval().requires_grad_(False),
        options,
        int(metadata["image_size"]),
        FrameKind.build(json.loads(metadata["frame"])),
        json.loads(metadata["mask"]),
        metadata["run"],
        int(metadata["batches"]),
        float(metadata["seconds"]),
    )
