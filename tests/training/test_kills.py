"""A training that is killed at any moment goes on as one that never was; what is torn is passed over."""

import errno
import os
import random
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import MASK, OPTIMIZER, SIZE, Run, losses, tiny_data, tiny_module, tiny_options
from warm import warm_context

from twoface_pl.cli.record import data_checksum
from twoface_pl.data.augment_options import AugmentOptions
from twoface_pl.data.datamodule import DataOptions, TripleDataModule
from twoface_pl.data.source import open_source
from twoface_pl.errors import TwoFaceError
from twoface_pl.masks import build_mask_policy
from twoface_pl.networks.checkpoint import read_checkpoint
from twoface_pl.training.checkpoints import BEFORE, LAST, newest, owned
from twoface_pl.training.train import TrainResult, train

EVERY = {"validate_every": 2}


def _train(prepared: Path, folder: Path, **changes: Any) -> TrainResult:
    torch.manual_seed(0)
    found = newest(folder)
    options = tiny_options(folder, **{**EVERY, "resume": found and found.path, **changes})
    return train(tiny_module(ema=0.9), tiny_data(prepared), options)


SHAKEN = AugmentOptions(flip=0.5, affine=0.5, colour=0.5, blur=0.2, jpeg=0.2)
STAGES = {
    "first": {"before_epoch": 1, "mask": MASK},
    "then": {"before_epoch": 2, "mask": {"name": "random_box", "smallest": 10, "largest": 24}},
    "last": {"before_epoch": None, "mask": {"name": "strokes"}},
}
PLANNED = {**OPTIMIZER, "kind": "muon", "schedule": "cosine", "warm_up": 4, "decay_batches": 20, "clip": 1.0}


def _alone(prepared: Path, folder: Path, batches: int) -> None:
    """A training in which everything changes that can: masks and references by epoch, rates by batch."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shown = {"references": 2, "itself": 0.8, "itself_epochs": 1, "augment_photo": SHAKEN, "augment_reference": SHAKEN}
    data = TripleDataModule(
        DataOptions(prepared, SIZE, batch_size=4, workers=0, seed=0, validation_photos=4, **shown),
        build_mask_policy({"name": "curriculum", "stages": STAGES}),
    )
    found = newest(folder)
    options = tiny_options(folder, max_batches=batches, resume=found and found.path, **EVERY)
    changed = losses()
    changed["adversarial"].update(r1_weight=1.0, r1_every=3, start=2)
    train(tiny_module(ema=0.9, without_reference=0.2, optimizer=PLANNED, losses=changed), data, options)


def _same(one: Any, other: Any) -> bool:
    """Bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("kills", "batches"), [(3, 24), pytest.param(20, 240, marks=pytest.mark.slow)])
def test_a_killed_training_ends_bit_for_bit_as_one_that_never_was(
    kills: int, batches: int, prepared: Path, tmp_path: Path
) -> None:
    context = warm_context()

    def start(folder: str) -> Any:
        process = context.Process(target=_alone, args=(prepared, tmp_path / folder, batches))
        process.start()
        return process

    unbroken, begun = start("unbroken"), time.monotonic()
    unbroken.join()
    assert unbroken.exitcode == 0
    whole, rng, killed = time.monotonic() - begun, random.Random(kills), 0
    reached: list[int] = []
    while killed < kills:
        process = start("killed")
        process.join(rng.uniform(0.3, 2.1) * whole / kills)
        is_last = killed == kills - 1
        while is_last and not any(reached) and process.exitcode is None and newest(tmp_path / "killed") is None:
            process.join(0.05)  # the machine got slower: this one at least is to leave something
        if process.exitcode is None:
            process.kill()
            killed += 1
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        found = newest(tmp_path / "killed")
        reached.append(found.batches if found else 0)
        if reached[-1] == batches:
            break  # faster than its kills
    if reached[-1] < batches:
        process = start("killed")
        process.join()
        assert process.exitcode == 0
    assert killed >= 0.6 * kills, reached
    assert any(0 < done < batches for done in reached), reached  # it went on from something
    one, other = (read_checkpoint(tmp_path / name / LAST) for name in ("unbroken", "killed"))
    for part in ("state_dict", "optimizer_states", "batches_done", "broken_photos"):
        assert _same(one[part], other[part]), part
    left = {path.name for path in (tmp_path / "killed").glob("*.ckpt")} | {
        path.name for path in (tmp_path / "killed").glob(".*.ckpt")
    }
    assert left == {"best.ckpt", LAST, BEFORE}


def _newest(folder: Path) -> tuple[str, int]:
    found = newest(folder)
    assert found is not None
    return found.path.name, found.batches


def test_a_torn_checkpoint_is_passed_over_for_the_one_before(prepared: Path, tmp_path: Path, caplog) -> None:
    assert newest(tmp_path) is None
    last = _train(prepared, tmp_path, max_batches=6).last
    assert _newest(tmp_path) == ("last.ckpt", 6)
    assert read_checkpoint(tmp_path / BEFORE)["batches_done"] == 4
    last.write_bytes(last.read_bytes()[:5000])
    best = read_checkpoint(tmp_path / "best.ckpt")["batches_done"]
    assert _newest(tmp_path) == (("best.ckpt", 6) if best == 6 else (BEFORE, 4))
    assert "last.ckpt: " in caplog.text
    assert "looking for another" in caplog.text
    (tmp_path / "best.ckpt").unlink()
    assert _newest(tmp_path) == (BEFORE, 4)
    before = (tmp_path / BEFORE).read_bytes()
    result = _train(prepared, tmp_path, max_batches=6)
    assert read_checkpoint(result.last)["batches_done"] == 6
    assert (tmp_path / BEFORE).read_bytes() == before  # not what was torn
    _train(prepared, tmp_path, max_batches=8)
    assert read_checkpoint(tmp_path / BEFORE)["batches_done"] == 6
    for path in tmp_path.glob("*.ckpt"):
        path.write_bytes(b"torn")
    with pytest.raises(TwoFaceError, match=r"no checkpoint in .* can be read; start anew in another folder"):
        newest(tmp_path)


def test_a_full_disk_ends_it_with_a_sentence_and_what_was_saved(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _train(prepared, tmp_path, max_batches=2)
    before = (tmp_path / LAST).read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TwoFaceError, match=r"\.ckpt: cannot be written \(No space left on device\)"):
        _train(prepared, tmp_path, max_batches=4)
    assert (tmp_path / LAST).read_bytes() == before
    assert not list(tmp_path.glob(".twoface-*"))


def test_a_folder_is_for_one_training_at_a_time(prepared: Path, tmp_path: Path) -> None:
    with owned(tmp_path), pytest.raises(TwoFaceError, match="another training runs in this folder"):
        _train(prepared, tmp_path, max_batches=2)
    (tmp_path / ".twoface-half.ckpt").write_bytes(b"half")
    _train(prepared, tmp_path, max_batches=2)
    assert not list(tmp_path.glob(".twoface-*"))


def test_a_checkpoint_of_before_these_options_goes_on(prepared: Path, tmp_path: Path) -> None:
    last = train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path, max_batches=2)).last
    content = torch.load(last, weights_only=True)
    del content["reached"], content["hyper_parameters"]["ema"], content["hyper_parameters"]["compiled"]
    torch.save(content, last)
    options = tiny_options(tmp_path / "on", max_batches=4, resume=last)
    assert train(tiny_module(), tiny_data(prepared), options).batches == 4


def test_what_is_left_to_do(prepared: Path, tmp_path: Path) -> None:
    figures = {"validation/psnr_in_hole": 1.0}
    _train(prepared, tmp_path, max_batches=6, stop_when=figures)
    found = newest(tmp_path)
    assert found is not None
    assert found.batches == 2
    assert found.is_done(6, None, figures)
    assert not found.is_done(6, None, {"validation/psnr_in_hole": 2.0})
    assert not found.is_done(6, None, {})
    assert found.is_done(2, None, {})
    assert not replace(found, validation_due=True).is_done(2, None, {})


SMALL = [
    "experiment=smoke", "identity=none", "losses=reconstruction", "image_size=64", "logger=none", "data.workers=0",
    "validate_every=2", "data.validation_photos=4", "hydra.run.dir=run", "resume=auto",
]  # fmt: skip


def test_the_same_command_starts_goes_on_and_is_done(
    twoface: Run, installed: Run, prepared: Path, tmp_path: Path
) -> None:
    command = ["train", *SMALL, f"data.root={prepared}"]
    first = twoface(*command, "max_batches=2", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "no checkpoint in" in first.stdout + first.stderr
    second = twoface(*command, "max_batches=4", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert "going on from" in second.stdout + second.stderr
    assert read_checkpoint(tmp_path / "run" / LAST)["batches_done"] == 4
    starts = [*yaml.safe_load_all((tmp_path / "run" / "record.yaml").read_text())]
    assert [start["config"]["max_batches"] for start in starts] == [2, 4]
    assert starts[0]["config"]["optimizer"]["decay_batches"] == 2  # resolved
    assert starts[0]["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert re.fullmatch(r"[0-9a-f]{40}\+?", starts[0]["commit"])
    assert starts[0]["data_sha256"] == starts[1]["data_sha256"] == data_checksum(open_source(prepared))
    assert len(starts[0]["data_sha256"]) == 64
    done = twoface(*command, "max_batches=4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the training is done, with 4 batches" in done.stdout
    anew = twoface(*command, "resume=null", "max_batches=2", cwd=tmp_path)
    assert anew.returncode == 1
    assert "run holds a training already; resume=auto goes on with it" in anew.stderr
    assert read_checkpoint(tmp_path / "run" / LAST)["batches_done"] == 4
    with pytest.MonkeyPatch.context() as launched:  # as torchrun starts one process
        for name, value in {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0}.items():
            launched.setenv(name, str(value))
        alone = installed(*command, "resume=null", "max_batches=2", cwd=tmp_path)
    assert (alone.returncode, "run holds a training already" in alone.stderr) == (1, True), alone.stderr
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    for name in (LAST, "before_last.ckpt"):
        (tmp_path / "other" / name).unlink(missing_ok=True)
    elsewhere = ["hydra.run.dir=other", "resume=run/last.ckpt", "max_batches=6"]
    mixed = twoface(*(each for each in command if not each.startswith(("hydra", "resume"))), *elsewhere, cwd=tmp_path)
    assert (mixed.returncode, "other holds a training already" in mixed.stderr) == (1, True), mixed.stderr
    assert "max_minutes=soon is not a number" in twoface(*command, "max_minutes=soon", cwd=tmp_path).stderr
    nowhere = twoface(*(each for each in command if not each.startswith("hydra")), "max_batches=4", cwd=tmp_path)
    assert nowhere.returncode == 1
    assert "resume=auto needs a folder that stays the same" in nowhere.stderr
    refused = [*(each for each in command if not each.startswith("hydra")), "hydra.run.dir=refused"]
    few = twoface(*refused, "max_batches=4", "data.batch_size=1000", cwd=tmp_path)
    assert "fewer than batch_size=1000" in few.stderr
    assert not (tmp_path / "refused").exists()
    for value, said in (("many", "is not a number"), ("2.5", "is not a whole number from 1")):
        bad = twoface(*command, f"max_batches={value}", cwd=tmp_path)
        assert f"max_batches={value} {said}" in bad.stderr
