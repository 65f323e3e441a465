"""Exported files opened under onnxruntime: what all of them have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnxruntime

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces import runtime
from twoface_pl.faces.detector import usable_cores
from twoface_pl.masks import build_mask_policy
from twoface_pl.model_file import INT8, ModelFacts, read_model
from twoface_pl.model_signature import signature

GPU_FILES = ("/dev/nvidiactl", "/dev/dxg")  # dxg: under WSL
TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int64)": "int64"}


def _providers(device: str) -> list[str]:
    """What to try, best first. Without a GPU, CUDA is not tried: it would only print its failure."""
    has_gpu = any(Path(name).exists() for name in GPU_FILES)
    if device == "cpu" or (device == "auto" and not has_gpu):
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return ["CPUExecutionProvider"]
    onnxruntime.preload_dlls()  # CUDA's libraries from the Python packages that torch brings
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def open_session(
    content: bytes, name: str, device: str, threads: int | None = None, quantised: bool = False
) -> onnxruntime.InferenceSession:
    """An onnxruntime session on ``cpu``, ``cuda``, or ``auto``: a GPU where one really works.

    On a CPU ``threads`` share an operator; None: as many as there are cores. ``quantised``: it computes in int8.

    Raises:
        TwoFaceError: as :func:`runtime.open_session`, or ``cuda`` was asked for and does not run.
    """
    session = runtime.open_session(content, name, threads or usable_cores(), _providers(device), quantised)
    if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise TwoFaceError("device cuda was asked for, but onnxruntime runs on the CPU; see `twoface doctor`")
    return session


def _check_signature(session: onnxruntime.InferenceSession, facts: ModelFacts, name: str, kind: str) -> None:
    """Refuse a graph whose inputs and outputs are not those of its kind."""
    takes, gives = signature(kind, facts)

    def sides(shape: object) -> tuple[int | None, ...]:
        return tuple(side if isinstance(side, int) else None for side in shape)  # type: ignore[attr-defined]

    for what, entries, wanted in (("inputs", session.get_inputs(), takes), ("outputs", session.get_outputs(), gives)):
        found = {entry.name: (TYPES.get(entry.type, entry.type), sides(entry.shape)) for entry in entries}
        if found != {known: (value.type, sides(value.shape)) for known, value in wanted.items()}:
            listed = ", ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in entries)
            raise TwoFaceError(f"{name}: its {what} are not those of a {kind}: {listed[:300]}")


class ModelSession(ABC):
    """An exported file, open.

    Args:
        path: the ONNX file.
        device, threads: see :func:`open_session`.

    Raises:
        TwoFaceError: not an export of this project, changed since, or one whose first answer cannot be right; says what
            is wrong.
    """

    kind: ClassVar[str]  # of the file, one of ``FILES``

    def __init__(self, path: Path, device: str = "auto", threads: int | None = None) -> None:
        self.path, self.threads = path, threads or usable_cores()
        model = read_model(path, self.kind)
        self.metadata, self.facts = model.metadata, model.facts
        self.image_size = self.facts.image_size
        self.frame = self.facts.frame
        policy = build_mask_policy(self.facts.default_mask)
        self.default_mask: np.ndarray = policy.draw(np.random.default_rng(0), self.image_size)
        quantised = self.metadata.get("stored") == INT8
        self.session = open_session(model.content, str(path), device, self.threads, quantised)
        _check_signature(self.session, self.facts, str(path), self.kind)
        self._try()

    @abstractmethod
    def _try(self) -> None:
        """Refuse a graph whose answer to a first picture cannot be right. The next one is faster for it."""

    @property
    def provider(self) -> str:
        """What onnxruntime really runs on."""
        return str(self.session.get_providers()[0])

    def check_mask(self, mask: np.ndarray) -> None:
        """Refuse a hole the generator cannot fill.

        Raises:
            TwoFaceError: it can fill only its default mask.
        """
        if self.facts.only_default_mask and not np.array_equal(mask, self.default_mask):
            raise TwoFaceError(
                f"generator '{self.facts.architecture.get('name')}' fills only its default mask "
                f"{self.metadata['default_mask']}; leave the mask out or use a model of generator 'ours'"
            )

    def check_references(self, count: int) -> None:
        """Refuse a number of references the generator cannot take.

        Raises:
            TwoFaceError: says how many it takes.
        """
        wanted = self.facts.references
        if count == 0 or wanted not in (None, count):
            raise TwoFaceError(f"{count} references; this model takes {wanted or '1 or more'}")
