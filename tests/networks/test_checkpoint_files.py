"""Checkpoints and files of weights that come from anybody: each that is wrong is refused with a sentence."""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from conftest import GENERATOR, brightness_of
from model_parts import sealed

import twoface_pl.networks.checkpoint as module
from twoface_pl.errors import TwoFaceError
from twoface_pl.export.export import export
from twoface_pl.export.read import load_exported
from twoface_pl.networks.checkpoint import load_generator, read_checkpoint
from twoface_pl.networks.weights import load_state

Change = Callable[[dict[str, Any]], object]
FIRST = "generator.encoder.stem.weight"


def _nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"parts": found}
    return found


def _hparams(part: str, **values: object) -> Change:
    return lambda content: content["hyper_parameters"][part].update(values)


def _set(**values: object) -> Change:
    return lambda content: content.update(values)


def _weight(value: object) -> Change:
    return lambda content: content["state_dict"].update({FIRST: value})


def _poison(value: float) -> Change:
    return lambda content: content["state_dict"][FIRST][0, 3].fill_(value)


BOTH = {
    "no facts": (lambda content: content["hyper_parameters"].pop("facts"), "of another program"),
    "no hyper_parameters": (lambda content: content.pop("hyper_parameters"), "of another program"),
    "hyper_parameters": (_set(hyper_parameters=["generator", "facts"]), "of another program"),
    "no state_dict": (lambda content: content.pop("state_dict"), "of another program"),
    "state_dict": (_set(state_dict=[1]), "its state_dict is list"),
    "numbered state_dict": (lambda content: content["state_dict"].update({7: torch.zeros(1)}), "not by names"),
    "facts": (lambda content: content["hyper_parameters"].update(facts=[]), "its facts is list"),
    "no batches": (lambda content: content.pop("batches_done"), "its batches is None"),
    "batches": (_set(batches_done="4"), "its batches is '4'"),
    "tensor batches": (_set(batches_done=torch.tensor(4)), "its batches is Tensor"),
    "seconds": (_set(seconds=float("nan")), "its seconds is nan"),
    "no image_size": (lambda content: content["hyper_parameters"]["facts"].pop("image_size"), "its image_size is None"),
    "image_size": (_hparams("facts", image_size=10**6), "its image_size is 1000000"),
    "frame": (_hparams("facts", frame="tight"), "its frame is 'tight'"),
    "deep mask": (_hparams("facts", mask=_nested(60)), "its mask is dict"),
    "run": (_hparams("facts", run=5), "its run is 5"),
    "generator": (lambda content: content["hyper_parameters"].update(generator="ours"), "its architecture is 'ours'"),
    "nested generator": (_hparams("generator", blocks=_nested(3)), "its architecture is dict"),
    "huge number": (_hparams("generator", blocks=10**300), "its architecture is dict"),
    "nan": (_poison(float("nan")), rf"its .*{FIRST.partition('.')[2]} is not finite"),
    "infinity": (_poison(float("inf")), "is not finite"),
    "no tensor": (_weight("weights"), "is no weight"),
    "more than there is": (_weight(torch.zeros(1).expand(10**6, 10**6)), "is no weight"),
    "sparse": (_weight(torch.eye(3).to_sparse()), "is no weight"),
}
LOADED = {
    "frame without eyes": (_hparams("facts", frame={"name": "tight"}), "eye_distance and eye_line are pixels"),
    "other frame": (_hparams("facts", frame={"name": "none", "x": 1}), r"frame .*'x'"),
    "odd image_size": (_hparams("facts", image_size=63), "needs an image size divisible by 8"),
    "no name": (lambda content: content["hyper_parameters"]["generator"].pop("name"), "generator 'None' is not known"),
    "other option": (_hparams("generator", colour=1), "colour"),
    "wider": (_hparams("generator", width=64), "not a checkpoint of generator"),
    "deeper": (_hparams("generator", blocks=2), r"attention\.1.* is missing"),
    "shallower": (_hparams("generator", fine_blocks=0), "not a checkpoint of generator"),
    "seed": (
        lambda content: content["hyper_parameters"].update(generator={"name": "seed"}),
        "works at 128 px, not at 64",
    ),
    "shape": (_weight(torch.zeros(3)), r"is torch\.float32 \(3,\), not"),
    "whole numbers": (lambda content: _weight(content["state_dict"][FIRST].int())(content), r"is torch\.int32"),
    "another's": (lambda content: content["state_dict"].update({"generator.x.bias": torch.zeros(1)}), "x.bias is none"),
    "missing": (lambda content: content["state_dict"].pop(FIRST), "is missing"),
}
RESUMED = {
    "no loops": (lambda content: content.pop("loops"), "its loops is missing"),
    "optimizers": (_set(optimizer_states={}), "its optimizer_states is dict"),
    "version": (_set(**{"pytorch-lightning_version": 2}), "its pytorch-lightning_version is int"),
    "discriminator": (lambda content: content["hyper_parameters"].pop("discriminator"), "its discriminator is missing"),
    "moments": (
        lambda content: content["optimizer_states"][0]["state"][0]["exp_avg"].fill_(float("inf")),
        r"optimizer_states\.0\.state\.0\.exp_avg is not finite",
    ),
}


def _changed(checkpoint: Path, change: Change, path: Path) -> Path:
    content = torch.load(checkpoint, weights_only=True)
    change(content)
    torch.save(content, path)
    return path


@pytest.mark.parametrize("kind", sorted(BOTH))
def test_a_checkpoint_that_neither_loads_nor_goes_on(kind: str, checkpoint: Path, tmp_path: Path) -> None:
    change, says = BOTH[kind]
    path = _changed(checkpoint, change, tmp_path / "changed.ckpt")
    for opened in (load_generator, read_checkpoint):
        with pytest.raises(TwoFaceError, match=rf"changed\.ckpt: .*{says}"):
            opened(path)


@pytest.mark.parametrize("kind", sorted(LOADED))
def test_a_checkpoint_without_a_generator_that_fits(kind: str, checkpoint: Path, tmp_path: Path) -> None:
    change, says = LOADED[kind]
    with pytest.raises(TwoFaceError, match=rf"changed\.ckpt: .*{says}"):
        load_generator(_changed(checkpoint, change, tmp_path / "changed.ckpt"))


@pytest.mark.parametrize("kind", sorted(RESUMED))
def test_a_checkpoint_that_does_not_go_on_but_loads(kind: str, checkpoint: Path, tmp_path: Path) -> None:
    change, says = RESUMED[kind]
    path = _changed(checkpoint, change, tmp_path / "changed.ckpt")
    assert load_generator(path).run == "tests"
    with pytest.raises(TwoFaceError, match=rf"changed\.ckpt: .*{says}"):
        read_checkpoint(path)


def test_optimizer_states_that_hold_themselves(checkpoint: Path, tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        states = content["optimizer_states"]
        states[0]["more"] = [states] * 100

    assert len(read_checkpoint(_changed(checkpoint, change, tmp_path / "round.ckpt"))["optimizer_states"]) == 2


def _zipped(path: Path, content: bytes, compression: int) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", bytes(10**7))
        archive.writestr("archive/version", b"3\n")
    return path


def test_what_unpacks_to_more_than_it_is_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _zipped(tmp_path / "bomb.pt", pickle.dumps({"a": 1}), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**5
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(TwoFaceError, match=r"bomb\.pt: not a file of FaceNet weights \(it is compressed"):
        load_state(path, "FaceNet")
    content = bytearray(_zipped(tmp_path / "lies.pt", b"", zipfile.ZIP_STORED).read_bytes())
    entry = content.index(b"PK\1\2")
    content[entry + 24 : entry + 28] = (3 * 10**9).to_bytes(4, "little")  # what the directory claims
    (tmp_path / "lies.pt").write_bytes(content)
    with pytest.raises(TwoFaceError, match=r"lies\.pt: not a file of FaceNet weights \(it is compressed"):
        load_state(tmp_path / "lies.pt", "FaceNet")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1], "holds no dictionary by names"),
        ({1: torch.zeros(1)}, "holds no dictionary by names"),
        ({"a": 5}, "its a is no weight"),
        ({"a": {"b": torch.zeros(1)}}, "its a is no weight"),
        ({"a": torch.full((2,), np.nan)}, "its a is not finite"),
        ({"a": torch.zeros(1).expand(10**7, 10**7)}, "its a is no weight"),
    ],
)
def test_files_that_hold_no_weights(content: object, says: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(TwoFaceError, match=rf"weights\.pt: .*{says}"):
        load_state(tmp_path / "weights.pt", "FaceNet")


def test_weights_of_an_older_torch_are_still_read(tmp_path: Path) -> None:
    torch.save(OrderedDict(a=torch.ones(3)), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(load_state(tmp_path / "old.pt", "FaceNet")["a"], torch.ones(3))


def test_what_options_claim_is_compared_before_it_is_allocated(
    checkpoint: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = []
    real = module.build_to_load

    def build(options: dict[str, Any]) -> torch.nn.Module:
        generator = real(options)
        devices.append(next(generator.parameters()).device.type)
        return generator

    monkeypatch.setattr(module, "build_to_load", build)
    claims = {**GENERATOR, "width": 256, "heads": 4}
    path = _changed(checkpoint, _hparams("generator", **claims), tmp_path / "claims.ckpt")
    with pytest.raises(TwoFaceError, match="not a checkpoint of generator"):
        load_generator(path)
    text = str(claims).replace("'", '"')
    onnx.save(sealed(onnx.load(model), architecture=text), tmp_path / "claims.onnx")
    with pytest.raises(TwoFaceError, match=r"claims\.onnx: an export .* with other weights .*, not torch\.float32"):
        load_exported(tmp_path / "claims.onnx")
    assert devices == ["meta", "meta"]
    load_generator(checkpoint)
    assert devices[2:] == ["meta", "cpu"]


def test_weights_that_are_not_finite_are_not_exported(checkpoint: Path, model: Path, tmp_path: Path) -> None:
    for value, half, says in ((float("nan"), False, "is not finite"), (1e6, True, "in half precision.* is not finite")):
        trained = load_generator(checkpoint)
        brightness_of(trained.generator).data[0] = value
        with pytest.raises(TwoFaceError, match=says):
            export(trained, tmp_path / "models", half=half)
    assert not list(tmp_path.iterdir())
    graph = onnx.load(model)
    tensor = next(tensor for tensor in graph.graph.initializer if tensor.name == FIRST)
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[0] = np.inf
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, FIRST))
    onnx.save(sealed(graph), tmp_path / "infinite.onnx")
    with pytest.raises(TwoFaceError, match=r"infinite\.onnx: its .*stem\.weight is not finite"):
        load_exported(tmp_path / "infinite.onnx")
