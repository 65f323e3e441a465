"""``export(...)``: checkpoint to ONNX, checked against torch before it gets its name."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from twoface_pl import __version__
from twoface_pl.errors import TwoFaceError
from twoface_pl.export.graph import ExportGraph
from twoface_pl.faces.files import write_atomically
from twoface_pl.masks import build_mask_policy
from twoface_pl.model_file import FORMAT, INPUTS, OUTPUT
from twoface_pl.networks.checkpoint import TrainedGenerator

PARITY_BATCHES = (1, 2, 5)
PARITY_LIMIT = 1e-3
TRACED_BATCH = 2  # a batch of 1 would be frozen into the graph
OPSET = 18


@dataclass(frozen=True)
class ExportResult:
    """Where the file is and how far it is from torch."""

    path: Path
    parity: dict[int, float]  # largest absolute difference, by batch size
    metadata: dict[str, str]


def _default_mask(trained: TrainedGenerator) -> dict[str, object]:
    """The hole for requests that carry none: the trained one if it is always the same, else a centre square."""
    if build_mask_policy(trained.mask).fixed:
        return trained.mask
    return {"name": "center", "size": trained.image_size // 4}


def _metadata(trained: TrainedGenerator) -> dict[str, str]:
    only = trained.generator.only_hole
    return {
        "format": FORMAT,
        "version": __version__,
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        "image_size": str(trained.image_size),
        "frame": json.dumps(trained.frame.options()),
        "default_mask": json.dumps(_default_mask(trained)),
        "mask_polarity": "1 = hole",
        "only_default_mask": json.dumps(only is not None),
        "image_range": "float32 RGB in [0, 1]",
        "architecture": json.dumps({key: value for key, value in trained.options.items() if key != "vgg_weights"}),
        "run": trained.run,
        "batches": str(trained.batches),
    }


def _example(trained: TrainedGenerator, batch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Real-valued pictures, the default hole and a reference."""
    source = torch.Generator().manual_seed(batch)
    size = trained.image_size
    image, reference = (torch.rand(batch, size, size, 3, generator=source) for _ in range(2))
    hole = build_mask_policy(_default_mask(trained)).draw(np.random.default_rng(0), size)
    mask = torch.from_numpy(hole).float()[None, :, :, None].repeat(batch, 1, 1, 1)
    return image, mask, reference


def _write_graph(graph: ExportGraph, trained: TrainedGenerator, path: Path, metadata: dict[str, str]) -> None:
    batch = torch.export.Dim("batch", min=1, max=1024)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            _example(trained, TRACED_BATCH),
            path,
            input_names=INPUTS,
            output_names=[OUTPUT],
            dynamic_shapes=tuple({0: batch} for _ in INPUTS),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def check_parity(path: Path, graph: ExportGraph, trained: TrainedGenerator) -> dict[int, float]:
    """The largest absolute difference between onnxruntime and torch, by batch size.

    Raises:
        TwoFaceError: one is above the limit.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    parity = {}
    for batch in PARITY_BATCHES:
        inputs = _example(trained, batch)
        with torch.inference_mode():
            expected = graph(*inputs).numpy()
        feeds = {name: tensor.numpy() for name, tensor in zip(INPUTS, inputs, strict=True)}
        (found,) = session.run([OUTPUT], feeds)
        parity[batch] = float(np.abs(found - expected).max())
        if not parity[batch] <= PARITY_LIMIT:
            raise TwoFaceError(
                f"the ONNX graph differs from torch by {parity[batch]:.2e} at batch {batch}, more than "
                f"{PARITY_LIMIT:.0e}; nothing was written"
            )
    return parity


def next_version(folder: Path) -> Path:
    """``<folder>/<n>/model.onnx`` with the next free number, counted from 1."""
    numbers = [int(path.name) for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []
    return folder / str(max(numbers, default=0) + 1) / "model.onnx"


def export(trained: TrainedGenerator, output: Path) -> ExportResult:
    """Write a generator as ONNX.

    Args:
        trained: from :func:`load_generator`.
        output: a file ending in ``.onnx`` that does not exist, or a folder that gets a numbered version.

    Raises:
        TwoFaceError: the file exists, or the graph differs from torch; then nothing is written.
    """
    path = output if output.suffix == ".onnx" else next_version(output)
    if path.exists():
        raise TwoFaceError(f"{path} exists and is kept; give another output, or a folder for numbered versions")
    graph = ExportGraph(trained.generator.cpu().float()).eval()
    metadata = _metadata(trained)
    parity: dict[int, float] = {}
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):  # each tells every step it takes
        logging.getLogger(name).setLevel(logging.ERROR)

    def write(temporary: Path) -> None:
        _write_graph(graph, trained, temporary, metadata)
        parity.update(check_parity(temporary, graph, trained))

    write_atomically(path, write)
    return ExportResult(path, parity, metadata)
