"""From a model's file to a training of one's own photos, and on to a file again."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import GENERATOR, Run, tiny_module
from model_parts import sealed

from twoface_pl.errors import TwoFaceError
from twoface_pl.export.export import export
from twoface_pl.export.figures import read_figures
from twoface_pl.export.read import load_exported
from twoface_pl.export.variants import write_variant
from twoface_pl.faces.frame import FrameKind
from twoface_pl.networks.build import build_generator
from twoface_pl.networks.checkpoint import TrainedGenerator, load_generator
from twoface_pl.serving.fill import FillSession
from twoface_pl.training.start import start_from

SMALL = [f"generator.{key}={value}" for key, value in GENERATOR.items() if key != "name"]
TINY = [
    *SMALL, "image_size=64", "discriminator=conv_small", "identity=synthetic", "losses.perceptual.weight=0",
    "max_batches=4", "validate_every=2", "data.workers=0", "mask=center", "mask.size=16", "trainer=cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def half(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny generator's file with weights in half precision, and with figures."""
    folder = tmp_path_factory.mktemp("half")
    onnx.save(sealed(onnx.load(model), figures=json.dumps([{"psnr_db": 12.5}])), folder / "whole.onnx")
    return write_variant("fp16", folder / "whole.onnx", [], folder)


def test_a_file_holds_all_weights(model: Path, half: Path, checkpoint: Path) -> None:
    trained, found = load_generator(checkpoint), load_exported(model)
    for name, weight in trained.generator.state_dict().items():
        assert torch.equal(found.generator.state_dict()[name], weight), name
    assert (found.options, found.image_size, found.frame, found.mask, found.batches) == (
        trained.options, trained.image_size, trained.frame, trained.mask, trained.batches,
    )  # fmt: skip
    for name, weight in load_exported(half).generator.state_dict().items():
        assert torch.equal(weight, trained.generator.state_dict()[name].half().float()), name


def test_half_is_half_the_file_and_nearly_the_same_fill(model: Path, half: Path) -> None:
    values = sum(weight.numel() for weight in load_exported(model).generator.parameters())
    assert model.stat().st_size - half.stat().st_size > 1.9 * values  # 2 bytes each, but for the small tensors
    sessions = [FillSession(path, "cpu") for path in (model, half)]
    assert sessions[1].metadata["stored"] == "float16"
    assert json.loads(sessions[1].metadata["figures"]) == [{"psnr_db": 12.5}]
    rng, size = np.random.default_rng(0), sessions[0].image_size
    image, reference = rng.random((2, 2, size, size, 3), np.float32)
    first, second = (session.fill(image, session.default_mask[None].repeat(2, 0), reference) for session in sessions)
    assert np.abs(first - second).max() < 0.01
    assert not np.array_equal(first, second)


@pytest.mark.slow
def test_seed_comes_back_from_its_file(tmp_path: Path) -> None:
    """Its batch norms are folded into the convolutions before them, under the weights' own names."""
    torch.manual_seed(0)
    options = {"name": "seed", "vgg_weights": "random"}
    generator = build_generator(options).requires_grad_(False)
    masked, reference = torch.rand(2, 3, 128, 128), torch.rand(2, 1, 3, 128, 128)
    mask = torch.zeros(2, 1, 128, 128)
    mask[..., 48:80, 48:80] = 1
    generator.train()(masked, mask, reference)  # batch norms with means of their own
    place = (FrameKind("none"), {"name": "center", "size": 32}, "tests", 0)
    result = export(TrainedGenerator(generator.eval(), options, 128, *place), tmp_path / "seed")
    found = load_exported(result.path).generator
    assert torch.allclose(found(masked, mask, reference), generator(masked, mask, reference), atol=1e-5)


def test_files_that_are_not_what_was_exported(model: Path, half: Path, tmp_path: Path) -> None:
    graph = onnx.load(half)
    weight = next(tensor for tensor in graph.graph.initializer if tensor.name == "generator.encoder.stem.weight")
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[7] += 1
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(graph, tmp_path / "changed.onnx")
    with pytest.raises(TwoFaceError, match=r"changed\.onnx: its graph or weights are not those that were exported"):
        load_exported(tmp_path / "changed.onnx")
    graph.graph.initializer.remove(weight)
    onnx.save(sealed(graph), tmp_path / "less.onnx")
    with pytest.raises(TwoFaceError, match="with other weights than this version's generator has"):
        load_exported(tmp_path / "less.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(TwoFaceError, match=r"text\.onnx: not an ONNX file"):
        load_exported(tmp_path / "text.onnx")
    with pytest.raises(TwoFaceError, match="no model"):
        load_exported(tmp_path / "gone.onnx")


def test_figures_are_those_of_the_judge(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "list.json").write_text('{"heading": {"run": "me", "batches": 4}, "right_above": [], "conditions": 0}')
    (tmp_path / "deep.json").write_text("[" * 100_000)
    for name in ("other.json", "list.json", "deep.json"):
        with pytest.raises(TwoFaceError, match=rf"{name}: not an evaluation\.json"):
            read_figures([tmp_path / name], "me", 4)
    with pytest.raises(TwoFaceError, match=r"no figures file .*gone\.json"):
        read_figures([tmp_path / "gone.json"], "me", 4)
    about = {"split": "test", "photos": 3, "people": 2, "frame": "tight", "mask": None, "judge": "none"}
    evaluation = {
        "heading": {**about, "references": 2, "run": "me", "batches": 4},
        "conditions": {"right reference": {"psnr_db": {"value": 20.0}}},
        "right_above": {},
        "db_above_opencv": 4.0,
    }
    (tmp_path / "two.json").write_text(json.dumps(evaluation))
    (kept,) = read_figures([tmp_path / "two.json"], "me", 4)
    assert (kept["references"], kept["psnr_db"], kept["db_above_opencv"]) == (2, 20.0, 4.0)


def test_another_architecture_is_refused(half: Path) -> None:
    with pytest.raises(TwoFaceError, match="start from the same generator"):
        start_from(tiny_module(generator={**GENERATOR, "width": 64}), load_exported(half))


@torch.no_grad()
def test_a_generator_grows(half: Path) -> None:
    trained = load_exported(half)
    more = {name: trained.options[name] + 2 for name in ("blocks", "fine_blocks")}
    module = tiny_module(generator={**trained.options, **more})
    start_from(module, trained)
    size = trained.image_size
    image, references, mask = (
        torch.rand(2, 3, size, size),
        torch.rand(2, 3, 3, size, size),
        torch.zeros(2, 1, size, size),
    )
    mask[..., 10:50, 20:40] = 1
    for count in (0, 3):
        given = (image * (1 - mask), mask, references[:, :count])
        assert torch.allclose(module.generator(*given), trained.generator(*given), atol=1e-5)
    grown = TrainedGenerator(module.generator, {**trained.options, **more}, *list(vars(trained).values())[2:])
    with pytest.raises(TwoFaceError, match="or one with fewer blocks or fine_blocks"):
        start_from(tiny_module(generator=trained.options), grown)


def test_a_module_gets_the_weights_and_hears_what_differs(half: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained = load_exported(half)
    facts = {"image_size": 128, "frame": {"name": "none"}, "mask": trained.mask, "run": "tests"}
    module = tiny_module(facts=facts)
    start_from(module, trained)
    for name, weight in module.generator.state_dict().items():
        assert torch.equal(weight, trained.generator.state_dict()[name]), name
    assert "this run has image_size 128; the weights it starts from had 64" in caplog.text
    assert "frame" not in caplog.text


@pytest.mark.slow
def test_ones_own_ten_photos(twoface: Run, half: Path, photos: Path, identity_file: Path, tmp_path: Path) -> None:
    """One person alone: prepared, trained from a file, evaluated without a wrong reference, exported with figures."""
    for number, person in enumerate(sorted(path for path in photos.iterdir() if path.is_dir())[:2]):
        for photo in person.iterdir():
            (tmp_path / "photos" / "me").mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, tmp_path / "photos" / "me" / f"{number}{photo.name}")
    exported = Path("me", "1", "model.onnx")
    steps = (
        ["prepare", "source.root=photos", "frame=none", "split=own_photos", "image_size=64", "same_picture=2"],
        ["train", "experiment=own_photos", *TINY, f"init={half}", "hydra.run.dir=runs/me"],
        ["evaluate", "checkpoint=runs/me/last.ckpt", "identity=synthetic"],
        ["export", "checkpoint=runs/me/last.ckpt", "figures=[runs/me/evaluation/evaluation.json]", "output=me"],
        ["evaluate", f"checkpoint={exported}", "identity=none", "output=again"],
    )
    for step in steps:
        done = twoface(*step, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    first, again = (
        json.loads((tmp_path / folder / "evaluation.json").read_text()) for folder in ("runs/me/evaluation", "again")
    )
    assert first["skipped"]["wrong reference"] == "the split has one person only"
    assert again["conditions"]["right reference"]["psnr_db"] == first["conditions"]["right reference"]["psnr_db"]
    (figures,) = json.loads(FillSession(tmp_path / exported, "cpu").metadata["figures"])
    assert figures["psnr_db"] == first["conditions"]["right reference"]["psnr_db"]["value"]
    assert FillSession(tmp_path / exported, "cpu").metadata["run"] == "me, begun from tests"
    more = ["train", "experiment=own_photos", *TINY, "mask.size=16", "max_batches=6", "resume=runs/me/last.ckpt"]
    more = [*(key for key in more if key != "max_batches=4"), "hydra.run.dir=runs/more"]
    done = twoface(*more, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr  # the experiment begins from the package's model
    assert load_generator(tmp_path / "runs" / "more" / "last.ckpt").run == "more, begun from tests"
    for refused, says in (
        (["evaluate", "checkpoint=runs/me/last.ckpt"], "evaluation/evaluation.json exists and is kept; set force=true"),
        (
            ["evaluate", "checkpoint=me/1/model.onnx", "watch=true"],
            "watch=true is for a checkpoint of a running training",
        ),
        (["export", f"checkpoint={half}", "figures=again/evaluation.json"], "not of tests after"),
    ):
        done = twoface(*refused, cwd=tmp_path)
        assert done.returncode == 1
        assert says in done.stderr
