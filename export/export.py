"""``export(...)``: checkpoint to a version's folder of ONNX files, checked against torch before it gets its name."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from twoface_pl import __version__
from twoface_pl.errors import TwoFaceError
from twoface_pl.export.graph import AnySizeGraph, ExportGraph, export_graph
from twoface_pl.export.half import rename_inputs, round_weights, store_half
from twoface_pl.export.trace import trace
from twoface_pl.export.triton import triton_config
from twoface_pl.export.write import open_unlogged, save_model, write_repair
from twoface_pl.faces.detector import FILE as DETECTOR_FILE
from twoface_pl.faces.files import write_folder_atomically, write_text
from twoface_pl.masks import CenterSquare, build_mask_policy
from twoface_pl.model_file import (
    DETECTOR,
    FILES,
    FORMATS,
    GENERATOR,
    LARGEST_SIZE,
    MOST_REFERENCES,
    REPAIR,
    SIZE_STEP,
    WEIGHTS_PREFIX,
    is_version,
    read_facts,
    read_model,
)
from twoface_pl.model_signature import GENERATOR_INPUTS, signature
from twoface_pl.networks.checkpoint import TrainedGenerator, architecture
from twoface_pl.networks.weights import check_weights

PARITY_BATCHES = (1, 2, 5)
PARITY_REFERENCES = (1, 2, 3)
PARITY_LIMIT = 1e-3
TONE = (1.0, 0.9, 0.7)  # sepia
TRACED_BATCH = 2  # a batch of 1 would be frozen into the graph
TRACED_REFERENCES = 3  # not the batch's number, which would make the two one


@dataclass(frozen=True)
class ExportResult:
    """Where the files are and how far the generator is from torch."""

    folder: Path
    parity: dict[tuple[int, int], float]  # largest absolute difference, by batch size and number of references
    metadata: dict[str, str]

    @property
    def path(self) -> Path:
        """The generator's file."""
        return self.folder / FILES[GENERATOR]


def _default_mask(trained: TrainedGenerator) -> dict[str, object]:
    """The hole for requests that carry none: the trained one if it is always the same, else a centre square."""
    if trained.mask.get("name") == CenterSquare.name:  # not by building it: a folder of masks may be elsewhere
        return trained.mask
    return {"name": "center", "size": trained.image_size // 4}


def _metadata(
    trained: TrainedGenerator, graph: ExportGraph, half: bool, figures: Sequence[dict[str, Any]]
) -> dict[str, str]:
    only = trained.generator.only_hole
    return {
        "format": FORMATS[GENERATOR],
        "version": __version__,
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        "image_size": str(trained.image_size),
        "largest_size": str(LARGEST_SIZE if isinstance(graph, AnySizeGraph) else trained.image_size),
        "frame": json.dumps(trained.frame.options()),
        "default_mask": json.dumps(_default_mask(trained)),
        "mask": json.dumps(trained.mask),
        "mask_polarity": "1 = hole",
        "only_default_mask": json.dumps(only is not None),
        "references": str(trained.generator.only_references or "any"),
        "image_range": "float32 RGB in [0, 1]",
        "architecture": json.dumps(architecture(trained.options)),
        "run": trained.run,
        "batches": str(trained.batches),
        "seconds": str(round(trained.seconds)),
        "stored": "float16" if half else "float32",
        "figures": json.dumps(figures),
    }


def _example(trained: TrainedGenerator, batch: int, references: int, size: int) -> tuple[torch.Tensor, ...]:
    """Real-valued pictures, the first in one tone, a hole and references."""
    source = torch.Generator().manual_seed(batch)
    image = torch.rand(batch, size, size, 3, generator=source)
    image[0] = (0.9 * torch.linspace(0, 1, size)[:, None] + 0.1 * image[0, ..., 0])[..., None] * torch.tensor(TONE)
    others = torch.rand(batch, references, size, size, 3, generator=source)
    hole = build_mask_policy(_default_mask(trained)).draw(np.random.default_rng(0), trained.image_size)
    mask = torch.zeros(batch, size, size, 1)
    mask[:, : len(hole), : len(hole)] = torch.from_numpy(hole).float()[:, :, None]
    return image, mask, others


def _keep_weights(model: onnx.ModelProto, graph: ExportGraph) -> None:
    """Have every weight among the initialisers, by its name, so that a training can start from the file.

    The exporter folds some into constants, and batch norm into the convolution before it, under that one's name.
    """
    there = {tensor.name: tensor for tensor in model.graph.initializer}
    new_names = {}
    for name, weight in graph.generator.state_dict(prefix=WEIGHTS_PREFIX).items():
        found = there.get(name)
        if found is not None and not np.array_equal(onnx.numpy_helper.to_array(found), weight.numpy()):
            found.name = new_names[name] = f"folded.{name}"
            found = None
        if found is None:
            model.graph.initializer.append(onnx.numpy_helper.from_array(weight.numpy(), name))
    rename_inputs(model, new_names)


def _write_graph(
    graph: ExportGraph, trained: TrainedGenerator, path: Path, metadata: dict[str, str], half: bool
) -> None:
    batch = torch.export.Dim("batch", min=1, max=1024)
    only = trained.generator.only_references
    of_references = {0: batch} if only else {0: batch, 1: torch.export.Dim("references", min=1, max=MOST_REFERENCES)}
    of_picture: dict[int, Any] = {0: batch}
    if isinstance(graph, AnySizeGraph):
        least, most = trained.image_size // SIZE_STEP, LARGEST_SIZE // SIZE_STEP
        side = SIZE_STEP * torch.export.Dim("steps", min=least, max=most)
        of_picture |= {1: side, 2: side}
        of_references |= {2: side, 3: side}
    example = _example(trained, TRACED_BATCH, only or TRACED_REFERENCES, graph.sizes[-1])
    model = trace(graph, example, GENERATOR_INPUTS, graph.outputs, (of_picture, dict(of_picture), of_references), path)
    _keep_weights(model, graph)
    if half:
        store_half(model)
    save_model(model, path, metadata, signature(GENERATOR, read_facts(metadata, str(path))))


def check_parity(path: Path, graph: ExportGraph, trained: TrainedGenerator) -> dict[tuple[int, int], float]:
    """The largest absolute difference between onnxruntime and torch at any size, by batch and number of references.

    Raises:
        TwoFaceError: one is above the limit.
    """
    session = open_unlogged(path.read_bytes())
    only = trained.generator.only_references
    parity: dict[tuple[int, int], float] = {}
    several = (only,) if only else PARITY_REFERENCES
    for batch, references, size in itertools.product(PARITY_BATCHES, several, graph.sizes):
        inputs = _example(trained, batch, references, size)
        with torch.inference_mode():
            expected = graph(*inputs)
        feeds = {name: tensor.numpy() for name, tensor in zip(GENERATOR_INPUTS, inputs, strict=True)}
        found = session.run(graph.outputs, feeds)
        pairs = zip(found, expected, strict=True)
        difference = max(float(np.abs(here - there.numpy()).max()) for here, there in pairs)
        if not difference <= PARITY_LIMIT:
            raise TwoFaceError(
                f"the ONNX graph differs from torch by {difference:.2e} at batch {batch} with {references} "
                f"reference(s) of {size} px, more than {PARITY_LIMIT:.0e}; nothing was written"
            )
        parity[batch, references] = max(difference, parity.get((batch, references), 0.0))
    return parity


def next_version(folder: Path) -> Path:
    """``<folder>/<n>`` with the next free number, counted from 1."""
    there = folder.iterdir() if os.path.isdir(folder) else ()  # unlike Path's, false for a name that is too long
    numbers = [int(path.name) for path in there if is_version(path.name)]
    return folder / str(max(numbers, default=0) + 1)


def export(
    trained: TrainedGenerator,
    output: Path,
    half: bool = False,
    figures: Sequence[dict[str, Any]] = (),
    licence: str = "",
) -> ExportResult:
    """Write a generator as ONNX, alone and as a whole repair, and the face detector beside them.

    Args:
        trained: from :func:`load_generator`.
        output: a folder, which gets the next numbered version.
        half: store the weights in half precision; ``trained``'s are rounded, and all is computed in float32.
        figures: what was measured of it, plain containers for the metadata.
        licence: under which its weights may be used; "": the files do not say.

    Raises:
        TwoFaceError: the output is a file, weights that are not finite, or a graph differs from torch; then nothing
            is written.
    """
    if output.suffix == ".onnx" or (os.path.lexists(output) and not os.path.isdir(output)):
        raise TwoFaceError(f"output {output}: give a folder, it gets the next numbered version with its files")
    generator = trained.generator.cpu().float()
    check_weights(generator.state_dict(), trained.run)
    if half:
        round_weights(generator)
        check_weights(generator.state_dict(), f"{trained.run} in half precision")
    graph = export_graph(generator, trained.image_size).eval()
    metadata = _metadata(trained, graph, half, figures)
    if licence:
        metadata["licence"] = licence
    facts = read_facts(metadata, f"export of {trained.run}")  # what is written can be read
    parity: dict[tuple[int, int], float] = {}

    def write(folder: Path) -> None:
        path = folder / FILES[GENERATOR]
        _write_graph(graph, trained, path, metadata, half)
        read_model(path)
        parity.update(check_parity(path, graph, trained))
        write_repair(path, folder / FILES[REPAIR])
        shutil.copyfile(DETECTOR_FILE, folder / FILES[DETECTOR])

    version = next_version(output)
    write_folder_atomically(version, write)
    configuration = output / "config.pbtxt"
    if not os.path.lexists(configuration):
        write_text(configuration, triton_config(output.resolve().name, GENERATOR, signature(GENERATOR, facts)))
    return ExportResult(version, parity, metadata)
