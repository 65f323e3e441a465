"""What a GPU would be asked, without one: tensors that have a device and a shape, and no values.

An operation on tensors of two devices fails in them as on a GPU; so does whatever waits for a GPU's value, which would
stall each step.
"""

import pytest
import torch
from conftest import DISCRIMINATOR, GENERATOR, SIZE, losses, tiny_module
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from twoface_pl.networks.build import build_generator
from twoface_pl.networks.identity import IdentityNetwork
from twoface_pl.training.module import InpaintingModule
from twoface_pl.training.objective import weighted_sum

GPU = torch.device("cuda:0")
COUNT = 4


class Colours(IdentityNetwork):
    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Flatten(), nn.Linear(12, 8)), "colours")

    def _preprocess(self, faces: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(faces, 2)


@pytest.fixture(scope="module")
def mode() -> FakeTensorMode:
    return FakeTensorMode()


def _to_gpu(network: nn.Module, mode: FakeTensorMode) -> None:
    """Its weights, as they would lie there: moving them needs a GPU, making them does not."""
    with mode:
        for part in network.modules():
            for name, weight in part._parameters.items():
                if weight is not None:
                    there = torch.empty_strided(weight.shape, weight.stride(), device=GPU)
                    part._parameters[name] = nn.Parameter(there, weight.requires_grad)
            for name, buffer in part._buffers.items():
                if buffer is not None:
                    part._buffers[name] = torch.empty_strided(
                        buffer.shape, buffer.stride(), dtype=buffer.dtype, device=GPU
                    )


@pytest.fixture(scope="module")
def module(mode: FakeTensorMode) -> InpaintingModule:
    """With every loss, on the GPU."""
    options = losses(
        identity=0.4,
        reconstruction=0.06,
        perceptual={"weight": 0.1},
        distillation={"weight": 1.0, "teacher": "a file"},
    )
    options["identity"] |= {"share": 0.5, "reference": 0.5}
    options["reconstruction"] |= {"kind": "log", "rim_weight": 1.0, "rim_width": 2}
    teacher, identity = build_generator(GENERATOR).eval().requires_grad_(False), Colours()
    identity(torch.rand(1, 3, SIZE, SIZE))  # it looks at its first faces' range, and only at theirs
    module = tiny_module(
        losses=options, discriminator=DISCRIMINATOR, identity_network=identity, teacher=teacher, ema=0.9
    )
    assert module.discriminators is not None
    assert module.average is not None
    frozen = [module.objective.identity_network, module.objective.vgg, module.objective.teacher]
    for network in (module.generator, module.discriminators, module.average.module, *frozen):
        assert network is not None
        _to_gpu(network, mode)
    return module


def test_a_step_stays_on_its_device_and_never_waits_for_it(module: InpaintingModule, mode: FakeTensorMode) -> None:
    assert module.discriminators is not None
    random = torch.Generator().manual_seed(0)
    with mode:
        photo, real = (torch.rand(COUNT, 3, SIZE, SIZE, device=GPU) for _ in range(2))
        references = torch.rand(COUNT, 1, 3, SIZE, SIZE, device=GPU)
        mask = (torch.rand(COUNT, 1, SIZE, SIZE, device=GPU) > 0.5).float()
        filled = module.generator(photo * (1 - mask), mask, references)
        judged = module.objective.discriminator_parts(module.discriminators, real, filled.detach(), mask, 1)
        given = filled, photo, references, mask, random, 1, 0.5
        parts = module.objective.generator_parts(module.discriminators, *given)
        assert set(judged) | set(parts) == {
            "global", "local", "reconstruction", "perceptual", "adversarial_global", "adversarial_local",
            "identity_truth", "identity_reference", "distillation",
        }  # fmt: skip
        assert {weighted_sum(each).device for each in (judged, parts)} == {GPU}
        for network in (module.generator, module.discriminators):
            for weight in network.parameters():
                weight.grad = torch.empty_like(weight)
        for optimizer in module.configure_optimizers():
            optimizer.step()
        assert module.average is not None
        module.average.follow(module.generator, 3)


def test_these_tensors_tell_what_would_go_wrong(mode: FakeTensorMode) -> None:
    with mode:
        there = torch.rand(3, device=GPU)
        with pytest.raises(RuntimeError, match="at least two devices"):
            there + torch.rand(3)
        with pytest.raises(DataDependentOutputException):
            float(there.sum())
