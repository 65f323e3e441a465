"""The losses of a training: which there are, what switches each off, and what they leave in checkpoints."""

import csv
from pathlib import Path

import pytest
import torch
from conftest import losses, tiny_data, tiny_module, tiny_options

from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.checkpoint import read_checkpoint
from twoface_pl.networks.identity import IdentityNetwork, load_identity
from twoface_pl.training.train import train


def test_the_identity_network_is_used_and_stays_out_of_checkpoints(
    prepared: Path, identity_file: Path, tmp_path: Path
) -> None:
    identity = load_identity({"name": "synthetic", "weights": str(identity_file)})
    assert identity is not None
    before = {name: value.clone() for name, value in identity.state_dict().items()}
    module = tiny_module(losses=losses(identity=0.5), identity_network=identity)
    result = train(module, tiny_data(prepared), tiny_options(tmp_path))
    assert all(torch.equal(before[name], value) for name, value in identity.state_dict().items())
    assert not any("identity" in name for name in read_checkpoint(result.last)["state_dict"])
    logged = (tmp_path / "csv" / "version_0" / "metrics.csv").read_text()
    for name in (
        "generator/identity_truth",
        "generator/adversarial_global",
        "discriminator/local",
        "validation/psnr_in_hole",
    ):
        assert name in logged.splitlines()[0]


def test_an_identity_loss_needs_a_network() -> None:
    with pytest.raises(TwoFaceError, match="choose identity=facenet"):
        tiny_module(losses=losses(identity=0.5))


def _with(loss: str, **options: object) -> dict:
    changed = losses()
    changed[loss] |= options
    return changed


def test_bad_losses() -> None:
    bad = losses()
    bad["identity"]["against"] = "truth"
    with pytest.raises(TwoFaceError, match=r"losses\.identity: unknown or missing: against; there are: hardened"):
        tiny_module(losses=bad)
    bad = losses(reconstruction=1.0)
    bad["identity"] |= {"weight": 0.5, "truth": 0.0}
    with pytest.raises(TwoFaceError, match="one of truth and reference must be above 0"):
        tiny_module(losses=bad)
    for name, kind in (("adversarial", "hing"), ("identity", "cosin"), ("reconstruction", "l2")):
        with pytest.raises(TwoFaceError, match=rf"losses\.{name}\.kind={kind} is not one of"):
            tiny_module(losses=_with(name, kind=kind))
    with pytest.raises(TwoFaceError, match=r"r1_every=0 is not a whole number from 1"):
        tiny_module(losses=_with("adversarial", r1_every=0))
    with pytest.raises(TwoFaceError, match=r"references\.none=2 is not a number from 0 to 1"):
        tiny_module(without_reference=2)
    with pytest.raises(TwoFaceError, match=r"log_every=0 is not a whole number from 1"):
        tiny_module(log_every=0)
    with pytest.raises(TwoFaceError, match=r"losses\.perceptual\.close_ups=1\.5 is not a number from 0 to 1"):
        tiny_module(losses=losses(perceptual={"close_ups": 1.5}))


@pytest.mark.parametrize(
    ("loss", "option", "value"),
    [
        ("reconstruction", "weight", "much"),
        ("reconstruction", "rim_width", -1),
        ("reconstruction", "rim_weight", float("inf")),
        ("perceptual", "weight", float("nan")),
        ("perceptual", "size", 10**6),
        ("adversarial", "local_weight", -0.1),
        ("adversarial", "r1_every", 1.5),
        ("identity", "weight", True),
        ("identity", "share", None),
        ("identity", "start", "late"),
    ],
)
def test_an_option_of_a_loss_that_is_no_number(loss: str, option: str, value: object) -> None:
    with pytest.raises(TwoFaceError, match=rf"^losses\.{loss}\.{option}={value} is not a (whole )?number from"):
        tiny_module(losses=_with(loss, **{option: value}))


def test_every_loss_is_logged_and_one_option_switches_it_off(
    prepared: Path, identity_file: Path, tmp_path: Path
) -> None:
    identity = load_identity({"name": "synthetic", "weights": str(identity_file)})
    weights = {
        "generator/perceptual": ("perceptual", {"weight": 0.1}, {"weight": 0.0}),
        "generator/identity_truth": ("identity", {"weight": 0.1, "reference": 0.5}, {"truth": 0.0}),
        "generator/identity_reference": ("identity", {"hardened": True}, {"reference": 0.0}),
        "discriminator/r1": ("adversarial", {"r1_weight": 0.1, "kind": "hinge"}, {"r1_weight": 0.0}),
        "generator/adversarial_local": ("adversarial", {}, {"global_weight": 0.0, "local_weight": 0.0}),
    }
    everything = losses()
    for loss, on, _ in weights.values():
        everything[loss] |= on

    def logged(name: str, options: dict) -> str:
        module = tiny_module(losses=options, identity_network=identity)
        train(module, tiny_data(prepared), tiny_options(tmp_path / name, max_batches=1, validate_every=1))
        return (tmp_path / name / "csv" / "version_0" / "metrics.csv").read_text().splitlines()[0]

    assert all(figure in logged("all", everything) for figure in weights)
    for number, (figure, (loss, _, off)) in enumerate(weights.items()):
        assert figure not in logged(str(number), {**everything, loss: {**everything[loss], **off}})


class CountingIdentity(IdentityNetwork):
    """Embeds by mean colours and counts the faces it sees."""

    def __init__(self) -> None:
        super().__init__(torch.nn.Flatten(), "counting")
        self.seen: list[int] = []

    def _preprocess(self, faces: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(faces))
        return torch.nn.functional.adaptive_avg_pool2d(faces, 2)


def test_the_recogniser_may_see_a_share_of_each_batch(prepared: Path, tmp_path: Path) -> None:
    network = CountingIdentity()
    options = losses(identity=0.5, adversarial=0)
    options["identity"] |= {"share": 0.4, "reference": 1.0}
    module = tiny_module(losses=options, identity_network=network)
    train(module, tiny_data(prepared), tiny_options(tmp_path, max_batches=1, validate_every=1))
    assert network.seen == [2, 2, 2]  # of 4 photos: fill, truth, reference
    options["identity"]["share"] = 0
    with pytest.raises(TwoFaceError, match=r"losses\.identity\.share=0 is no share"):
        tiny_module(losses=options, identity_network=network)


def test_a_loss_may_start_late(prepared: Path, identity_file: Path, tmp_path: Path) -> None:
    identity = load_identity({"name": "synthetic", "weights": str(identity_file)})
    late = losses(identity=0.1)
    late["perceptual"] |= {"weight": 0.1, "start": 1}
    late["identity"] |= {"start": 2}
    late["adversarial"] |= {"start": 3}
    module = tiny_module(losses=late, identity_network=identity)
    train(module, tiny_data(prepared), tiny_options(tmp_path, max_batches=4, validate_every=4))
    rows = csv.DictReader((tmp_path / "csv" / "version_0" / "metrics.csv").open())
    by_batch = {int(row["step"]): row for row in rows if row["generator/reconstruction"]}
    for figure, start in (
        ("generator/perceptual", 1),
        ("generator/identity_truth", 2),
        ("generator/adversarial_local", 3),
        ("discriminator/local", 3),
    ):
        assert [bool(by_batch[batch + 1][figure]) for batch in range(4)] == [batch >= start for batch in range(4)]
