"""Speed of both generators in one run: a whole training step, and onnxruntime at batch 1.

    make bench

Weights are random, which changes no time. The training step is the real one: generator, both
discriminators and FaceNet's identity loss, from batches that lie in memory.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from facenet_pytorch import InceptionResnetV1
from pytorch_lightning.callbacks import Callback
from torch.utils.data import DataLoader

from twoface_pl.export.export import export
from twoface_pl.faces.frame import FrameKind
from twoface_pl.networks.checkpoint import TrainedGenerator
from twoface_pl.networks.identity import FaceNet
from twoface_pl.serving.session import FillSession
from twoface_pl.training.module import InpaintingModule

SIZE = 128
TURNS, WARM_UP = 5, 3  # of inference
MASK = {"name": "center", "size": 32}
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "seed": ({"name": "seed", "vgg_weights": "random"}, {"name": "seed", "vgg_weights": "random"}),
    "ours": ({"name": "ours"}, {"name": "conv"}),
}


LOSSES: dict[str, dict[str, Any]] = {
    "reconstruction": {"weight": 1.0, "kind": "l1", "rim_weight": 0.0, "rim_width": 0},
    "perceptual": {"weight": 0.0, "size": 64, "margin": 0.125, "vgg_weights": "random", "vgg_preprocess": "raw"},
    "adversarial": {
        "kind": "non_saturating", "global_weight": 0.005, "local_weight": 0.01, "discriminator_weight": 1.0,
        "r1_weight": 0.0, "r1_every": 16, "start": 0,
    },
    "identity": {"weight": 0.1, "kind": "cosine", "truth": 1.0, "reference": 0.0, "hardened": False},
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


def _module(name: str) -> InpaintingModule:
    generator, discriminator = NETWORKS[name]
    return InpaintingModule(
        generator=generator,
        discriminator=discriminator,
        losses=LOSSES,
        optimizer={"generator_lr": 1e-4, "discriminator_lr": 1e-4, "betas": [0.5, 0.99], "decay_batches": None},
        facts={"image_size": SIZE, "frame": {"name": "none"}, "mask": MASK, "run": "benchmark"},
        identity_network=FaceNet(InceptionResnetV1(pretrained=None), "facenet"),
    )


def _sample() -> dict[str, torch.Tensor]:
    photos = {name: torch.randint(0, 256, (SIZE, SIZE, 3), dtype=torch.uint8) for name in ("photo", "real")}
    photos["references"] = torch.randint(0, 256, (1, SIZE, SIZE, 3), dtype=torch.uint8)
    mask = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    mask[48:80, 48:80] = True
    return {**photos, "mask": mask, "broken": torch.tensor(0)}


def training_step_seconds(name: str, batch: int, steps: int, accelerator: str, precision: str) -> float:
    """Median seconds of a whole training step."""
    times = _StepTimes()
    samples = [_sample()] * (batch * (steps + 2))
    trainer = L.Trainer(
        accelerator=accelerator, devices=1, precision=precision, max_epochs=1, logger=False, callbacks=[times],
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(_module(name), DataLoader(samples, batch, drop_last=True))
    return times.median(warm_up=1)


def inference_seconds(rounds: int) -> dict[str, float]:
    """Median seconds of one picture under onnxruntime on the CPU, both networks in turns."""
    rng = np.random.default_rng(0)
    image, reference = rng.random((2, 1, SIZE, SIZE, 3), np.float32)
    times: dict[str, list[float]] = {name: [] for name in NETWORKS}
    with tempfile.TemporaryDirectory() as folder:
        sessions = {}
        for name in NETWORKS:
            generator = _module(name).generator.eval().requires_grad_(False)
            trained = TrainedGenerator(generator, NETWORKS[name][0], SIZE, FrameKind("none"), MASK, "benchmark", 0)
            sessions[name] = FillSession(export(trained, Path(folder) / f"{name}.onnx").path, "cpu")
        # In turns, each for a while: a picture at a time would empty the caches for the other network.
        for _ in range(TURNS):
            for name, session in sessions.items():
                for number in range(WARM_UP + rounds // TURNS):
                    start = time.perf_counter()
                    session.fill(image, session.default_mask[None], reference)
                    if number >= WARM_UP:
                        times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--precision", default="32-true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    steps = {
        name: training_step_seconds(name, options.batch, options.steps, options.accelerator, options.precision)
        for name in NETWORKS
    }
    inference = inference_seconds(options.rounds)
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"training: batch {options.batch}, {options.accelerator}, {options.precision}")
    for name in NETWORKS:
        rate = options.batch / steps[name]
        print(f"{name:6} training step {rate:6.1f} images/s   onnxruntime, batch 1 {1000 * inference[name]:6.1f} ms")
    print(
        f"ours against seed: training {steps['seed'] / steps['ours']:.2f}x, "
        f"inference {inference['seed'] / inference['ours']:.2f}x as fast"
    )


if __name__ == "__main__":
    main()
