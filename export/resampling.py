"""Pictures resampled by a similarity inside of an ONNX graph, as :mod:`twoface_pl.faces.frame` does it.

What shrinks is averaged, never skipped over: first by a whole factor, the rest by a box as wide as one pixel of the
result, or by several samples for each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx_ir as ir
from onnxscript import OpBuilder

from twoface_pl.export.building import constant, length, pixels_of, shape_of, steps, to_float, to_whole

MOST_SAMPLES = 4.0  # a pixel's side; references that are still larger are sampled more sparsely
WIDEST = 2.0  # pixels that a sample of a photo stands for, in its box
MOST_AVERAGED = 8.0  # of a larger picture's pixels some are left out, so that memory has a bound
NEARLY = 0.1  # by how much more than so many pixels one sample may stand for
SPARE = 1.0  # pixels about a frame
Box = tuple[ir.Value, ir.Value, ir.Value, ir.Value]  # top, left, bottom, right; int64


class Frames(NamedTuple):
    """Squares of B pictures: what takes the unit square to them, ``(x, y) + ((along, -across), (across, along))``."""

    x: ir.Value  # float (B,), pixels
    y: ir.Value
    along: ir.Value
    across: ir.Value

    def side(self, op: OpBuilder) -> ir.Value:
        """Float (B,), pixels."""
        return op.Sqrt(self.along * self.along + self.across * self.across)


class Grid(NamedTuple):
    """Where a source's pixels are sampled: float (B, H, W) each, in pixels of the source."""

    x: ir.Value
    y: ir.Value


def fit_frames(op: OpBuilder, canonical: np.ndarray, landmarks: ir.Value) -> Frames:
    """Frames in which landmarks (B, 5, 2) lie nearest to where they should; see :func:`faces.frame.fit_frame`."""
    middle = canonical.mean(axis=0)
    around = (canonical - middle).astype(np.float32)
    spread = float((around**2).sum())
    found_middle = op.ReduceMean(landmarks, [1], keepdims=1)
    found = landmarks - found_middle
    along = op.ReduceSum(found * constant(op, around), [1, 2], keepdims=0) / spread
    turned = np.column_stack([-around[:, 1], around[:, 0]])  # a quarter turn clockwise, rows grow downwards
    across = op.ReduceSum(found * constant(op, turned.astype(np.float32)), [1, 2], keepdims=0) / spread
    x, y = (op.Gather(op.Squeeze(found_middle, [1]), axis, axis=1) for axis in (0, 1))
    first, second = (float(value) for value in middle)
    return Frames(x - (along * first - across * second), y - (across * first + along * second), along, across)


def _column(op: OpBuilder, value: ir.Value) -> ir.Value:
    """(B,) as (B, 1, 1)."""
    return op.Unsqueeze(value, [1, 2])


def _middles(op: OpBuilder, count: ir.Value, samples: ir.Value) -> ir.Value:
    """Float (count * samples,): the samples' places in pixels."""
    return (steps(op, count * samples) + 0.5) / to_float(op, samples)


def _reflect(op: OpBuilder, places: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
    """Places (B, H, W) mirrored at the bounds (B, 1, 1) until they lie within them."""
    wide = high - low
    away = (places - low) / (wide * 2.0)
    return low + wide - op.Abs((away - op.Floor(away)) * (wide * 2.0) - wide)


def _whole_factor(op: OpBuilder, scale: ir.Value) -> ir.Value:
    """What pictures are shrunk by first that have so many pixels to one of the result, (B,); float."""
    return op.Max(op.Floor(op.ReduceMin(scale, keepdims=0)), 1.0)


def _samples(op: OpBuilder, scale: ir.Value, wide: float) -> ir.Value:
    """How many samples a side stand for a pixel, where each stands for ``wide`` at the most; int64."""
    most = op.ReduceMax(scale, keepdims=0) / wide
    return to_whole(op, op.Clip(op.Ceil(most - NEARLY), 1.0, MOST_SAMPLES))


def _soften(op: OpBuilder, planes: ir.Value, channels: int, wide: ir.Value) -> ir.Value:
    """Means over a box, 1 to 3 pixels wide, about each pixel of planes (B, C, H, W)."""
    beside = (wide - 1.0) * 0.5
    line = op.Concat(*(op.Reshape(value, [1]) for value in (beside, beside * 0.0 + 1.0, beside)), axis=0) / wide
    box = op.Unsqueeze(line, [0]) * op.Unsqueeze(line, [1])
    weights = op.Expand(op.Unsqueeze(box, [0, 1]), constant(op, np.array([channels, 1, 3, 3])))
    padded = op.Pad(planes, constant(op, np.array([0, 0, 1, 1, 0, 0, 1, 1])), mode="edge")
    return op.Conv(padded, weights, group=channels)


def _means(op: OpBuilder, planes: ir.Value, by: ir.Value) -> ir.Value:
    """Float (B, C, H * by, W * by) to (B, C, H, W). As products, which onnxruntime does in a third of the time of its
    means, and in none where ``by`` is 1."""
    batch, channels, height, width = (length(op, planes, axis) for axis in range(4))
    rows, columns, whole = height / by, width / by, to_float(op, by)
    lines = op.Reshape(planes, shape_of(op, batch * channels * rows, by, width))
    lines = op.MatMul(op.Expand(1.0 / whole, shape_of(op, 1, by)), lines)
    means = op.MatMul(op.Reshape(lines, shape_of(op, -1, by)), op.Expand(1.0 / whole, shape_of(op, by, 1)))
    return op.Reshape(means, shape_of(op, batch, channels, rows, columns))


def _sample(op: OpBuilder, planes: ir.Value, at: Grid, samples: ir.Value, mode: str) -> ir.Value:
    """Planes (B, C, H, W) at places, whose ``samples`` a side make one pixel; beyond the edge it is repeated."""
    height, width = (to_float(op, length(op, planes, axis)) for axis in (2, 3))
    grid = op.Concat(
        op.Unsqueeze(at.x * (2.0 / width) - 1.0, [3]), op.Unsqueeze(at.y * (2.0 / height) - 1.0, [3]), axis=3
    )
    return _means(op, op.GridSample(planes, grid, mode=mode, padding_mode="border", align_corners=0), samples)


def _bounds(
    op: OpBuilder, first: ir.Value, turn: ir.Value, other: ir.Value, length_of: ir.Value
) -> tuple[ir.Value, ir.Value]:
    """Along one axis, the whole pixels that frames need of pictures ``length_of`` long: float (B,), first, beyond."""
    low = first + op.Min(turn, 0.0) + op.Min(other, 0.0)
    high = first + op.Max(turn, 0.0) + op.Max(other, 0.0)
    low = op.Max(op.Min(op.Floor(low) - SPARE, length_of - 1.0), 0.0)
    return low, op.Max(op.Min(op.Ceil(high) + SPARE, length_of), low + 1.0)


def _part(op: OpBuilder, picture: ir.Value, box: Box, step: ir.Value, factor: ir.Value) -> ir.Value:
    """Of uint8 (B, H, W, C) every ``step``-th pixel of a box, (B, C, rows, columns), a multiple of ``factor`` each."""
    part = pixels_of(op, picture, box, (1, 2), step)
    sides = [op.Max(length(op, part, axis) / factor, 1) * factor for axis in (1, 2)]
    zero = constant(op, np.array(0))
    return op.Transpose(pixels_of(op, part, (zero, zero, *sides), (1, 2)), perm=[0, 3, 1, 2])


def crop(
    op: OpBuilder, pictures: ir.Value, sizes: ir.Value, frames: Frames, side: ir.Value, masks: ir.Value | None = None
) -> tuple[ir.Value, ...]:
    """What frames hold; over a picture's edge its reflection.

    Args:
        op: of the graph.
        pictures: uint8 (B, H, W, 3), each in the first rows and columns of its own.
        sizes: int64 (B, 2), their heights and widths.
        frames: of B.
        side: int64, of the result.
        masks: uint8 (B, H, W, 1), more than 0 in the hole, where pictures are black whatever they hold.

    Returns:
        Float (B, 3, side, side), in levels; with masks, (B, 1, side, side) too, how much of each pixel is hole.
    """
    height, width = (to_float(op, op.Gather(sizes, axis, axis=1)) for axis in (0, 1))
    left, right = _bounds(op, frames.x, frames.along, op.Neg(frames.across), width)
    top, bottom = _bounds(op, frames.y, frames.across, frames.along, height)
    first_row, first_column = (op.ReduceMin(low, keepdims=0) for low in (top, left))
    last_row, last_column = (op.ReduceMax(high, keepdims=0) for high in (bottom, right))
    box = (
        to_whole(op, first_row), to_whole(op, first_column), to_whole(op, last_row), to_whole(op, last_column)
    )  # fmt: skip
    scale = frames.side(op) / to_float(op, side)
    step = op.Max(op.Floor(op.ReduceMin(scale, keepdims=0) / MOST_AVERAGED), 1.0)
    factor = _whole_factor(op, scale / step)
    rest = scale / (step * factor)
    samples = _samples(op, rest, WIDEST)
    wide = op.Clip(op.ReduceMin(rest, keepdims=0) / to_float(op, samples), 1.0, WIDEST)
    share = _middles(op, side, samples) / to_float(op, side)
    right_of, below = op.Unsqueeze(share, [0, 1]), op.Unsqueeze(share, [0, 2])
    x, y, along, across = (_column(op, value) for value in frames)
    by = factor * step

    def placed(places: ir.Value, low: ir.Value, high: ir.Value, first: ir.Value) -> ir.Value:
        within = _reflect(op, places, _column(op, low), _column(op, high))
        return (op.Min(within, _column(op, high) - by * 0.5) - first) / by

    at = Grid(
        placed(x + along * right_of - across * below, left, right, first_column),
        placed(y + across * right_of + along * below, top, bottom, first_row),
    )
    given = [pictures] if masks is None else [pictures, masks]
    parts = [_part(op, picture, box, to_whole(op, step), to_whole(op, factor)) for picture in given]
    if masks is not None:
        full, none = (constant(op, np.array(level, np.uint8)) for level in (255, 0))
        keep = op.Where(op.Equal(parts[1], none), full, none)
        parts = [op.Min(parts[0], keep), op.Sub(full, keep)]  # in bytes: as numbers they are four times as large
    planes = [_means(op, to_float(op, part), to_whole(op, factor)) for part in parts]
    planes = [_soften(op, part, channels, wide) for part, channels in zip(planes, (3, 1), strict=False)]
    return tuple(_sample(op, part, at, samples, "bilinear") for part in planes)


def paste(op: OpBuilder, planes: ir.Value, frame: Frames, box: Box) -> ir.Value:
    """A square's content in the photo that it is a frame of.

    Args:
        op: of the graph.
        planes: float (1, C, S, S).
        frame: of one picture.
        box: the photo's part; what is beside the frame repeats its edge.

    Returns:
        Float (1, C, bottom - top, right - left).
    """
    top, left, bottom, right = box
    size = length(op, planes, 2)
    scale = to_float(op, size) / frame.side(op)
    factor = to_whole(op, _whole_factor(op, scale))
    samples = _samples(op, scale / to_float(op, factor), 1.0)
    rest = constant(op, np.array(0)), constant(op, np.array(0)), size / factor * factor, size / factor * factor
    planes = _means(op, pixels_of(op, planes, rest, (2, 3)), factor)
    x = _middles(op, right - left, samples) + to_float(op, left)
    y = _middles(op, bottom - top, samples) + to_float(op, top)
    u, v = to_unit(op, frame, op.Unsqueeze(x, [0, 1]), op.Unsqueeze(y, [0, 2]))
    by = to_float(op, size) / to_float(op, factor)
    return _sample(op, planes, Grid(u * by, v * by), samples, "bicubic")


def to_unit(op: OpBuilder, frame: Frames, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Places of a photo as shares of a frame of it."""
    area = frame.along * frame.along + frame.across * frame.across
    along, across = (_column(op, value / area) for value in (frame.along, frame.across))
    x, y = x - _column(op, frame.x), y - _column(op, frame.y)
    return along * x + across * y, along * y - across * x
