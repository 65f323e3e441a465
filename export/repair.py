"""``repair.onnx``: a whole repair as one graph, from the photo's own pixels to the photo's own pixels.

Around a generator's exported graph it frames the faces by their landmarks, brings frame and references to the size
that the photo is filled at, and puts the fill back into the hole; outside of the mask the photo stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnxscript import OpBuilder
from torch import Tensor, nn

from twoface_pl.export.building import (
    building,
    constant,
    inputs_of,
    length,
    number,
    pixels_of,
    splice,
    steps,
    to_float,
    to_model,
    to_whole,
)
from twoface_pl.export.resampling import MOST_AVERAGED, Box, Frames, crop, fit_frames, paste, to_unit
from twoface_pl.export.trace import trace
from twoface_pl.faces.paste import BLENDED
from twoface_pl.masks import build_mask_policy
from twoface_pl.model_file import LARGEST_FILLED, SIZE_STEP, ModelFacts
from twoface_pl.model_signature import OUTPUT, REPAIR_INPUTS, REPAIR_OUTPUTS
from twoface_pl.networks.smooth import smooth_fill

BESIDE = 128  # pixels a side, at which what lies beside the frame is filled
ABOUT_HOLE, LEAST_ABOUT = 1.25, 8.0  # that square's side, of the hole's longer one, and pixels more
LEAST_SEEN = 1e-6
TOUCHED = 1e-3  # of a pixel, below which the hole has no part in it; the places in float32 are off by a hundredth of it
WHOLE = 1e-3  # of a step of sizes, that counts as none


class _Smooth(nn.Module):
    def forward(self, seen: Tensor) -> Tensor:
        """(1, 4, S, S), colours times the share that is seen of each place, and that share: (1, 3, S, S), colours."""
        share = seen[:, 3:]
        return smooth_fill(seen[:, :3] / share.clamp(min=LEAST_SEEN), 1 - share)


@cache
def _smooth_graph() -> bytes:
    """The same in every repair; an export with variants needs it three times."""
    with TemporaryDirectory() as folder:
        example = (torch.zeros(1, 4, BESIDE, BESIDE),)
        model = trace(_Smooth(), example, ["seen"], ["filled"], ({},), Path(folder) / "smooth.onnx")
    return model.SerializeToString()


def _fitting_size(op: OpBuilder, facts: ModelFacts, side: ir.Value, references: ir.Value) -> ir.Value:
    """Int64: pixels a side that a frame is filled at; see :meth:`ModelFacts.fitting_size`."""
    if not facts.any_size:
        return constant(op, np.array(facts.image_size))
    most = LARGEST_FILLED / op.Sqrt((to_float(op, references) + 1.0) / 2.0)
    most = op.Min(most, float(facts.largest_size))
    side = op.Min(op.Ceil(side / float(SIZE_STEP) - WHOLE), op.Floor(most / float(SIZE_STEP)))
    return op.Max(to_whole(op, side) * SIZE_STEP, facts.image_size)


def _first_and_beyond(op: OpBuilder, holds: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Of a line of values (L,), int64: the first that is not 0, and the one after the last; of none one pixel."""
    count = length(op, holds, 0)
    places = op.Range(0, count, 1)
    there = op.Greater(to_float(op, holds), 0.0)
    first = op.ReduceMin(op.Where(there, places, count - 1), keepdims=0)
    return first, op.Max(op.ReduceMax(op.Where(there, places, 0), keepdims=0), first) + 1


def _hole_box(op: OpBuilder, mask: ir.Value) -> Box:
    top, bottom = _first_and_beyond(op, op.ReduceMax(mask, [1], keepdims=0))
    left, right = _first_and_beyond(op, op.ReduceMax(mask, [0], keepdims=0))
    return top, left, bottom, right


def _overlaps(
    op: OpBuilder, first: ir.Value, side: ir.Value, low: ir.Value, count: ir.Value, step: ir.Value
) -> ir.Value:
    """(BESIDE, count): the share that each pixel, ``step`` wide and counted from ``low``, has in each of a square's."""
    wide = side / BESIDE
    begins = op.Unsqueeze(steps(op, constant(op, np.array(BESIDE))) * wide + (first - low), [1])
    pixels = op.Unsqueeze(steps(op, count) * step, [0])
    overlap = op.Min(pixels + step, begins + wide) - op.Max(pixels, begins)
    return op.Max(overlap, 0.0) / wide


def _beside(op: OpBuilder, smooth: onnx.ModelProto, photo: ir.Value, mask: ir.Value, box: Box) -> ir.Value:
    """What surrounds a hole, spread smoothly into it, without a reference: float (1, 3, H, W) of its box, in levels.

    As products with what an upright square about the hole has of each pixel, and the way back.
    """
    top, left, bottom, right = (to_float(op, edge) for edge in box)
    side = op.Max(bottom - top, right - left) * ABOUT_HOLE + LEAST_ABOUT
    x, y = ((first + last - side) * 0.5 for first, last in ((left, right), (top, bottom)))
    step = op.Max(op.Floor(side / (BESIDE * MOST_AVERAGED)), 1.0)
    low = [op.Max(op.Floor(first), 0.0) for first in (y, x)]
    high = [op.Min(op.Ceil(first + side), to_float(op, length(op, photo, axis))) for axis, first in enumerate((y, x))]
    part = [to_whole(op, edge) for edge in (*low, *high)]
    hole = to_float(op, op.Greater(to_float(op, pixels_of(op, mask, part, (0, 1), to_whole(op, step))), 0.0))
    colours = op.Transpose(pixels_of(op, photo, part, (0, 1), to_whole(op, step)), perm=[2, 0, 1])
    seen = op.Unsqueeze(1.0 - hole, [0])
    planes = op.Concat(to_float(op, colours) * seen, seen, axis=0)
    rows, columns = (
        _overlaps(op, first, side, begin, length(op, hole, axis), step)
        for axis, (first, begin) in enumerate(zip((y, x), low, strict=True))
    )
    small = op.MatMul(op.MatMul(rows, planes), op.Transpose(columns, perm=[1, 0]))
    (spread,) = splice(op, smooth, [op.Unsqueeze(small, [0])], "beside.")
    back = []
    for first, begin, end in ((y, top, bottom), (x, left, right)):
        places = (steps(op, to_whole(op, end - begin)) + (begin - first + 0.5)) * (BESIDE / side) - 0.5
        away = op.Unsqueeze(places, [1]) - op.Unsqueeze(steps(op, constant(op, np.array(BESIDE))), [0])
        back.append(op.Max(1.0 - op.Abs(away), 0.0))
    return op.MatMul(op.MatMul(back[0], spread), op.Transpose(back[1], perm=[1, 0]))


def _weight(op: OpBuilder, frame: Frames, box: Box, hole: ir.Value) -> ir.Value:
    """(1, 1, H, W) of a box: how much the frame's fill counts there, less towards its edge where the hole reaches
    beyond it; 1 everywhere where it does not."""
    top, left, bottom, right = box
    x = steps(op, right - left) + to_float(op, left) + 0.5
    y = steps(op, bottom - top) + to_float(op, top) + 0.5
    u, v = to_unit(op, frame, op.Unsqueeze(x, [0, 1]), op.Unsqueeze(y, [0, 2]))
    depth = op.Unsqueeze(op.Min(op.Min(u, 1.0 - u), op.Min(v, 1.0 - v)), [1])
    within = op.Where(op.Greater(hole, 0.0), depth, 1.0)
    all_within = op.GreaterOrEqual(op.ReduceMin(within, keepdims=0), 0.0)
    return op.Where(all_within, 1.0, op.Clip(depth / BLENDED, 0.0, 1.0))


def _in_photo(op: OpBuilder, photo: ir.Value, part: ir.Value, box: Box) -> ir.Value:
    """A photo with a part (H, W, 3) in its box."""
    top, left, bottom, right = box
    height, width = (length(op, photo, axis) for axis in (0, 1))
    zero = constant(op, np.array(0))
    beside = [pixels_of(op, photo, each, (0, 1)) for each in ((top, zero, bottom, left), (top, right, bottom, width))]
    rows = op.Concat(beside[0], part, beside[1], axis=1)
    above = pixels_of(op, photo, (zero, zero, top, width), (0, 1))
    below = pixels_of(op, photo, (bottom, zero, height, width), (0, 1))
    return op.Concat(above, rows, below, axis=0)


def _filled(
    op: OpBuilder, generator: onnx.ModelProto, facts: ModelFacts, frame: Frames, given: Sequence[ir.Value]
) -> ir.Value:
    """What the generator makes of a frame: (1, 3, S, S) in [0, 1]."""
    photo, mask, _, references, sizes, landmarks = given
    side = _fitting_size(op, facts, number(op, frame.side(op)), length(op, references, 0))
    own_size = op.Unsqueeze(op.Shape(mask), [0])
    framed, share = crop(op, op.Unsqueeze(photo, [0]), own_size, frame, side, op.Unsqueeze(mask, [0, 3]))
    hole = to_float(op, op.Greater(op.Transpose(share, perm=[0, 2, 3, 1]), TOUCHED * 255))
    if facts.only_default_mask:
        wanted = build_mask_policy(facts.default_mask).draw(np.random.default_rng(0), facts.image_size)
        hole = constant(op, wanted.astype(np.float32)[None, ..., None])
    (others,) = crop(op, references, sizes, fit_frames(op, facts.canonical, landmarks), side)
    framed = op.Transpose(framed / 255.0, perm=[0, 2, 3, 1])
    others = op.Unsqueeze(op.Transpose(others / 255.0, perm=[0, 2, 3, 1]), [0])
    outputs = splice(op, generator, [framed * (1.0 - hole), hole, others], "generator.")
    filled = outputs[[output.name for output in generator.graph.output].index(OUTPUT)]
    return op.Transpose(filled, perm=[0, 3, 1, 2])


def repair_graph(generator: onnx.ModelProto, facts: ModelFacts) -> onnx.ModelProto:
    """The graph of a whole repair.

    Its inputs: ``photo``, uint8 sRGB (H, W, 3); ``mask``, uint8 (H, W), 255 = hole, what lies between blends;
    ``landmarks``, float32 (5, 2), x and y of eyes, nose and corners of the mouth in the photo's pixels, the picture's
    left side first; ``references``, uint8 sRGB (R, H', W', 3), each in the first rows and columns of its own;
    ``reference_sizes``, int64 (R, 2), their heights and widths; ``reference_landmarks``, float32 (R, 5, 2). Its
    output ``filled_photo`` is uint8 (H, W, 3), outside of the mask ``photo`` itself.

    Args:
        generator: a generator's exported graph.
        facts: what it is.
    """
    smooth = onnx.load_model_from_string(_smooth_graph())
    with building("repair") as op:
        given = inputs_of(op, REPAIR_INPUTS)
        photo, mask, landmarks, *_ = given
        frame = fit_frames(op, facts.canonical, op.Unsqueeze(landmarks, [0]))
        box = _hole_box(op, mask)
        inside = paste(op, _filled(op, generator, facts, frame, given), frame, box) * 255.0
        beside = _beside(op, smooth, photo, mask, box)
        levels = op.Unsqueeze(to_float(op, pixels_of(op, mask, box, (0, 1))) / 255.0, [0, 1])
        weight = _weight(op, frame, box, levels)
        content = op.Clip(inside * weight + beside * (1.0 - weight), 0.0, 255.0)
        part = op.Transpose(to_float(op, pixels_of(op, photo, box, (0, 1))), perm=[2, 0, 1])
        blended = content * levels + op.Unsqueeze(part, [0]) * (1.0 - levels)
        blended = op.Cast(op.Round(blended), to=int(ir.DataType.UINT8))
        part = op.Transpose(op.Squeeze(blended, [0]), perm=[1, 2, 0])
        return to_model(op, REPAIR_OUTPUTS, [_in_photo(op, photo, part, box)])
