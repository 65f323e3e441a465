"""facenet-pytorch's MTCNN as one ONNX graph: how the face detector's file was made.

make export-detector
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from onnxscript import OpBuilder
from torch import Tensor, nn

from twoface_pl import __version__
from twoface_pl.export.building import (
    building,
    constant,
    inputs_of,
    length,
    shape_of,
    steps,
    to_float,
    to_model,
    to_whole,
)
from twoface_pl.export.cascade import CELL, PYRAMID_STEP, SMALLEST_FACE, areas_of, cascade
from twoface_pl.export.trace import trace
from twoface_pl.export.write import save_model
from twoface_pl.faces.detector import FILE, LONGEST_SIDE
from twoface_pl.faces.files import write_atomically
from twoface_pl.model_file import DETECTOR, FORMATS
from twoface_pl.model_signature import DETECTOR_INPUTS, DETECTOR_OUTPUTS, signature

SOURCE = "facenet-pytorch 2.5.3 (MIT), after MTCNN by Zhang et al. 2016"
LICENCE = "MIT (facenet-pytorch, copyright 2019 Timothy Esler)"
MOST_SAMPLES = 4  # a pixel's side, of a photo that is shrunk
SURE_TURNED = 0.99  # confidence that a face of another direction must have


class _Detector(nn.Module):
    """One network with its preprocessing: (N, H, W, 3) in 0..255, and only the face's probability."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        *others, probability = self.network((pixels.permute(0, 3, 1, 2) - 127.5) * 0.0078125)
        return (*others, probability[:, 1])


def _trace(network: nn.Module, side: int | None, outputs: list[str], path: Path) -> onnx.ModelProto:
    # P-Net takes one picture of any size; the others any number of small ones.
    example = torch.zeros(2, side, side, 3) if side else torch.zeros(1, 40, 50, 3)
    dynamic = {0: torch.export.Dim("batch")} if side else {1: torch.export.Dim("height"), 2: torch.export.Dim("width")}
    return trace(_Detector(network).eval(), (example,), ["pixels"], outputs, (dynamic,), path)


def trace_networks(path: Path) -> tuple[onnx.ModelProto, ...]:
    """P-Net, R-Net and O-Net; ``path`` is of a temporary file."""
    return (
        _trace(PNet(), None, ["regression", "face"], path),
        _trace(RNet(), 24, ["regression", "face"], path),
        _trace(ONet(), 48, ["regression", "landmarks", "face"], path),
    )


def _side(op: OpBuilder, side: ir.Value, scale: ir.Value) -> ir.Value:
    return op.Max(to_whole(op, op.Round(to_float(op, side) * scale)), 1)


def _rows(op: OpBuilder, lines: ir.Value, wanted: ir.Value) -> ir.Value:
    """Lines (L, K) as so many: each the mean of a few of those that it stands for; float."""
    count = length(op, lines, 0)
    samples = op.Min((count + wanted - 1) / wanted, MOST_SAMPLES)  # whole numbers
    places = (steps(op, wanted * samples) + 0.5) * (to_float(op, count) / to_float(op, wanted * samples))
    places = op.Min(to_whole(op, op.Floor(places)), count - 1)
    chosen = to_float(op, op.Gather(lines, places, axis=0))
    weights = op.Expand(1.0 / to_float(op, samples), shape_of(op, 1, samples))
    return op.Squeeze(op.MatMul(weights, op.Reshape(chosen, shape_of(op, wanted, samples, -1))), [1])


def _shrunk(op: OpBuilder, photo: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """A photo no larger than it is searched at: whole levels, float (height * width, 3); and these."""
    sides = [length(op, photo, axis) for axis in (0, 1)]
    scale = op.Min(float(LONGEST_SIDE) / to_float(op, op.Max(*sides)), 1.0)
    height, width = (_side(op, side, scale) for side in sides)
    lines = _rows(op, op.Reshape(photo, shape_of(op, sides[0], sides[1] * 3)), height)
    columns = op.Transpose(op.Reshape(lines, shape_of(op, height, sides[1], 3)), perm=[1, 0, 2])
    columns = _rows(op, op.Reshape(columns, shape_of(op, sides[1], height * 3)), width)
    picture = op.Transpose(op.Reshape(columns, shape_of(op, width, height, 3)), perm=[1, 0, 2])
    return op.Reshape(op.Round(picture), shape_of(op, height * width, 3)), height, width


def _choice(op: OpBuilder, number: ir.Value, *values: ir.Value) -> ir.Value:
    """The value of that number."""
    return op.Gather(op.Concat(*(op.Reshape(value, [1]) for value in values), axis=0), number, axis=0)


def _turned(op: OpBuilder, pixels: ir.Value, height: ir.Value, width: ir.Value, turns: ir.Value) -> ir.Value:
    """A picture turned anticlockwise by right angles: float (H, W, 3)."""
    one, last = constant(op, np.array(1)), height * width - 1
    down = _choice(op, turns, width, op.Neg(one), op.Neg(width), one)
    along = _choice(op, turns, one, width, op.Neg(one), op.Neg(width))
    first = _choice(op, turns, constant(op, np.array(0)), width - 1, last, last - width + 1)
    rows, columns = (_choice(op, turns, *pair) for pair in ((height, width) * 2, (width, height) * 2))
    places = op.Unsqueeze(op.Range(0, rows, 1) * down + first, [1]) + op.Unsqueeze(op.Range(0, columns, 1) * along, [0])
    return op.Gather(pixels, places, axis=0)


def _turned_back(op: OpBuilder, points: ir.Value, height: ir.Value, width: ir.Value, turns: ir.Value) -> ir.Value:
    """Points (N, K, 2) of the turned picture in the picture itself, float sides."""
    x, y = (op.Gather(points, axis, axis=2) for axis in (0, 1))
    there = [
        op.Concat(*(op.Unsqueeze(op.Unsqueeze(each, [2]), [0]) for each in pair), axis=3)
        for pair in ((x, y), (width - y, x), (width - x, height - y), (y, height - x))
    ]
    return op.Gather(op.Concat(*there, axis=0), turns, axis=0)


def _upright(op: OpBuilder, landmarks: ir.Value) -> ir.Value:
    """Bool (N,): whose eyes and mouth lie level, or lean by less than half a right angle."""
    points = [op.Gather(landmarks, number, axis=1) for number in (0, 1, 3, 4)]
    across = points[1] - points[0] + points[3] - points[2]
    x, y = (op.Gather(across, axis, axis=1) for axis in (0, 1))
    return op.LessOrEqual(op.Abs(y), x)


def detector_graph(networks: tuple[onnx.ModelProto, ...]) -> onnx.ModelProto:
    """The graph of the detector.

    Its inputs: ``photo``, uint8 RGB (H, W, 3), of any size; ``quarter_turns``, int64, 0 to 3: by how many right angles
    faces are turned clockwise that are looked for. Its outputs, of N faces, the surest first, in the photo's pixels:
    ``boxes``, float32 (N, 4), x, y, width and height, from the brow to the chin; ``landmarks``, float32 (N, 5, 2), x
    and y of eyes, nose and corners of the mouth, the picture's left side first; ``confidences``, float32 (N,).
    """
    levels = int(np.floor(np.log(CELL / (LONGEST_SIDE * CELL / SMALLEST_FACE)) / np.log(PYRAMID_STEP))) + 1
    with building("detector") as op:
        photo, turns = inputs_of(op, DETECTOR_INPUTS)
        pixels, height, width = _shrunk(op, photo)
        found, points = cascade(op, networks, areas_of(op, _turned(op, pixels, height, width, turns)), levels)
        sure = op.And(op.GreaterOrEqual(found.scores, SURE_TURNED), _upright(op, points))
        wanted = op.Squeeze(op.NonZero(op.Or(sure, op.Equal(turns, 0))), [0])
        boxes, scores, points = (op.Gather(each, wanted, axis=0) for each in (*found, points))
        corners = op.Concat(op.Reshape(boxes, shape_of(op, -1, 2, 2)), points, axis=1)
        sides = to_float(op, height), to_float(op, width)
        corners = _turned_back(op, corners, *sides, turns)
        own = [to_float(op, length(op, photo, axis)) for axis in (1, 0)]
        scale = op.Concat(*(op.Reshape(value, [1]) for value in (own[0] / sides[1], own[1] / sides[0])), axis=0)
        corners = corners * scale
        ends = op.Slice(corners, [0], [2], [1])
        low = op.ReduceMin(ends, [1], keepdims=0)
        boxes = op.Concat(low, op.ReduceMax(ends, [1], keepdims=0) - low, axis=1)
        return to_model(op, DETECTOR_OUTPUTS, [boxes, op.Slice(corners, [2], [7], [1]), scores])


def export_detector(path: Path = FILE) -> None:
    """Write the detector's file."""

    def write(temporary: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            graph = detector_graph(trace_networks(Path(folder) / "network.onnx"))
        metadata = {"format": FORMATS[DETECTOR], "version": __version__, "source": SOURCE, "licence": LICENCE}
        save_model(graph, temporary, metadata, signature(DETECTOR))

    write_atomically(path, write)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=FILE, help="the ONNX file (%(default)s)")
    given = parser.parse_args()
    export_detector(given.output)
    print(f"{given.output} ({given.output.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
