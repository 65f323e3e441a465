"""A training that goes on: where it stopped, and not with what does not fit."""

from pathlib import Path

import pytest
import torch
from conftest import (
    GENERATOR,
    OPTIMIZER,
    losses,
    tiny_data,
    tiny_module,
    tiny_options,
)

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.checkpoint import load_generator, read_checkpoint
from twoface_pl.training.optimizers import OptimizerOptions
from twoface_pl.training.train import train


def _weights(path: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path)["state_dict"]


def test_resume_goes_on_where_it_stopped(prepared: Path, tmp_path: Path) -> None:
    first = train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path / "a", max_batches=3))
    module = tiny_module()
    second = train(module, tiny_data(prepared), tiny_options(tmp_path / "b", max_batches=6, resume=first.last))
    assert second.batches == 6
    assert read_checkpoint(second.last)["batches_done"] == 6
    optimizers = read_checkpoint(second.last)["optimizer_states"]
    steps = {int(state["step"]) for optimizer in optimizers for state in optimizer["state"].values()}
    assert steps == {6}  # both Adams went on, neither began anew
    with pytest.raises(TwoFaceError, match="6 batches behind it already"):
        train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path / "c", max_batches=6, resume=second.last))


def test_a_resume_into_the_same_folder_keeps_the_figures(prepared: Path, tmp_path: Path) -> None:
    first = train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path, max_batches=2))
    before = (tmp_path / "csv" / "version_0" / "metrics.csv").read_text()
    train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path, max_batches=4, resume=first.last))
    assert (tmp_path / "csv" / "version_0" / "metrics.csv").read_text() == before
    assert (tmp_path / "csv" / "version_1" / "metrics.csv").is_file()


def test_a_resume_into_the_same_folder_keeps_a_better_checkpoint(prepared: Path, tmp_path: Path) -> None:
    first = train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path, max_batches=2))
    content = torch.load(first.last, weights_only=True)
    for name, state in content["callbacks"].items():
        if "psnr_in_hole" in name:
            state["best_model_score"] = torch.tensor(99.0)
            state["best_k_models"] = {path: torch.tensor(99.0) for path in state["best_k_models"]}
    torch.save(content, first.last)
    before = first.best.read_bytes()
    second = train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path, max_batches=4, resume=first.last))
    assert second.best.read_bytes() == before
    assert read_checkpoint(second.last)["batches_done"] == 4


def test_a_resume_with_another_optimizer_or_of_an_earlier_version(
    checkpoint: Path, prepared: Path, tmp_path: Path
) -> None:
    muon = tiny_module(optimizer={**OPTIMIZER, "kind": "muon"})
    with pytest.raises(TwoFaceError, match=r"trained with optimizer\.kind=adam, this run has muon"):
        train(muon, tiny_data(prepared), tiny_options(tmp_path, max_batches=9, resume=checkpoint))
    content = torch.load(checkpoint, weights_only=True)
    del content["state_dict"]["generator.encoder.place"]
    torch.save(content, tmp_path / "old.ckpt")
    with pytest.raises(TwoFaceError, match=r"earlier version: it has no generator\.encoder\.place"):
        train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path, max_batches=9, resume=tmp_path / "old.ckpt"))


def test_a_checkpoint_of_another_architecture_is_refused_by_name(
    checkpoint: Path, prepared: Path, tmp_path: Path
) -> None:
    other = tiny_module(generator={**GENERATOR, "width": 24})
    with pytest.raises(TwoFaceError, match=r"best\.ckpt was trained with generator .*16.*24"):
        train(other, tiny_data(prepared), tiny_options(tmp_path, max_batches=9, resume=checkpoint))
    content = torch.load(checkpoint, weights_only=True)
    content["hyper_parameters"]["generator"]["width"] = 24
    torch.save(content, tmp_path / "lying.ckpt")
    with pytest.raises(TwoFaceError, match=r"lying\.ckpt: not a checkpoint of generator"):
        load_generator(tmp_path / "lying.ckpt")


@pytest.mark.parametrize(
    "stop", [pytest.param(3, marks=pytest.mark.slow), 16, pytest.param(19, marks=pytest.mark.slow)]
)
def test_a_resumed_training_ends_where_an_unbroken_one_does(stop: int, prepared: Path, tmp_path: Path) -> None:
    """In the middle of an epoch, at its end (16 batches) and in the next one."""

    def run(folder: str, **changes: object) -> Path:
        torch.manual_seed(0)
        options = tiny_options(tmp_path / folder, validate_every=100, **changes)
        return train(tiny_module(), tiny_data(prepared), options).last

    unbroken = run("unbroken", max_batches=22)
    resumed = run("resumed", max_batches=22, resume=run("first", max_batches=stop))
    assert all(torch.allclose(value, _weights(resumed)[name], atol=1e-6) for name, value in _weights(unbroken).items())


def test_resuming_with_other_losses_or_facts(checkpoint: Path, prepared: Path, tmp_path: Path, caplog) -> None:
    options = tiny_options(tmp_path, max_batches=6, resume=checkpoint)
    with pytest.raises(TwoFaceError, match="was trained with discriminators, this run is not"):
        train(tiny_module(losses=losses(adversarial=0)), tiny_data(prepared), options)
    other = tiny_module(facts={"image_size": 64, "frame": {"name": "none"}, "mask": {"name": "random_box"}, "run": "x"})
    other.optimizer_options = OptimizerOptions.build({**OPTIMIZER, "generator_lr": 1e-5})
    result = train(other, tiny_data(prepared), options)
    assert "resuming with mask {'name': 'random_box'}; the checkpoint had {'name': 'center'" in caplog.text
    rates = [state["param_groups"][0]["lr"] for state in read_checkpoint(result.last)["optimizer_states"]]
    assert rates == [1e-5, 1e-3]
