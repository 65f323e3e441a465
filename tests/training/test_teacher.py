"""Distillation: a training that learns from the fills of another generator."""

import csv
from pathlib import Path

import pytest
import torch
from conftest import GENERATOR, MASK, SIZE, Run, brightness_of, losses, tiny_data, tiny_module, tiny_options

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import FrameKind
from twoface_pl.masks import build_mask_policy
from twoface_pl.networks.build import build_generator
from twoface_pl.networks.checkpoint import TrainedGenerator, read_checkpoint
from twoface_pl.training.teacher import teacher_of
from twoface_pl.training.train import train

FACTS = {"image_size": SIZE, "frame": {"name": "none"}}
POLICY = build_mask_policy(MASK)
NO_FRAME = FrameKind("none")


def _trained(options: dict, size: int = SIZE, frame: FrameKind = NO_FRAME) -> TrainedGenerator:
    torch.manual_seed(1)
    generator = build_generator(options).eval().requires_grad_(False)
    return TrainedGenerator(generator, options, size, frame, MASK, "teacher", 1)


def _taught(weight: float, **changes: object) -> dict:
    return losses(
        reconstruction=0.0 if weight else 1.0,
        adversarial=0.0,
        distillation={"weight": weight, "teacher": "a file", **changes},
    )


def _steps(folder: Path) -> list[dict[str, str]]:
    rows = csv.DictReader((folder / "csv" / "version_0" / "metrics.csv").open())
    return [row for row in rows if row["generator/total"]]


def test_a_student_comes_nearer_to_its_teacher(prepared: Path, tmp_path: Path) -> None:
    """Nothing but the teacher's fills is learnt from here, and those are of one bright colour, as no photo is."""
    trained = _trained({**GENERATOR, "width": 64})
    with torch.no_grad():
        brightness_of(trained.generator).fill_(5.0)
    before = {name: weight.clone() for name, weight in trained.generator.state_dict().items()}
    teacher = teacher_of(trained, FACTS, POLICY, 1, 0.02)
    module = tiny_module(losses=_taught(1.0), teacher=teacher)
    result = train(module, tiny_data(prepared), tiny_options(tmp_path, max_batches=24, validate_every=24))
    distances = [float(row["generator/distillation"]) for row in _steps(tmp_path)]
    assert sum(distances[-4:]) < 0.7 * sum(distances[:4]), distances
    assert all(torch.equal(before[name], weight) for name, weight in teacher.state_dict().items())
    saved = read_checkpoint(result.last)
    assert not any("teacher" in name for name in saved["state_dict"])
    assert "teacher" not in saved["hyper_parameters"]


def test_distillation_may_start_late_and_be_of_other_kinds(prepared: Path, tmp_path: Path) -> None:
    teacher = teacher_of(_trained(GENERATOR), FACTS, POLICY, 1, 0.02)
    both = {**_taught(1.0, start=2, kind="log"), "reconstruction": losses()["reconstruction"]}
    module = tiny_module(losses=both, teacher=teacher)
    train(module, tiny_data(prepared), tiny_options(tmp_path, max_batches=3, validate_every=3))
    assert [bool(row["generator/distillation"]) for row in _steps(tmp_path)] == [False, False, True]


def test_a_teacher_that_does_not_fit() -> None:
    with pytest.raises(TwoFaceError, match=r"has a weight but no teacher; give losses\.distillation\.teacher="):
        tiny_module(losses=_taught(1.0))
    with pytest.raises(TwoFaceError, match=r"losses\.distillation\.kind=l2 is not one of l1, squared, log"):
        tiny_module(losses=_taught(0.0, kind="l2"))
    with pytest.raises(TwoFaceError, match=r"fills photos of 128 px in frame .*none.*, this training has 64 in"):
        teacher_of(_trained(GENERATOR, 128), FACTS, POLICY, 1, 0.02)
    with pytest.raises(TwoFaceError, match=r"fills photos of 64 px in frame .*tight.*; choose a teacher of the same"):
        teacher_of(_trained(GENERATOR, SIZE, FrameKind("tight", 28.0, 24.0)), FACTS, POLICY, 1, 0.02)
    seed, large = _trained({"name": "seed", "vgg_weights": "random"}, 128), {**FACTS, "image_size": 128}
    with pytest.raises(TwoFaceError, match=r"teacher: generator 'seed' fills only the centre 32x32 hole"):
        teacher_of(seed, large, POLICY, 1, 0.0)
    its = build_mask_policy({"name": "center", "size": 32})
    with pytest.raises(TwoFaceError, match=r"takes 1 reference, always; set references\.most=1 references\.none=0"):
        teacher_of(seed, large, its, 1, 0.02)
    assert teacher_of(seed, large, its, 1, 0.0) is seed.generator


def test_a_teacher_by_its_file(twoface: Run, checkpoint: Path, prepared: Path, tmp_path: Path) -> None:
    given = [
        "train", "experiment=smoke", "losses=reconstruction", "identity=none", "image_size=64", "mask=center16",
        "data.workers=0", "trainer=cpu", "logger=csv", "max_batches=2", "validate_every=2", "log_every=1",
        f"data.root={prepared}", "hydra.run.dir=run", "losses.distillation.weight=1", "progress=false",
    ]  # fmt: skip
    gone = twoface(*given, "losses.distillation.teacher=gone.ckpt", cwd=tmp_path)
    assert (gone.returncode, "no checkpoint gone.ckpt" in gone.stderr) == (1, True), gone.stderr
    none = twoface(*given, cwd=tmp_path)
    assert (none.returncode, "has a weight but no teacher" in none.stderr) == (1, True), none.stderr
    done = twoface(*given, f"losses.distillation.teacher={checkpoint}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(float(row["generator/distillation"]) > 0 for row in _steps(tmp_path / "run"))
