"""Model files that come from anybody: each that is wrong is refused with a sentence, and none is served."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import HOLE, SIZE, Run
from model_parts import by_hand, metadata_of, sealed
from onnx import TensorProto, helper

from twoface_pl.cli.trained import load_trained
from twoface_pl.errors import TwoFaceError
from twoface_pl.export.figures import read_figures
from twoface_pl.export.read import load_exported
from twoface_pl.faces import runtime
from twoface_pl.faces.image import write_image
from twoface_pl.faces.recogniser import SFace
from twoface_pl.faces.synthetic import synthetic_photo
from twoface_pl.model_file import CHECKSUM, FORMATS, GENERATOR, SHIPPED, model_path, read_facts, read_model
from twoface_pl.networks.checkpoint import read_checkpoint
from twoface_pl.networks.weights import load_state
from twoface_pl.serving.fill import FillError, FillSession
from twoface_pl.serving.versions import find_model

node = helper.make_node
DEEP = '{"parts": ' * 500 + "{}" + "}" * 500
METADATA = [
    ("format", None, "not a Two-Face generator"),
    ("format", "twoface-generator/3", "export its checkpoint again"),
    ("image_size", None, "has no image_size"),
    *(
        ("image_size", text, "its image_size is")
        for text in ("", "x", "0", "-8", "64.0", "true", "null", "6\uff14", "1e2")
    ),
    ("image_size", "1000000", "its image_size is 1000000, not whole pixels"),
    ("image_size", "9" * 5000, "its image_size is '999"),
    *(("largest_size", text, "its largest_size is") for text in ("x", "0", "8192", str(SIZE - 8))),
    ("frame", None, "has no frame"),
    *(("frame", text, "its frame is") for text in ("", "{", "[]", "7", DEEP, "[" * 100_000, '{"name": {"1": NaN}')),
    ("frame", '{"name": "tight"}', "eye_distance and eye_line are pixels"),
    ("frame", '{"name": "none", "more": 1}', "more"),
    ("default_mask", '{"name": "center"}', "its default_mask is"),
    ("default_mask", '{"name": "files", "folder": "/"}', "its default_mask is"),
    *(("default_mask", f'{{"name": "center", "size": {size}}}', "its default_mask") for size in ('"9"', 0, SIZE, 1e3)),
    ("mask", DEEP, "its mask is dict"),
    ("mask", '{"parts": [%s]}' % ("0," * 20_000 + "0"), "its mask is dict"),
    ("only_default_mask", "1", "its only_default_mask is 1, not true or false"),
    *(("references", text, "its references is") for text in ("0", "-1", "two", "null", "1000000", "[1]")),
    ("architecture", "ours", "its architecture is 'ours'"),
    ("architecture", '{"name": ["ours"]}', "its architecture is dict"),
    ("architecture", '{"blocks": 1%s}' % ("0" * 400), "its architecture is dict"),
    *(("batches", text, "its batches is") for text in ("many", "-1", "1.5")),
    *(("seconds", text, "its seconds is") for text in ("NaN", "Infinity", "-1", "[]")),
    *(("figures", text, "its figures is") for text in ("{}", "[1]", "")),
    (CHECKSUM, None, "not those that were exported"),
    (CHECKSUM, "00", "not those that were exported"),
]


@pytest.mark.parametrize(("field", "text", "says"), METADATA)
def test_metadata_that_is_not_what_it_must_be(
    field: str, text: str | None, says: str, model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "changed.onnx"
    onnx.save(sealed(onnx.load(model), **{field: text}), path)
    for opened in (read_model, load_exported):
        with pytest.raises(TwoFaceError, match=r"changed\.onnx: ") as caught:
            opened(path)
        assert says in str(caught.value)
        assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_what_is_exported_can_be_read(model: Path) -> None:
    metadata = metadata_of(onnx.load(model))
    facts = read_facts(metadata, "x")
    assert (facts.image_size, facts.default_mask["size"], facts.references, facts.run) == (SIZE, HOLE, None, "tests")
    assert metadata["format"] == FORMATS[GENERATOR]
    assert read_facts({**metadata, "references": "2"}, "x").references == 2


PASS = [node("Identity", ["masked_image"], ["filled_image"])]
SHAPES = {"masked_image": ["n", 32, 32, 3]}
NUMBER = {"number": np.array(2, np.float32)}
BRANCH = helper.make_graph([node("Identity", ["number"], ["y"])], "b", [], [helper.make_tensor_value_info("y", 1, [])])
GRAPHS = {
    "nan": ([node("Mul", ["masked_image", "number"], ["filled_image"])], {"number": np.array(np.nan, "f4")}, {}),
    "huge": ([node("Add", ["masked_image", "number"], ["filled_image"])], {"number": np.array(1e30, "f4")}, {}),
    "negative": ([node("Neg", ["masked_image"], ["filled_image"])], {}, {}),
    "outside": ([node("Sub", ["number", "masked_image"], ["filled_image"])], {"number": np.array(1, "f4")}, {}),
    "other batch": ([node("Concat", ["masked_image"] * 2, ["filled_image"], axis=0)], {}, {}),
    "inputs": (PASS, {}, {"more": ["n"]}),
    "size": ([node("Tile", ["masked_image", "t"], ["filled_image"])], {"t": np.array([1, 2, 2, 1])}, SHAPES),
    "one photo": (PASS, {}, {"mask": [1, SIZE, SIZE, 1]}),
    "one reference": (PASS, {}, {"reference_images": ["n", 1, SIZE, SIZE, 3]}),
    "domain": ([node("Gelu", ["masked_image"], ["filled_image"], domain="com.microsoft")], {}, {}),
    "operator": ([node("Perpetuum", ["masked_image"], ["filled_image"])], {}, {}),
    "branch": (
        [node("If", ["yes"], ["z"], then_branch=BRANCH, else_branch=BRANCH), *PASS],
        {**NUMBER, "yes": np.array(True)},
        {},
    ),
}
SAYS = {
    "nan": "its fill of a picture is not finite",
    "huge": r"its fill of a picture is from 1e\+30 to 1e\+30, not within",
    "negative": "its fill of a picture is from -1 to -?0, not within",
    "outside": "its fill of a picture is changed outside the hole",
    "other batch": r"its fill of a picture is of shape \(2, ",
    "inputs": "its inputs are not those of a generator: .*more",
    "size": "its inputs are not those of a generator: masked_image .*32",
    "one photo": "its inputs are not those of a generator",
    "one reference": "its inputs are not those of a generator",
    "domain": "operators that are not ONNX's own",
    "operator": "is not an ONNX model that can be run: .*Perpetuum",
    "branch": "it has loops or branches",
}


def _save(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())  # onnx.save would look for files of weights
    return path


def test_a_graph_by_hand_is_served_where_nothing_is_wrong_with_it(model: Path, tmp_path: Path) -> None:
    session = FillSession(_save(by_hand(PASS, metadata_of(onnx.load(model))), tmp_path / "right.onnx"), "cpu")
    pictures = np.full((2, SIZE, SIZE, 3), 0.5, np.float32)
    assert session.fill(pictures, np.zeros((2, SIZE, SIZE), bool), pictures).mean() == 0.5


@pytest.mark.parametrize("kind", sorted(GRAPHS))
def test_graphs_that_are_no_generator(kind: str, model: Path, tmp_path: Path) -> None:
    nodes, constants, shapes = GRAPHS[kind]
    path = _save(by_hand(nodes, metadata_of(onnx.load(model)), constants, **shapes), tmp_path / "forged.onnx")
    with pytest.raises(TwoFaceError, match=rf"forged\.onnx.*{SAYS[kind]}"):
        FillSession(path, "cpu")


@pytest.mark.parametrize("place", ["weights.bin", "/dev/zero", "../weights.bin"])
def test_weights_in_other_files_are_not_looked_for(place: str, model: Path, tmp_path: Path) -> None:
    nodes = [node("Mul", ["masked_image", "number"], ["filled_image"])]
    forged = by_hand(nodes, metadata_of(onnx.load(model)), {"number": np.array([1], np.float32)})
    (tensor,) = forged.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    (tmp_path / "weights.bin").write_bytes(np.ones(1, np.float32).tobytes())
    path = _save(sealed(forged), tmp_path / "forged.onnx")
    for opened in (FillSession, load_exported):
        with pytest.raises(TwoFaceError, match="its weights lie in another file"):
            opened(path)


def test_any_changed_byte_of_the_graph_is_noticed(model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    assert read_model(model).content == content
    for at in np.linspace(0, content.index(b"masked_image") + 2000, 12).astype(int):
        changed = bytearray(content)
        changed[at] ^= 4
        (tmp_path / "changed.onnx").write_bytes(changed)
        for opened in (FillSession, load_exported):
            with pytest.raises(TwoFaceError, match=r"changed\.onnx"):
                opened(tmp_path / "changed.onnx")
    for size in (0, 1, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.onnx").write_bytes(content[:size])
        with pytest.raises(TwoFaceError, match=r"cut\.onnx"):
            FillSession(tmp_path / "cut.onnx", "cpu")


@pytest.mark.parametrize("part", [b"\0\0", b"\x08\x0a", b"\x3a\x02\x0a\x00", b"\x72\x00"])
def test_bytes_without_an_end_are_not_read_to_the_end(part: bytes, tmp_path: Path) -> None:
    """A hundred megabytes, of which each field is a few bytes."""
    (tmp_path / "many.onnx").write_bytes(part * (10**8 // len(part)))
    start = time.monotonic()
    with pytest.raises(TwoFaceError, match=r"many\.onnx: not an ONNX file"):
        read_model(tmp_path / "many.onnx")
    assert time.monotonic() - start < 20  # of minutes


def test_a_fill_that_is_not_finite_is_never_answered(model: Path, tmp_path: Path) -> None:
    nodes = [
        node("ReduceMin", ["reference_images"], ["least"], keepdims=0),
        node("Log", ["least"], ["log"]),  # of a black reference infinite, and times 0 not a number
        node("Mul", ["log", "zero"], ["nothing"]),
        node("Add", ["masked_image", "nothing"], ["filled_image"]),
    ]
    forged = by_hand(nodes, metadata_of(onnx.load(model)), {"zero": np.array(0, np.float32)})
    session = FillSession(_save(forged, tmp_path / "model.onnx"), "cpu")
    pictures, masks = np.full((1, SIZE, SIZE, 3), 0.5, np.float32), session.default_mask[None]
    assert np.isfinite(session.fill(pictures, masks, pictures)).all()
    with pytest.raises(FillError, match="is not finite"):
        session.fill(pictures, masks, 0 * pictures)


def test_what_takes_for_ever_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 3000
    nodes = [node("MatMul", [f"x{at}", "x0"], [f"x{at + 1}"]) for at in range(steps)]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [600, 600]) for name in ("x0", f"x{steps}")]
    graph = helper.make_graph(nodes, "long", values[:1], values[1:])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
    session = runtime.open_session(content, "long.onnx", 1)
    monkeypatch.setattr(runtime, "LONGEST_START", 0.001)  # opening takes 50 times as long, at least
    with pytest.raises(TwoFaceError, match=r"long\.onnx is not an ONNX model that can be run: not within"):
        runtime.open_session(content, "long.onnx", 1)
    start = time.monotonic()
    with pytest.raises(TwoFaceError, match=r"long\.onnx: does not run: no answer within"):
        runtime.first_run(session, {"x0": np.zeros((600, 600), np.float32)}, "long.onnx")
    assert time.monotonic() - start < 5  # of half a minute


RECOGNISERS = {
    "no vector": ([node("Identity", ["x"], ["y"])], {}, "its output is float32"),
    "nan": (
        [node("ReduceMax", ["x", "axes"], ["m"], keepdims=0), node("Log", ["m"], ["y"])],
        {"axes": np.array([2, 3])},
        "its embedding is not finite",
    ),
    "whole numbers": (
        [node("ReduceMax", ["x", "axes"], ["m"], keepdims=0), node("Cast", ["m"], ["y"], to=TensorProto.INT64)],
        {"axes": np.array([2, 3])},
        "its output is int64",
    ),
    "fails": ([node("Reshape", ["x", "axes"], ["y"])], {"axes": np.array([7, 7])}, "does not run"),
}


@pytest.mark.parametrize("kind", sorted(RECOGNISERS))
def test_recognisers_that_are_none(kind: str, tmp_path: Path) -> None:
    nodes, constants, says = RECOGNISERS[kind]
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 112, 112])
    output = helper.make_tensor_value_info("y", TensorProto.INT64 if kind == "whole numbers" else 1, None)
    weights = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "r", [info], [output], weights)
    path = _save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "other.onnx"
    )
    with pytest.raises(TwoFaceError, match=rf"recogniser sface: .*other\.onnx.*{says}"):
        SFace(path)


OPENERS: dict[str, Callable[[Path], object]] = {
    "model": lambda path: FillSession(find_model(path), "cpu"),
    "trained": lambda path: load_trained(str(path)),
    "checkpoint": read_checkpoint,
    "weights": lambda path: load_state(path, "FaceNet"),
    "checked weights": lambda path: load_state(path, "FaceNet", "00"),
    "recogniser": SFace,
    "figures": lambda path: read_figures([path], "run", 1),
}


@pytest.mark.parametrize("name", sorted(OPENERS))
def test_what_is_no_file_is_never_waited_for(name: str, tmp_path: Path) -> None:
    folder, pipe, empty = tmp_path / "folder.onnx", tmp_path / "pipe.onnx", tmp_path / "empty.onnx"
    folder.mkdir()
    os.mkfifo(pipe)
    empty.touch()
    link = tmp_path / "round.onnx"
    link.symlink_to(link)
    long, within = tmp_path / ("x" * 300 + ".onnx"), tmp_path / "empty.onnx" / "model.onnx"
    for path in (folder, pipe, empty, link, long, within, Path("/dev/zero"), tmp_path / "gone.ckpt", Path("a\0b")):
        with pytest.raises(TwoFaceError) as caught:
            OPENERS[name](path)
        assert str(path)[:60] in str(caught.value).replace("\\x00", "\0")


def test_versions_are_numbers(model: Path, tmp_path: Path) -> None:
    for name in ("²", "-3", "1 "):
        (tmp_path / name).mkdir()
        shutil.copy(model, tmp_path / name / "model.onnx")
    with pytest.raises(TwoFaceError, match="no model at"):
        find_model(tmp_path)
    for name in ("3", "9" * 200):
        (tmp_path / name).mkdir()
        shutil.copy(model, tmp_path / name / "model.onnx")
    assert find_model(tmp_path).parent.name == "9" * 200
    assert model_path(7) == Path("7")
    assert model_path("shipped") == SHIPPED


def test_the_command_refuses_them_with_a_sentence(twoface: Run, model: Path, tmp_path: Path) -> None:
    nodes, constants, shapes = GRAPHS["nan"]
    _save(by_hand(nodes, metadata_of(onnx.load(model)), constants, **shapes), tmp_path / "forged.onnx")
    write_image(tmp_path / "1.png", synthetic_photo(5, 1, 96))
    os.mkfifo(tmp_path / "pipe.ckpt")
    for command in (
        ("inpaint", "--image", "1.png", "--reference", "1.png", "--output", "2.png", "--model", "forged.onnx"),
        ("export", "checkpoint=pipe.ckpt"),
    ):
        done = twoface(*command, cwd=tmp_path, timeout=60)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert done.stderr.startswith(f"twoface {command[0]}: {command[-1].rpartition('=')[2]}")
