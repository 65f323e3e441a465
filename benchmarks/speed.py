"""Speed of both generators in one run: a training step with its parts, and onnxruntime at batch 1.

    make bench          both
    make bench-train    only the training step, in fp32 and bf16

Weights are random, which changes no time. The training step is the real one, from batches that lie in
memory: generator and discriminators alone, then with the perceptual loss (ours only; 2018 had none), then
with FaceNet's identity loss too: the whole step.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import platform
import resource
import statistics
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from facenet_pytorch import InceptionResnetV1
from pytorch_lightning.callbacks import Callback
from torch.utils.data import DataLoader

from twoface_pl.export.export import export
from twoface_pl.export.timing import median_of_turns
from twoface_pl.faces.frame import FrameKind
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.identity import FaceNet
from twoface_pl.serving.fill import FillSession
from twoface_pl.training.module import InpaintingModule

SIZE = 128
FULL_SIZE, AT_FULL_SIZE = 768, "ours at 768 px"  # of a large face in a photo
TURNS = 5  # of inference
MASK = {"name": "center", "size": 32}
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "seed": ({"name": "seed", "vgg_weights": "random"}, {"name": "seed", "vgg_weights": "random"}),
    "ours": ({"name": "ours"}, {"name": "conv"}),
}
OPTIMIZERS = {"seed": "adam", "ours": "muon"}  # each as its own experiment trains it

LOSSES: dict[str, dict[str, Any]] = {
    "reconstruction": {"weight": 1.0, "kind": "l1", "rim_weight": 0.0, "rim_width": 0},
    "perceptual": {
        "weight": 0.0, "size": 48, "margin": 0.125, "close_ups": 0.5, "vgg_weights": "random",
        "vgg_preprocess": "raw", "start": 0,
    },
    "adversarial": {
        "kind": "non_saturating", "global_weight": 0.005, "local_weight": 0.01, "discriminator_weight": 1.0,
        "r1_weight": 0.0, "r1_every": 16, "start": 0,
    },
    "identity": {
        "weight": 0.1, "kind": "cosine", "truth": 1.0, "reference": 0.0, "share": 1.0, "hardened": True, "start": 0,
    },
    "distillation": {"weight": 0.0, "teacher": None, "kind": "l1", "start": 0},
}  # fmt: skip


class _StepTimes(Callback):
    def __init__(self) -> None:
        self.ends = [0.0]

    def on_train_batch_end(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())

    def median(self, warm_up: int) -> float:
        ends = self.ends[1 + warm_up :]
        return statistics.median(after - before for before, after in itertools.pairwise(ends))


PARTS: dict[str, dict[str, float]] = {  # weights of the losses that a step has beside reconstruction and adversarial
    "generator and discriminators": {"perceptual": 0.0, "identity": 0.0},
    "with the perceptual loss": {"perceptual": 0.1, "identity": 0.0},
    "the whole step": {"perceptual": 0.1, "identity": 0.1},
}


def _losses(name: str, part: str) -> dict[str, dict[str, Any]]:
    weights = {**PARTS[part], **({"perceptual": 0.0} if name == "seed" else {})}
    return {
        loss: {**options, **({"weight": weights[loss]} if loss in weights else {})} for loss, options in LOSSES.items()
    }


def _module(name: str, part: str = "generator and discriminators") -> InpaintingModule:
    generator, discriminator = NETWORKS[name]
    return InpaintingModule(
        generator=generator,
        discriminator=discriminator,
        losses=_losses(name, part),
        optimizer={
            "kind": OPTIMIZERS[name],
            "generator_lr": 1e-4,
            "discriminator_lr": 1e-4,
            "betas": [0.5, 0.99],
            "decay_batches": None,
        },
        facts={"image_size": SIZE, "frame": {"name": "none"}, "mask": MASK, "run": "benchmark"},
        identity_network=FaceNet(InceptionResnetV1(pretrained=None), "facenet"),
    )


def _sample() -> dict[str, torch.Tensor]:
    photos = {name: torch.randint(0, 256, (SIZE, SIZE, 3), dtype=torch.uint8) for name in ("photo", "real")}
    photos["references"] = torch.randint(0, 256, (1, SIZE, SIZE, 3), dtype=torch.uint8)
    mask = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    mask[48:80, 48:80] = True
    return {**photos, "mask": mask, "broken": torch.tensor(0)}


def training_step_seconds(name: str, part: str, batch: int, steps: int, accelerator: str, precision: str) -> float:
    """Median seconds of a training step."""
    times = _StepTimes()
    samples = [_sample()] * (batch * (steps + 2))
    trainer = L.Trainer(
        accelerator=accelerator, devices=1, precision=precision, max_epochs=1, logger=False, callbacks=[times],
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(_module(name, part), DataLoader(samples, batch, drop_last=True))
    return times.median(warm_up=1)


def inference_seconds(rounds: int) -> dict[str, float]:
    """Median seconds of one picture under onnxruntime on the CPU, both networks and ours at full size in turns."""
    rng = np.random.default_rng(0)
    pictures = {size: rng.random((2, 1, size, size, 3), np.float32) for size in (SIZE, FULL_SIZE)}
    at_sizes = {**dict.fromkeys(NETWORKS, SIZE), AT_FULL_SIZE: FULL_SIZE}
    with tempfile.TemporaryDirectory() as folder:
        sessions = {}
        for name in NETWORKS:
            generator = _module(name).generator.eval().requires_grad_(False)
            trained = TrainedGenerator(generator, NETWORKS[name][0], SIZE, FrameKind("none"), MASK, "benchmark", 0)
            sessions[name] = FillSession(export(trained, Path(folder) / name).path, "cpu")
        sessions[AT_FULL_SIZE] = sessions["ours"]
        runs = {}
        for name, session in sessions.items():
            image, reference = pictures[at_sizes[name]]
            runs[name] = partial(session.fill, image, session.hole_at(at_sizes[name])[None], reference)
        return median_of_turns(runs, rounds // TURNS, TURNS)


def print_training(batch: int, steps: int, accelerator: str, precision: str) -> None:
    """Images a second of both networks, part by part, and how much of the whole step each part is."""
    print(f"training: batch {batch}, {accelerator}, {precision}; images/s (ms an image)")
    before = 0.0
    spent: dict[str, float] = {}
    for part in PARTS:
        seconds = {name: training_step_seconds(name, part, batch, steps, accelerator, precision) for name in NETWORKS}
        rates = "   ".join(f"{name} {batch / took:6.1f} ({1000 * took / batch:5.1f})" for name, took in seconds.items())
        print(f"  {part:30} {rates}   ours {seconds['seed'] / seconds['ours']:.2f}x", flush=True)
        spent[part], before = seconds["ours"] - before, seconds["ours"]
    shares = ", ".join(f"{part.removeprefix('with the ')} {took / before:.0%}" for part, took in spent.items())
    print(f"  of ours, what each line adds: {shares}")
    print(f"  {'memory, high-water mark':30} {_peak_gigabytes(accelerator):.1f} GB")


def _peak_gigabytes(accelerator: str) -> float:
    if accelerator == "gpu":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def print_inference(rounds: int) -> None:
    """Milliseconds a picture of both networks."""
    took = inference_seconds(rounds)
    times = "   ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in took.items())
    print(f"onnxruntime, batch 1: {times}   ours {took['seed'] / took['ours']:.2f}x")
    beyond = took[AT_FULL_SIZE] - took["ours"]
    print(
        f"  detail of a frame of {FULL_SIZE} px: {1000 * beyond:.1f} ms beyond that, {beyond / took['ours']:.2f}x of it"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--precisions", nargs="*", default=["32-true", "bf16-mixed"])
    parser.add_argument("--no-inference", action="store_true", help="only the training step")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):  # they would bury the figures
        logging.getLogger(name).setLevel(logging.ERROR)
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    if not options.no_inference:
        print_inference(options.rounds)
    for precision in options.precisions:
        print_training(options.batch, options.steps, options.accelerator, precision)


if __name__ == "__main__":
    main()
