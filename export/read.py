"""An exported file back into a generator, so that a training can start from it and the judge can see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import FrameKind
from twoface_pl.model_file import FORMAT, WEIGHTS_PREFIX
from twoface_pl.networks.checkpoint import TrainedGenerator, build_to_load


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


def _weights(model: onnx.ModelProto, wanted: Iterable[str]) -> dict[str, Tensor]:
    there = {tensor.name.removeprefix(WEIGHTS_PREFIX): tensor for tensor in model.graph.initializer}
    return {name: torch.from_numpy(numpy_helper.to_array(there[name]).copy()) for name in wanted if name in there}


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
    generator = build_to_load(options)
    weights = _weights(model, generator.state_dict())
    if set(weights) != set(generator.state_dict()) or "weights_sha256" not in metadata:
        raise TwoFaceError(
            f"{path}: an export of version {metadata.get('version')} with other weights than this version's generator "
            "has; export its checkpoint again, or train anew"
        )
    if weights_checksum(weights) != metadata["weights_sha256"]:
        raise TwoFaceError(f"{path}: its weights are not those that were exported; get the file anew")
    generator.load_state_dict(weights)  # into float32
    return TrainedGenerator(
        generator.eval().requires_grad_(False),
        options,
        int(metadata["image_size"]),
        FrameKind.build(json.loads(metadata["frame"])),
        json.loads(metadata["mask"]),
        metadata["run"],
        int(metadata["batches"]),
        float(metadata["seconds"]),
        json.loads(metadata["figures"]),
    )
