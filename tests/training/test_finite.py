"""Numbers that are not finite: a training ends with a sentence, and no figure or checkpoint comes of them."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import CPU, GENERATOR, OPTIMIZER, losses, tiny_data, tiny_module, tiny_options

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.build import build_generator
from twoface_pl.networks.checkpoint import read_checkpoint
from twoface_pl.networks.identity import IdentityNetwork
from twoface_pl.networks.reference import ReferenceWarp
from twoface_pl.networks.tensors import to_uint8
from twoface_pl.training.module import InpaintingModule
from twoface_pl.training.objective import Objective, Parts
from twoface_pl.training.seen import MOST_KEPT
from twoface_pl.training.train import train


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_rate_that_is_far_too_high_ends_in_a_sentence(optimizer: str, prepared: Path, tmp_path: Path) -> None:
    high = {**OPTIMIZER, "kind": optimizer, "generator_lr": 1e30}
    module = tiny_module(losses=losses(adversarial=0), optimizer=high)
    with pytest.raises(TwoFaceError, match=r"the loss generator/reconstruction of batch 2 is not finite"):
        train(module, tiny_data(prepared), tiny_options(tmp_path, validate_every=4))
    assert not list(tmp_path.rglob("*.ckpt"))
    assert {path.name for path in (tmp_path / "not_finite").iterdir()} == {"0000002.png", "0000002.pt"}


def _spoil(module: InpaintingModule, network: torch.nn.Module, batch: int, value: float) -> None:
    """One weight of a network becomes ``value`` before a batch."""
    weight = next(network.parameters())

    def spoil(*_: object) -> None:
        if module.batches_done == batch - 1 and module.training:
            with torch.no_grad():
                weight.view(-1)[0] = value

    module.generator.register_forward_pre_hook(spoil)


class BrokenIdentity(IdentityNetwork):
    """Knows nobody: its first weight is not finite."""

    def __init__(self) -> None:
        super().__init__(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4)), "broken")
        torch.nn.init.constant_(next(self.parameters()), math.inf)

    def _preprocess(self, faces: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(faces, 2)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_each_network_that_breaks_is_named_and_the_last_good_checkpoint_stays(
    value: float, precision: str, prepared: Path, tmp_path: Path
) -> None:
    def run(module: InpaintingModule, name: str) -> TwoFaceError:
        options = tiny_options(tmp_path / name, max_batches=6, trainer={**CPU, "precision": precision})
        with pytest.raises(TwoFaceError) as ended:
            train(module, tiny_data(prepared), options)
        return ended.value

    module = tiny_module()
    assert module.discriminators is not None
    _spoil(module, module.discriminators.local_discriminator, 4, value)
    said = str(run(module, "local"))
    last = tmp_path / "local" / "last.ckpt"
    assert said.startswith("the loss discriminator/local of batch 4 is not finite")
    assert said.endswith(f"; 2 batches are saved in {last}")
    assert read_checkpoint(last)["batches_done"] == 2  # it refuses what is not finite
    broken = tiny_module(losses=losses(identity=0.1, adversarial=0), identity_network=BrokenIdentity())
    assert str(run(broken, "identity")).startswith("the loss generator/identity_truth of batch 1 is not finite")


def _bad_loss(monkeypatch: pytest.MonkeyPatch, *batches: int) -> None:
    """The generator's loss of some batches is infinite, its fill and its weights are in order."""
    learn = InpaintingModule._learn

    def spoilt(module: InpaintingModule, number: int, parts: Parts) -> dict:
        if number == 0 and module.batches_done + 1 in batches:
            weight, loss = parts["reconstruction"]
            parts["reconstruction"] = (weight, loss * math.inf)
        return learn(module, number, parts)

    monkeypatch.setattr(InpaintingModule, "_learn", spoilt)


def test_a_batch_is_left_out_counted_and_kept(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _bad_loss(monkeypatch, 3)
    weights = []
    monkeypatch.setattr(InpaintingModule, "_log", lambda module, _: weights.append(_copied(module.generator)))
    train(tiny_module(not_finite="skip"), tiny_data(prepared), tiny_options(tmp_path))
    assert _same(weights[1], weights[2])
    assert not _same(weights[2], weights[3])
    assert "1 batches were left out" in caplog.text
    assert read_checkpoint(tmp_path / "last.ckpt")["batches_skipped"] == 1
    kept = torch.load(tmp_path / "not_finite" / "0000003.pt", weights_only=True)
    assert kept["photo"].shape == (4, 64, 64, 3)
    assert (tmp_path / "not_finite" / "0000003.png").is_file()
    resumed = tiny_module(not_finite="skip")
    train(resumed, tiny_data(prepared), tiny_options(tmp_path, max_batches=5, resume=tmp_path / "last.ckpt"))
    assert resumed.batches_skipped == 1


def _copied(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_gradient_is_left_out_too(
    accumulate: int, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss that is in order, of whose gradients one is not."""
    module = tiny_module(not_finite="skip", optimizer={**OPTIMIZER, "accumulate": accumulate})
    weight = next(module.generator.parameters())
    weight.register_hook(lambda grad: grad * math.nan if module.batches_done == 1 else None)
    train(module, tiny_data(prepared), tiny_options(tmp_path))
    assert module.finite.skipped == set(range(3 - accumulate, 3))
    always = tiny_module(not_finite="skip", optimizer={**OPTIMIZER, "accumulate": accumulate})
    next(always.generator.parameters()).register_hook(lambda grad: grad * math.nan)
    with pytest.raises(TwoFaceError, match="and so were those of the 20 batches before"):
        train(always, tiny_data(prepared), tiny_options(tmp_path / "always", max_batches=60, validate_every=60))
    assert all(torch.isfinite(value).all() for value in module.state_dict().values())
    stops = tiny_module()
    next(stops.generator.parameters()).register_hook(lambda grad: grad * math.nan)
    with pytest.raises(TwoFaceError, match=r"the gradient of the generator of batch 1 is not finite .* looked at in "):
        train(stops, tiny_data(prepared), tiny_options(tmp_path / "stops"))


def test_leaving_out_ends_where_it_no_longer_helps(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _bad_loss(monkeypatch, *range(3, 99))
    options = tiny_options(tmp_path, max_batches=60, validate_every=60)
    with pytest.raises(TwoFaceError, match=r"of batch 23 is not finite .* and so were those of the 20 batches before"):
        train(tiny_module(not_finite="skip"), tiny_data(prepared), options)
    assert len(list((tmp_path / "not_finite").iterdir())) == 2 * (MOST_KEPT + 1)


def test_a_training_without_one_whole_batch_is_an_error(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _bad_loss(monkeypatch, *range(1, 99))
    with pytest.raises(TwoFaceError, match=r"no batch was whole: of all 4 a loss or gradient was left out, being not"):
        train(tiny_module(not_finite="skip"), tiny_data(prepared), tiny_options(tmp_path, max_batches=4))


def test_a_discriminator_that_has_won_ends_the_training(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_parts = Objective.discriminator_parts

    def won(objective: Objective, *given: Any) -> Parts:
        parts = of_parts(objective, *given)
        return {**parts, "local": (parts["local"][0], parts["local"][1] * (1 if given[-1] == 1 else 1e-4))}

    def run(folder: str, collapse_after: int | None) -> int:
        module = tiny_module(collapse_after=collapse_after)
        train(module, tiny_data(prepared), tiny_options(tmp_path / folder, max_batches=6))
        return module.batches_done

    monkeypatch.setattr(Objective, "discriminator_parts", won)
    said = "its loss discriminator/local has been next to nothing for 3 batches at batch 5, .*; 4 batches are saved in"
    with pytest.raises(TwoFaceError, match=said):
        run("stops", collapse_after=3)
    assert run("goes on", collapse_after=None) == 6
    assert run("patient", collapse_after=5) == 6
    without = losses()
    without["adversarial"]["local_weight"] = 0.0
    silent = tiny_module(losses=without, collapse_after=3)
    train(silent, tiny_data(prepared), tiny_options(tmp_path / "silent", max_batches=6))
    assert silent.batches_done == 6  # it teaches nothing anyway


def test_a_full_disk_does_not_hide_what_ended_the_training(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _bad_loss(monkeypatch, 1)
    (tmp_path / "not_finite").write_text("in the way")
    with pytest.raises(TwoFaceError, match="the loss generator/reconstruction of batch 1 is not finite"):
        train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path))
    assert "batch 1 is not kept" in caplog.text
    train(tiny_module(not_finite="skip"), tiny_data(prepared), tiny_options(tmp_path))


def test_batch_normalisation_remembers_what_is_left_out() -> None:
    facts = {"image_size": 128, "frame": {"name": "none"}, "mask": {"name": "center", "size": 32}, "run": "tests"}
    seed = {"name": "seed", "vgg_weights": "random"}
    with pytest.raises(TwoFaceError, match="not_finite=skip: a bad batch stays in the statistics"):
        tiny_module(not_finite="skip", generator=seed, discriminator=seed, facts=facts)


def test_a_word_that_is_no_way_to_go_on() -> None:
    with pytest.raises(TwoFaceError, match="not_finite=ignore is neither stop nor skip"):
        tiny_module(not_finite="ignore")
    with pytest.raises(TwoFaceError, match="collapse_after=0 is not a whole number from 1"):
        tiny_module(collapse_after=0)


def test_weights_that_break_without_a_loss_are_never_saved(prepared: Path, tmp_path: Path) -> None:
    """The last batch's step breaks them: no further loss shows it."""
    module = tiny_module()
    assert module.discriminators is not None
    broken = next(module.discriminators.parameters())

    def break_them(*_: object) -> None:
        if module.batches_done == 4 and not module.training:
            with torch.no_grad():
                broken.fill_(math.inf)

    module.generator.register_forward_pre_hook(break_them)
    with pytest.raises(
        TwoFaceError, match=r"after 4 batches, which is not saved: its discriminators\..*; 2 batches are saved"
    ):
        train(module, tiny_data(prepared), tiny_options(tmp_path))
    assert all(read_checkpoint(tmp_path / name)["batches_done"] == 2 for name in ("last.ckpt", "best.ckpt"))


def test_a_resume_refuses_what_is_not_finite(checkpoint: Path, prepared: Path, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    options = tiny_options(tmp_path / "run", max_batches=9, resume=tmp_path / "broken.ckpt")
    content["optimizer_states"][1]["state"][3]["exp_avg_sq"].fill_(math.inf)
    torch.save(content, tmp_path / "broken.ckpt")
    with pytest.raises(TwoFaceError, match=r"broken\.ckpt: its optimizer.*3\.exp_avg_sq is not finite"):
        train(tiny_module(), tiny_data(prepared), options)
    content["state_dict"]["generator.encoder.place"].fill_(math.inf)
    torch.save(content, tmp_path / "broken.ckpt")
    with pytest.raises(TwoFaceError, match=r"broken\.ckpt: its generator\.encoder\.place is not finite"):
        train(tiny_module(), tiny_data(prepared), options)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_picture_is_made_of_what_is_not_finite(value: float) -> None:
    images = torch.rand(2, 3, 8, 8)
    images[1, 2, 3, 4] = value
    with pytest.raises(TwoFaceError, match="the generator's fill holds numbers that are not finite"):
        to_uint8(images)


def test_a_warp_to_nowhere_is_not_differentiated_outside_its_pictures() -> None:
    """In training alone: the graph that is exported stays as it is."""
    warp = ReferenceWarp(8, 4).train()
    features = torch.full((1, 8, 8, 8), math.nan)
    pictures = torch.rand(1, 2, 3, 64, 64, requires_grad=True)
    for shift in (math.nan, math.inf):
        warp._sample(torch.full((1, 2, 2, 8, 8), shift, requires_grad=True), pictures).sum().backward()
        assert pictures.grad is not None
        assert torch.isfinite(pictures.grad).all()
    assert warp(features, torch.rand(2, 8, 8, 8), pictures)[0].isnan().all()  # and yet it is seen


def test_the_guard_changes_no_finite_warp() -> None:
    torch.manual_seed(0)
    generator = build_generator(GENERATOR)
    image, mask = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    mask[..., 20:40, 20:40] = 1
    references = torch.rand(2, 2, 3, 64, 64)
    trained, used = (generator.train(mode)(image * (1 - mask), mask, references) for mode in (True, False))
    assert torch.equal(trained, used)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["32-true", "16-mixed", "bf16-mixed"])
def test_on_a_gpu_the_next_batch_says_it(precision: str, prepared: Path, tmp_path: Path) -> None:
    module = tiny_module()
    _spoil(module, module.generator, 4, math.nan)
    trainer = {"accelerator": "gpu", "devices": 1, "precision": precision}
    with pytest.raises(TwoFaceError, match=r"of batch 4 is not finite .*; 2 batches are saved in"):
        train(module, tiny_data(prepared), tiny_options(tmp_path, max_batches=9, validate_every=2, trainer=trainer))
