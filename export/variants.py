"""Variants of an exported generator: smaller, or faster on a CPU, and checked as the generator is."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from twoface_pl.errors import require
from twoface_pl.export.half import round_initializers, store_half, widen
from twoface_pl.export.write import save_model, write_repair
from twoface_pl.model_file import FILES, GENERATOR, INT8, REPAIR, WEIGHTS_PREFIX, ModelFile, read_model
from twoface_pl.model_signature import signature

FP16 = "fp16"
VARIANTS = (FP16, INT8)
STORED = {FP16: "float16", INT8: "int8"}
PIXELS = 2  # the last convolutions, which write pixels: in int8 they cost .2 dB, all others together nothing
Feeds = Mapping[str, np.ndarray]


def check_variants(names: Sequence[str], half: bool) -> None:
    """Refuse variants that there are not.

    Raises:
        TwoFaceError: says which there are.
    """
    unknown = [str(name) for name in names if name not in VARIANTS]
    require(not unknown, f"variants={','.join(unknown)}: there are {' and '.join(VARIANTS)}")
    require(not (half and FP16 in names), "half=true stores the model itself in half precision; leave fp16 out")


class _Samples:
    """What onnxruntime's calibration asks for one after the other."""

    def __init__(self, samples: Sequence[Feeds]) -> None:
        self._left: Iterator[Feeds] = iter(samples)

    def get_next(self) -> Feeds | None:
        return next(self._left, None)


def _convolutions(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that are the generator's own convolutions, in their order."""
    ours = [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and any(WEIGHTS_PREFIX in name for name in node.input)
    ]
    require(len(ours) > PIXELS, "the generator has too few convolutions to be stored in int8")
    return ours


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without what quantisation prints, logs and warns of: each weight that is kept but not used."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(3)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        onnxruntime.set_default_logger_severity(2)  # its own default
        logging.disable(before)


def _quantised(model: onnx.ModelProto, samples: Sequence[Feeds], path: Path) -> onnx.ModelProto:
    """Static quantisation of the generator's convolutions, weights by channel, activations by what samples hold.

    Weights have seven bits: with eight, sums overflow on CPUs without instructions for them, and a file would fill
    differently from one machine to the next. What is no convolution of the generator stays in float: attention, the
    search in the references, all of the detail at full size.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with _silent():
        quantize_static(
            model, path, _Samples(samples), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv"],
            per_channel=True, reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            nodes_to_quantize=_convolutions(model)[:-PIXELS], calibrate_method=CalibrationMethod.Percentile,
        )  # fmt: skip
    return onnx.load(path)


def _made(name: str, model: ModelFile, samples: Sequence[Feeds], path: Path) -> onnx.ModelProto:
    graph = onnx.load_model_from_string(model.content)
    if name == FP16:
        round_initializers(graph, WEIGHTS_PREFIX)
        store_half(graph)
        return graph
    widen(graph)
    return _quantised(graph, samples, path)


def write_variant(name: str, generator: Path, samples: Sequence[Feeds], folder: Path) -> Path:
    """Write a variant of an exported generator, alone and as a whole repair.

    Args:
        name: one of ``VARIANTS``.
        generator: the exported file.
        samples: for int8, inputs that show what its layers hold: framed faces with holes and references.
        folder: where its files go.

    Returns:
        Its generator's file.

    Raises:
        TwoFaceError: no samples, or its repair is not what its generator fills.
    """
    require(name != INT8 or bool(samples), "int8 needs training triples to be calibrated on")
    model, path = read_model(generator), folder / FILES[GENERATOR]
    graph = _made(name, model, samples, path)
    save_model(graph, path, {**model.metadata, "stored": STORED[name]}, signature(GENERATOR, model.facts))
    read_model(path)
    write_repair(path, folder / FILES[REPAIR])
    return path
