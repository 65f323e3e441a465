"""Files of repairs that were changed, cut off or made by hand: held to what a generator's are."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from model_parts import metadata_of, sealed
from onnx import TensorProto, helper

from twoface_pl.errors import TwoFaceError
from twoface_pl.model_file import REPAIR
from twoface_pl.model_signature import REPAIR_INPUTS, REPAIR_OUTPUTS, Values
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.repair import RepairSession
from twoface_pl.serving.versions import find_model


def _save(model: onnx.ModelProto, path: Path) -> Path:
    onnx.save(model, path)
    return path


def _repair_by_hand(node: onnx.NodeProto, metadata: dict[str, str], inputs: Values = REPAIR_INPUTS) -> onnx.ModelProto:
    """A file with a repair's inputs and output, and one node between them."""
    kinds = {"uint8": TensorProto.UINT8, "int64": TensorProto.INT64, "float32": TensorProto.FLOAT}
    *values, output = (
        helper.make_tensor_value_info(name, kinds[value.type], value.shape)
        for name, value in {**inputs, **REPAIR_OUTPUTS}.items()
    )
    white = onnx.numpy_helper.from_array(np.array(255, np.uint8), "white")
    graph = helper.make_graph([node], "by hand", values, [output], [white])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata)
    return sealed(model)


def test_a_repairs_file_is_held_to_the_same(model: Path, tmp_path: Path) -> None:
    path = find_model(model, REPAIR)
    content, metadata = path.read_bytes(), metadata_of(onnx.load(path))
    for number, (changed, says) in enumerate(
        (
            (content[: len(content) // 2], "not an ONNX file"),
            (content[:5000] + bytes([content[5000] ^ 1]) + content[5001:], "not those that were exported|not an ONNX"),
            (model.read_bytes(), "a generator, not a repair; give the folder that repair.onnx lies in"),
            (b"hello", "not an ONNX file"),
        )
    ):
        (tmp_path / f"{number}.onnx").write_bytes(changed)
        with pytest.raises(TwoFaceError, match=says):
            RepairSession(tmp_path / f"{number}.onnx", "cpu")
    with pytest.raises(TwoFaceError, match=r"a repair, not a generator; give the folder that model\.onnx lies in"):
        FillSession(path, "cpu")
    negative = helper.make_node("Sub", ["white", "photo"], ["filled_photo"])
    with pytest.raises(TwoFaceError, match="its repair of a picture is changed outside the hole"):
        RepairSession(_save(_repair_by_hand(negative, metadata), tmp_path / "negative.onnx"), "cpu")
    less = {name: value for name, value in REPAIR_INPUTS.items() if name != "landmarks"}
    with pytest.raises(TwoFaceError, match="its inputs are not those of a repair: photo"):
        RepairSession(_save(_repair_by_hand(negative, metadata, less), tmp_path / "less.onnx"), "cpu")
