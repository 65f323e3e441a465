"""What the optimizers do in a training: rates, clipping, accumulated gradients, the moving average."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import CPU, OPTIMIZER, losses, tiny_data, tiny_module, tiny_options
from pytorch_lightning.plugins.precision import MixedPrecision
from torch import Tensor, nn

from twoface_pl.errors import Stopped, TwoFaceError
from twoface_pl.networks.checkpoint import load_generator, read_checkpoint
from twoface_pl.training.average import MovingAverage
from twoface_pl.training.module import InpaintingModule
from twoface_pl.training.optimizers import OptimizerOptions
from twoface_pl.training.stop import Signals, StopOnSignal
from twoface_pl.training.train import train


def _options(**changes: Any) -> dict[str, Any]:
    return {**OPTIMIZER, **changes}


@pytest.mark.parametrize(
    ("options", "rates"),
    [
        ({"schedule": "constant"}, {0: 1, 1000: 1}),
        ({"schedule": "constant", "warm_up": 3}, {0: 0.25, 1: 0.5, 2: 0.75, 3: 1, 9: 1}),
        ({"schedule": "cosine", "decay_batches": 100}, {0: 1, 50: 0.5, 100: 0, 200: 0}),
        ({"schedule": "cosine", "decay_batches": 100, "warm_up": 9}, {0: 0.1, 50: 0.5, 100: 0}),
        ({"schedule": "steps", "step_batches": [10, 20]}, {0: 1, 9: 1, 10: 0.1, 19: 0.1, 20: 0.01}),
        ({"schedule": "steps", "step_batches": [10], "step_factor": 0.5, "warm_up": 1}, {0: 0.5, 1: 1, 10: 0.5}),
    ],
)
def test_rates_follow_their_schedule(options: dict[str, Any], rates: dict[int, float]) -> None:
    built = OptimizerOptions.build(_options(**options))
    assert {batch: built.factor(batch) for batch in rates} == pytest.approx(rates)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"schedule": "linear"}, "optimizer.schedule=linear is not one of cosine, constant, steps"),
        ({"schedule": "cosine"}, "optimizer.schedule=cosine needs decay_batches"),
        ({"schedule": "steps"}, "optimizer.schedule=steps needs step_batches"),
        ({"schedule": "steps", "step_batches": [20, 10]}, "do not rise"),
        ({"step_batches": 7}, "optimizer.step_batches=7 is no list"),
        ({"step_factor": 2}, "optimizer.step_factor=2 is not a number from 0 to 1"),
        ({"warm_up": -1}, "optimizer.warm_up=-1 is not a whole number"),
        ({"accumulate": 0}, "optimizer.accumulate=0 is not a whole number from 1"),
        ({"clip": 0}, "optimizer.clip=0 lets nothing be learned"),
        ({"clip": "much"}, "optimizer.clip=much is not a number"),
        ({"clipp": 1}, "optimizer.clipp is not known"),
        ({"schedule": "cosine"}, "or give optimizer.schedule=constant"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(options: dict[str, Any], says: str) -> None:
    with pytest.raises(TwoFaceError, match=says):
        tiny_module(optimizer=_options(**options))


def test_options_of_before_the_schedules_mean_what_they_did() -> None:
    before = {key: OPTIMIZER[key] for key in ("kind", "generator_lr", "discriminator_lr", "betas")}
    assert OptimizerOptions.build({**before, "decay_batches": 8}).schedule == "cosine"
    assert OptimizerOptions.build({**before, "decay_batches": None}).schedule == "constant"
    del before["kind"]
    with pytest.raises(TwoFaceError, match=r"optimizer\.kind is missing"):
        OptimizerOptions.build(before)


@pytest.mark.parametrize("name", ["validate_every", "max_batches"])
def test_steps_that_are_cut_in_two_are_refused(name: str, prepared: Path, tmp_path: Path) -> None:
    options = tiny_options(tmp_path, **{"validate_every": 4, "max_batches": 8, name: 6})
    with pytest.raises(TwoFaceError, match=f"{name}=6 is no multiple of optimizer.accumulate=4"):
        train(tiny_module(optimizer=_options(accumulate=4)), tiny_data(prepared), options)


def test_what_begins_within_a_step_and_what_half_precision_cannot_do_are_refused(
    prepared: Path, tmp_path: Path
) -> None:
    four = _options(accumulate=4)
    options = tiny_options(tmp_path, validate_every=4, max_batches=8)
    late = losses(adversarial=0.01)
    late["adversarial"]["start"] = 6
    with pytest.raises(TwoFaceError, match=r"losses\.adversarial\.start=6 is no multiple of optimizer\.accumulate=4"):
        train(tiny_module(optimizer=four, losses=late), tiny_data(prepared), options)
    options = replace(options, trainer={**CPU, "precision": "16-mixed"})
    with pytest.raises(TwoFaceError, match="with fp16 only where there are no discriminators"):
        train(tiny_module(optimizer=four), tiny_data(prepared), options)
    with pytest.raises(TwoFaceError, match="precision=fp16 needs a GPU"):
        train(tiny_module(), tiny_data(prepared), replace(options, trainer={**CPU, "precision": "16-mixed"}))
    with pytest.raises(TwoFaceError, match="compile=no is neither true nor false"):
        tiny_module(compiled="no")


class _Noting(InpaintingModule):
    """Notes the gradients of each step of the generator, and of the discriminators."""

    noted: list[dict[str, Tensor]]
    noted_too: list[dict[str, Tensor]]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        super().on_before_optimizer_step(optimizer)
        if optimizer is self.trainer.optimizers[0]:
            self.noted.append(_gradients(self.generator))
        else:
            self.noted_too.append(_gradients(self.discriminators))


def _gradients(network: nn.Module) -> dict[str, Tensor]:
    return {name: weight.grad.clone() for name, weight in network.named_parameters() if weight.grad is not None}


def _norm(gradients: Mapping[str, Tensor]) -> float:
    return math.sqrt(sum(float(each.square().sum()) for each in gradients.values()))


def _trained(prepared: Path, folder: Path, trainer: dict[str, Any] | None = None, **optimizer: Any) -> _Noting:
    """Two batches without a step that moves anything."""
    torch.manual_seed(0)
    module = tiny_module(optimizer=_options(generator_lr=0.0, discriminator_lr=0.0, **optimizer))
    module.__class__ = _Noting  # type: ignore[assignment]
    module.noted, module.noted_too = [], []  # type: ignore[attr-defined]
    train(module, tiny_data(prepared), tiny_options(folder, max_batches=2, trainer=trainer or CPU))
    assert isinstance(module, _Noting)
    return module


def test_accumulated_gradients_are_the_mean_of_the_batches(prepared: Path, tmp_path: Path) -> None:
    each, both = _trained(prepared, tmp_path / "each"), _trained(prepared, tmp_path / "both", accumulate=2)
    for noted, (mean,) in ((each.noted, both.noted), (each.noted_too, both.noted_too)):
        one, two = noted
        assert _norm(one) > 0
        for name, gradient in mean.items():
            assert torch.allclose(gradient, (one[name] + two[name]) / 2, rtol=1e-4, atol=1e-7), name


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_gradients_are_clipped_to_their_norm(kind: str, prepared: Path, tmp_path: Path) -> None:
    free = _trained(prepared, tmp_path / "free", kind=kind)
    norm = _norm(free.noted[1])
    assert float(free.gradient_norms[0]) == pytest.approx(norm, rel=1e-4)
    clipped = _trained(prepared, tmp_path / "clipped", kind=kind, clip=norm / 3)
    assert float(clipped.gradient_norms[0]) == pytest.approx(norm, rel=1e-4)  # as it was
    assert _norm(clipped.noted[1]) == pytest.approx(norm / 3, rel=1e-3)
    assert float(clipped.gradient_norms[1]) > 0


def test_half_precision_is_unscaled_before_it_is_clipped_and_its_scale_is_kept(prepared: Path, tmp_path: Path) -> None:
    """float16 and its scaler on a CPU, which Lightning offers for GPUs alone."""
    half = {**CPU, "plugins": [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=1024.0))]}
    del half["precision"]
    full = _trained(prepared, tmp_path / "full")
    norm = _norm(full.noted[0])
    scaled = _trained(prepared, tmp_path / "half", half, clip=norm / 3)
    assert _norm(scaled.noted[0]) == pytest.approx(norm / 3, rel=1e-2)
    assert float(scaled.gradient_norms[0]) == pytest.approx(float(full.gradient_norms[0]), rel=0.05)
    assert torch.load(tmp_path / "half" / "last.ckpt", weights_only=True)["MixedPrecision"]["scale"] == 1024.0


def test_an_average_follows_and_is_a_copy_at_first() -> None:
    network = nn.BatchNorm1d(2)
    average = MovingAverage(network, 0.5)
    assert not any(weight.requires_grad for weight in average.parameters())
    expected = 0.0
    for step, value in enumerate((4.0, 8.0, 16.0, 32.0)):
        nn.init.constant_(network.weight, value)
        network.num_batches_tracked.fill_(step)
        average.follow(network, step)
        decay = min(0.5, step / (9 + step))
        expected = decay * expected + (1 - decay) * value
        assert average.module.weight.tolist() == pytest.approx([expected] * 2)
        assert average.module.num_batches_tracked == step
    with pytest.raises(TwoFaceError, match="ema=1 is not a number from 0 to"):
        MovingAverage(network, 1)


def _fast(**changes: Any) -> InpaintingModule:
    torch.manual_seed(0)
    return tiny_module(ema=0.9, optimizer=_options(generator_lr=1e-2), **changes)


def test_the_average_is_what_is_validated_and_kept(prepared: Path, tmp_path: Path) -> None:
    module = _fast()
    result = train(module, tiny_data(prepared), tiny_options(tmp_path, max_batches=6))
    average = module.average.module.state_dict()
    kept = load_generator(result.last).generator.state_dict()
    assert all(torch.equal(kept[name], weight) for name, weight in average.items())
    assert not all(torch.equal(kept[name], weight) for name, weight in module.generator.state_dict().items())
    batch = next(iter(tiny_data(prepared).val_dataloader()))
    module.eval()
    filled = module.fill(batch)
    module.generator.load_state_dict(average)
    module.average = None
    assert (module.fill(batch) == filled).all()


def test_a_training_with_an_average_goes_on_as_one_that_never_stopped(prepared: Path, tmp_path: Path) -> None:
    def last(folder: str, **changes: Any) -> Path:
        return train(_fast(), tiny_data(prepared), tiny_options(tmp_path / folder, **changes)).last

    unbroken = read_checkpoint(last("whole", max_batches=6))["state_dict"]
    first = last("first", max_batches=2)
    resumed = read_checkpoint(last("on", max_batches=6, resume=first))["state_dict"]
    assert any(name.startswith("average.") for name in unbroken)
    assert all(torch.equal(value, resumed[name]) for name, value in unbroken.items())
    with pytest.raises(TwoFaceError, match="was trained with ema, this run is without it"):
        train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path / "c", max_batches=6, resume=first))


def test_a_signal_waits_for_the_step(prepared: Path, tmp_path: Path) -> None:
    signals = Signals()
    module = tiny_module(optimizer=_options(accumulate=3))

    class SignalAtOnce(StopOnSignal):
        def on_train_batch_end(self, *given: Any) -> None:
            signals.number = 15
            super().on_train_batch_end(*given)

    import pytorch_lightning as L

    stop = SignalAtOnce(signals, tmp_path / "last.ckpt", 6, 40)
    trainer = L.Trainer(
        max_steps=40, callbacks=[stop], logger=False, enable_checkpointing=False, enable_progress_bar=False,
        use_distributed_sampler=False, limit_val_batches=0, accelerator="cpu", default_root_dir=tmp_path,
    )  # fmt: skip
    with pytest.raises(Stopped):
        trainer.fit(module, tiny_data(prepared))
    assert module.batches_saved == 3


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_networks_train_alike_and_are_kept_under_their_names(
    backend: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced and run as it is; as code of its own it takes many minutes on a CPU."""
    compile_module = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda module: compile_module(module, backend=backend))
    kept = {}
    for compiled in (False, True):
        torch.manual_seed(0)
        options = tiny_options(tmp_path / str(compiled), max_batches=2)
        result = train(tiny_module(compiled=compiled), tiny_data(prepared), options)
        kept[compiled] = load_generator(result.last).generator.state_dict()
    assert all(torch.allclose(value, kept[True][name], atol=1e-4) for name, value in kept[False].items())
