"""MTCNN's cascade (Zhang et al. 2016) as operators of one ONNX graph, around its three networks.

As facenet-pytorch runs it: a pyramid, non-maximum suppression, means over any rectangle by an integral image, and
the same thresholds. The pyramid has as many levels as the largest picture needs; those that a smaller one has not find
nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx
import onnx_ir as ir
from onnxscript import OpBuilder

from twoface_pl.export.building import constant, length, shape_of, splice, to_float, to_whole

SMALLEST_FACE = 20  # pixels, on the picture that is searched
CELL = 12  # P-Net's field of view, in pixels
STRIDE = 2  # P-Net's
PYRAMID_STEP = 0.709  # the square root of a half: each level has half the pixels
THRESHOLDS = (0.6, 0.7, 0.7)  # of the three networks' confidence
SIDES = (24, 48)  # pixels that R-Net and O-Net see
OVERLAPS = (0.5, 0.7, 0.7, 0.7)  # of boxes of a level, of all levels, after R-Net, after O-Net
ROUNDS = 16  # of the last suppression, each of which reaches one box farther
MOST_BOXES = 10_000


class Areas(NamedTuple):
    """A picture for means of any of its rectangles: torch's area interpolation, from an integral image."""

    sums: ir.Value  # int32 (height + 1, width + 1, 3)
    height: ir.Value  # int64
    width: ir.Value


class Candidates(NamedTuple):
    """Boxes (N, 4) as left, top, right, bottom; confidences (N,)."""

    boxes: ir.Value
    scores: ir.Value


def areas_of(op: OpBuilder, picture: ir.Value) -> Areas:
    """Of whole levels, float (H, W, 3)."""
    levels = op.Pad(op.Cast(picture, to=int(ir.DataType.INT32)), constant(op, np.array([1, 1, 0, 0, 0, 0])))
    sums = op.CumSum(op.CumSum(levels, constant(op, np.array(0))), constant(op, np.array(1)))
    return Areas(sums, length(op, picture, 0), length(op, picture, 1))


def _cells(op: OpBuilder, first: ir.Value, over: ir.Value, count: ir.Value | int) -> tuple[ir.Value, ir.Value]:
    """Along one axis, the whole pixels of ``count`` equal parts of ``over`` pixels: (..., count), first and beyond."""
    places = op.Range(0, count, 1)
    starts = first + places * over / count  # whole numbers
    return starts, first + ((places + 1) * over + count - 1) / count


def _whole(op: OpBuilder, areas: Areas, rows: ir.Value, columns: ir.Value) -> ir.Value:
    """All of a picture at another size: float (1, rows, columns, 3)."""
    zero = constant(op, np.array(0))
    (y0, y1), (x0, x1) = _cells(op, zero, areas.height, rows), _cells(op, zero, areas.width, columns)
    lines = op.Gather(areas.sums, y1, axis=0) - op.Gather(areas.sums, y0, axis=0)
    total = op.Gather(lines, x1, axis=1) - op.Gather(lines, x0, axis=1)
    area = op.Unsqueeze(y1 - y0, [1]) * op.Unsqueeze(x1 - x0, [0])
    return op.Unsqueeze(to_float(op, total) / to_float(op, op.Unsqueeze(area, [2])), [0])


def _crops(op: OpBuilder, areas: Areas, boxes: ir.Value, side: int) -> ir.Value:
    """Each box (N, 4), of whole pixels, at (side, side): float (N, side, side, 3)."""
    left, top, right, bottom = op.Split(boxes, axis=1, num_outputs=4, _outputs=4)
    (y0, y1), (x0, x1) = _cells(op, top, bottom - top, side), _cells(op, left, right - left, side)
    sums = op.Reshape(areas.sums, shape_of(op, -1, 3))

    def at(rows: ir.Value, columns: ir.Value) -> ir.Value:
        places = op.Unsqueeze(rows, [2]) * (areas.width + 1) + op.Unsqueeze(columns, [1])
        return op.Gather(sums, places, axis=0)

    total = at(y1, x1) - at(y0, x1) - at(y1, x0) + at(y0, x0)
    area = op.Unsqueeze(y1 - y0, [2]) * op.Unsqueeze(x1 - x0, [1])
    return to_float(op, total) / to_float(op, op.Unsqueeze(area, [3]))


def _those(op: OpBuilder, condition: ir.Value) -> ir.Value:
    """Int64 (K,): where a bool (N,) is true."""
    return op.Squeeze(op.NonZero(condition), [0])


def _suppress(op: OpBuilder, found: Candidates, overlap: float) -> ir.Value:
    """Int64 (K,): the ones that non-maximum suppression leaves, the surest first; by intersection over union."""
    most, limit = constant(op, np.array([MOST_BOXES])), constant(op, np.array([overlap], np.float32))
    chosen = op.NonMaxSuppression(op.Unsqueeze(found.boxes, [0]), op.Unsqueeze(found.scores, [0, 1]), most, limit)
    return op.Gather(chosen, 2, axis=1)


def _of_smaller(op: OpBuilder, found: Candidates) -> ir.Value:
    """As MTCNN's last stage has it: overlap is over the smaller box, and a box ends with its last pixel.

    A box stays if no surer one that stays overlaps it. From the surest on, each round settles one more link of such a
    chain.
    """
    scores, order = op.TopK(found.scores, op.Shape(found.scores), _outputs=2)
    boxes = op.Gather(found.boxes, order, axis=0)
    low = op.Max(*(op.Unsqueeze(op.Slice(boxes, [0], [2], [1]), [axis]) for axis in (0, 1)))
    high = op.Min(*(op.Unsqueeze(op.Slice(boxes, [2], [4], [1]), [axis]) for axis in (0, 1)))
    shared = op.ReduceProd(op.Max(high - low + 1.0, 0.0), [2], keepdims=0)
    area = op.ReduceProd(_sides(op, boxes, 1.0), [1], keepdims=0)
    smaller = op.Min(op.Unsqueeze(area, [0]), op.Unsqueeze(area, [1]))
    overlaps = to_float(op, op.Greater(shared / smaller, OVERLAPS[3]))
    surer = op.Trilu(overlaps, upper=0) - op.Trilu(op.Trilu(overlaps, upper=0), upper=1)  # without the box itself
    stays = scores * 0.0 + 1.0
    for _ in range(ROUNDS):
        stays = to_float(op, op.Less(op.ReduceMax(surer * op.Unsqueeze(stays, [0]), [1], keepdims=0), 0.5))
    return op.Gather(order, _those(op, op.Greater(stays, 0.5)), axis=0)


def _sides(op: OpBuilder, boxes: ir.Value, extra: float) -> ir.Value:
    """(N, 2): width and height."""
    return op.Slice(boxes, [2], [4], [1]) - op.Slice(boxes, [0], [2], [1]) + extra


def _shift(op: OpBuilder, boxes: ir.Value, regression: ir.Value, extra: float) -> ir.Value:
    """Boxes moved by a network's regression, given in shares of their sides."""
    return boxes + regression * op.Tile(_sides(op, boxes, extra), [1, 2])


def _square(op: OpBuilder, boxes: ir.Value) -> ir.Value:
    """The smallest squares about the same middles."""
    sides = _sides(op, boxes, 0.0)
    longest = op.ReduceMax(sides, [1], keepdims=1)
    corner = op.Slice(boxes, [0], [2], [1]) + sides * 0.5 - longest * 0.5
    return op.Concat(corner, corner + longest, axis=1)


def _level(op: OpBuilder, network: onnx.ModelProto, areas: Areas, number: int) -> ir.Value:
    """P-Net's candidates of one level of the pyramid: (N, 9), boxes, confidences and regressions."""
    scale = CELL / SMALLEST_FACE * PYRAMID_STEP**number
    shorter = to_float(op, op.Min(areas.height, areas.width)) * scale
    there = op.GreaterOrEqual(shorter, float(CELL))
    rows, columns = (
        op.Max(to_whole(op, op.Floor(to_float(op, side) * scale + 1.0)), CELL) for side in (areas.height, areas.width)
    )
    rows, columns = (op.Where(there, side, CELL) for side in (rows, columns))
    level = _whole(op, areas, rows, columns)
    regression, faces = splice(op, network, [level], f"level{number}.")
    faces = op.Squeeze(faces, [0])
    places = op.Transpose(op.NonZero(op.And(there, op.GreaterOrEqual(faces, THRESHOLDS[0]))), perm=[1, 0])
    scores = op.GatherND(faces, places)
    moves = op.GatherND(op.Transpose(op.Squeeze(regression, [0]), perm=[1, 2, 0]), places)
    corners = to_float(op, op.Gather(places, [1, 0], axis=1)) * float(STRIDE) + 1.0
    boxes = op.Floor(op.Concat(corners, corners + float(CELL - 1), axis=1) / scale)
    kept = _suppress(op, Candidates(boxes, scores), OVERLAPS[0])
    return op.Gather(op.Concat(boxes, op.Unsqueeze(scores, [1]), moves, axis=1), kept, axis=0)


def _look(
    op: OpBuilder, network: onnx.ModelProto, areas: Areas, boxes: ir.Value, side: int
) -> tuple[ir.Value, list[ir.Value]]:
    """The boxes that touch the picture, and a network's answers to what they hold."""
    whole = to_whole(op, boxes)  # towards zero
    low = op.Max(op.Slice(whole, [0], [2], [1]), 1) - 1
    high = op.Min(op.Slice(whole, [2], [4], [1]), shape_of(op, areas.width, areas.height))
    touching = _those(op, op.Equal(op.ReduceMin(to_whole(op, op.Greater(high, low)), [1], keepdims=0), 1))
    seen = op.Gather(op.Concat(low, high, axis=1), touching, axis=0)
    return op.Gather(boxes, touching, axis=0), splice(op, network, [_crops(op, areas, seen, side)], f"side{side}.")


def cascade(
    op: OpBuilder, networks: tuple[onnx.ModelProto, ...], areas: Areas, levels: int
) -> tuple[Candidates, ir.Value]:
    """The faces of a picture, the surest first, and their landmarks (N, 5, 2).

    Args:
        op: of the graph.
        networks: P-Net, R-Net and O-Net, as :mod:`twoface_pl.export.detector` has them.
        areas: of the picture.
        levels: of the pyramid.
    """
    proposing, refining, deciding = networks
    found = op.Concat(*(_level(op, proposing, areas, number) for number in range(levels)), axis=0)
    boxes, scores, moves = op.Split(found, constant(op, np.array([4, 1, 4])), axis=1, _outputs=3)
    kept = _suppress(op, Candidates(boxes, op.Squeeze(scores, [1])), OVERLAPS[1])
    boxes, moves = (op.Gather(values, kept, axis=0) for values in (boxes, moves))
    boxes = _square(op, _shift(op, boxes, moves, 0.0))

    boxes, (moves, scores) = _look(op, refining, areas, boxes, SIDES[0])
    passing = _those(op, op.Greater(scores, THRESHOLDS[1]))
    boxes, moves, scores = (op.Gather(values, passing, axis=0) for values in (boxes, moves, scores))
    kept = _suppress(op, Candidates(boxes, scores), OVERLAPS[2])
    boxes, moves = (op.Gather(values, kept, axis=0) for values in (boxes, moves))
    boxes = _square(op, _shift(op, boxes, moves, 1.0))

    boxes, (moves, points, scores) = _look(op, deciding, areas, boxes, SIDES[1])
    passing = _those(op, op.Greater(scores, THRESHOLDS[2]))
    boxes, moves, points, scores = (op.Gather(values, passing, axis=0) for values in (boxes, moves, points, scores))
    points = op.Transpose(op.Reshape(points, shape_of(op, -1, 2, 5)), perm=[0, 2, 1])
    corners = op.Unsqueeze(op.Slice(boxes, [0], [2], [1]), [1])
    landmarks = corners - 1.0 + op.Unsqueeze(_sides(op, boxes, 1.0), [1]) * points
    boxes = _shift(op, boxes, moves, 1.0)
    kept = _of_smaller(op, Candidates(boxes, scores))
    return Candidates(*(op.Gather(each, kept, axis=0) for each in (boxes, scores))), op.Gather(landmarks, kept, axis=0)
