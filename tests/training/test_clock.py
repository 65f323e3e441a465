"""Trainings that end by the clock: rates, losses, checkpoints, resumes. A batch takes a second here."""

import csv
import math
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import OPTIMIZER, losses, tiny_data, tiny_module, tiny_options

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.checkpoint import read_checkpoint
from twoface_pl.training.checkpoints import CheckpointFiles, newest
from twoface_pl.training.module import InpaintingModule
from twoface_pl.training.train import train

COSINE = {**OPTIMIZER, "schedule": "cosine", "decay_batches": 1000}


def begun_at(start: float) -> dict:
    options = losses()
    options["adversarial"]["start"] = start
    return options


@pytest.fixture
def _seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InpaintingModule, "seconds", property(lambda module: float(module.batches_done)))


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The generator's, batch by batch."""
    seen: list[float] = []
    set_rates = InpaintingModule._set_rates

    def noted(module: InpaintingModule) -> None:
        set_rates(module)
        seen.append(module.trainer.optimizers[0].param_groups[0]["lr"])

    monkeypatch.setattr(InpaintingModule, "_set_rates", noted)
    return seen


@pytest.mark.usefixtures("_seconds")
def test_rates_fall_to_zero_with_the_time_and_a_resume_goes_on(
    prepared: Path, tmp_path: Path, rates: list[float]
) -> None:
    def run(minutes: float, resume: Path | None = None) -> object:
        module = tiny_module(optimizer=COSINE, max_minutes=minutes)
        options = tiny_options(tmp_path / "run", max_batches=1000, validate_every=4, resume=resume)
        return train(module, tiny_data(prepared), options)

    result = run(8 / 60)
    top = COSINE["generator_lr"]
    assert rates == pytest.approx([top * (1 + math.cos(math.pi * batch / 8)) / 2 for batch in range(8)])
    assert result.batches == 8
    assert "validation/psnr_in_hole" in result.figures
    assert read_checkpoint(result.last)["seconds"] == 8
    found = newest(tmp_path / "run")
    assert found is not None
    assert found.is_done(1000, 8 / 60, {})
    assert not found.is_done(1000, 9 / 60, {})
    assert not found.is_done(1000, None, {})
    with pytest.raises(TwoFaceError, match=r"0\.133 minutes behind it already; raise max_minutes"):
        run(8 / 60, result.last)
    rates.clear()
    assert run(12 / 60, result.last).batches == 12
    assert rates == pytest.approx([top * (1 + math.cos(math.pi * batch / 12)) / 2 for batch in range(8, 12)])


@pytest.mark.usefixtures("_seconds")
def test_a_loss_begins_with_a_share_of_the_time(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[float] = []
    parts = InpaintingModule._learn

    def noted(module: InpaintingModule, number: int, given: dict) -> dict:
        begun.append(module.batches_done) if number else None
        return parts(module, number, given)

    monkeypatch.setattr(InpaintingModule, "_learn", noted)
    late = begun_at(0.5)
    module = tiny_module(optimizer={**COSINE, "accumulate": 2}, losses=late, max_minutes=8 / 60)
    train(module, tiny_data(prepared), tiny_options(tmp_path / "run", max_batches=1000))
    assert begun == [4, 5, 6, 7]
    module = tiny_module(optimizer={**COSINE, "decay_batches": 6}, losses=late)  # and of the batches, where they end it
    begun.clear()
    train(module, tiny_data(prepared), tiny_options(tmp_path / "other", max_batches=6))
    assert begun == [3, 4, 5]
    constant = {**OPTIMIZER, "schedule": "constant"}
    begun.clear()  # whatever the rates do
    train(
        tiny_module(optimizer=constant, losses=late), tiny_data(prepared), tiny_options(tmp_path / "c", max_batches=4)
    )
    assert begun == [2, 3]
    for wrong in (1.0, -0.1, math.nan):
        with pytest.raises(TwoFaceError, match=r"losses\.adversarial\.start=.* is no share of the training"):
            tiny_module(losses=begun_at(wrong))


@pytest.mark.usefixtures("_seconds")
def test_checkpoints_come_with_the_minutes_too(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    module = tiny_module(optimizer=COSINE)
    options = tiny_options(
        tmp_path / "run",
        max_batches=12,
        validate_every=6,
        save_minutes=2 / 60,
        saved=lambda: saved.append(module.batches_done),
    )
    train(module, tiny_data(prepared), options)
    assert sorted(set(saved)) == [3, 5, 6, 8, 10, 12]
    with pytest.raises(TwoFaceError, match="save_minutes=-1 is not a number from 0"):
        tiny_options(tmp_path, save_minutes=-1)
    with pytest.raises(TwoFaceError, match=r"max_minutes=0 is not a number from 0\.01"):
        tiny_module(max_minutes=0)


@pytest.mark.usefixtures("_seconds")
def test_a_kill_in_the_last_validation_leaves_a_training_that_is_not_done(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tiny_module(optimizer=COSINE)
    validate = InpaintingModule.validation_step

    def killed(module: InpaintingModule, *given: object) -> None:
        if module.batches_done == 7:
            raise KeyboardInterrupt
        validate(module, *given)

    monkeypatch.setattr(InpaintingModule, "validation_step", killed)
    options = tiny_options(tmp_path / "run", max_batches=7, validate_every=5, save_minutes=0)
    with pytest.raises(BaseException):  # noqa: B017, PT011 (as Lightning makes of it)
        train(module, tiny_data(prepared), options)
    found = newest(tmp_path / "run")
    assert found is not None
    assert found.batches == 6
    assert not found.is_done(7, None, {})


def test_a_validation_that_takes_what_is_left_of_the_time_is_the_last(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rates: list[float]
) -> None:
    late: list[float] = []
    passed = property(lambda module: module.batches_done + sum(late))
    monkeypatch.setattr(InpaintingModule, "seconds", passed)
    monkeypatch.setattr(InpaintingModule, "on_validation_epoch_end", lambda module: late.append(100.0))
    module = tiny_module(optimizer=COSINE, max_minutes=20 / 60)
    result = train(module, tiny_data(prepared), tiny_options(tmp_path / "run", max_batches=1000, validate_every=4))
    assert (result.batches, len(rates), len(late)) == (4, 4, 1)
    found = newest(tmp_path / "run")
    assert found is not None
    assert found.is_done(1000, 20 / 60, {})


def test_what_saving_takes_is_not_counted_as_waiting_for_data(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = CheckpointFiles.save_checkpoint

    def slow(files: CheckpointFiles, *given: Any, **options: Any) -> None:
        time.sleep(1)
        save(files, *given, **options)

    monkeypatch.setattr(CheckpointFiles, "save_checkpoint", slow)
    options = tiny_options(tmp_path / "run", max_batches=4, validate_every=4, save_minutes=0)
    train(tiny_module(optimizer=COSINE), tiny_data(prepared), options)
    with next((tmp_path / "run").glob("csv/*/metrics.csv")).open() as stream:
        waited = [float(row["speed/waiting"]) for row in csv.DictReader(stream) if row.get("speed/waiting")]
    assert len(waited) == 4
    assert max(waited) < 0.5


def test_by_the_real_clock_it_ends_in_time(prepared: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = tiny_module(optimizer=COSINE, max_minutes=0.03)
    result = train(module, tiny_data(prepared), tiny_options(tmp_path / "run", max_batches=100_000, validate_every=10))
    content = read_checkpoint(result.last)
    assert 1.8 <= content["seconds"] < 30
    assert 1 <= result.batches < 100_000
    assert not content["validation_due"]
