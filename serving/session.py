"""An exported generator under onnxruntime."""

from __future__ import annotations

import math
import os
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces import runtime
from twoface_pl.faces.detector import usable_cores
from twoface_pl.faces.finder import FaceFinder
from twoface_pl.faces.reading import first_line, shortened
from twoface_pl.masks import build_mask_policy
from twoface_pl.model_file import (
    ADVICE,
    INPUTS,
    OUTPUT,
    OWN_SIZE_OUTPUT,
    SIZE_STEP,
    ModelFacts,
    is_version,
    read_model,
)

GPU_FILES = ("/dev/nvidiactl", "/dev/dxg")  # dxg: under WSL
LARGEST_FILLED = 1536  # pixels a side with one reference: half a gigabyte; larger frames are enlarged from there
TOLERANCE = 1e-3  # of what a fill may be beside [0, 1] and beside the picture: a quarter of a step of 8 bits


def find_model(path: Path) -> Path:
    """A model's file: the path itself, or the highest numbered version in a folder.

    Raises:
        TwoFaceError: nothing there.
    """
    if os.path.isdir(path):  # unlike Path's, false for a name that is too long
        versions = [entry for entry in path.iterdir() if is_version(entry.name) and (entry / "model.onnx").is_file()]
        if versions:
            return max(versions, key=lambda entry: int(entry.name)) / "model.onnx"
    elif os.path.lexists(path):
        return path
    raise TwoFaceError(f"no model at {shortened(path)}; {ADVICE}, or give --model <file.onnx or folder>")


def _providers(device: str) -> list[str]:
    """What to try, best first. Without a GPU, CUDA is not tried: it would only print its failure."""
    has_gpu = any(Path(name).exists() for name in GPU_FILES)
    if device == "cpu" or (device == "auto" and not has_gpu):
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return ["CPUExecutionProvider"]
    onnxruntime.preload_dlls()  # CUDA's libraries from the Python packages that torch brings
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def open_session(content: bytes, name: str, device: str) -> onnxruntime.InferenceSession:
    """An onnxruntime session on ``cpu``, ``cuda``, or ``auto``: a GPU where one really works.

    Raises:
        TwoFaceError: as :func:`runtime.open_session`, or ``cuda`` was asked for and does not run.
    """
    session = runtime.open_session(content, name, usable_cores(), _providers(device))
    if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise TwoFaceError("device cuda was asked for, but onnxruntime runs on the CPU; see `twoface doctor`")
    return session


def _check_signature(session: onnxruntime.InferenceSession, facts: ModelFacts, name: str) -> None:
    """Refuse a graph whose inputs and outputs are not a generator's; None in a shape stands for any number."""
    own = facts.image_size
    size = None if facts.any_size else own
    shapes = ((None, size, size, 3), (None, size, size, 1), (None, facts.references, size, size, 3))
    gives = {OUTPUT: shapes[0]} | ({OWN_SIZE_OUTPUT: (None, own, own, 3)} if facts.any_size else {})
    for what, entries, wanted in (
        ("inputs", session.get_inputs(), dict(zip(INPUTS, shapes, strict=True))),
        ("outputs", session.get_outputs(), gives),
    ):
        found = {
            entry.name: tuple(side if isinstance(side, int) else None for side in entry.shape)
            for entry in entries
            if entry.type == "tensor(float)"
        }
        if found != wanted or len(entries) != len(wanted):
            listed = ", ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in entries)
            raise TwoFaceError(f"{name}: its {what} are not those of a generator of {own} px: {listed[:300]}")


class FillError(TwoFaceError):
    """The model failed, not what it was given to fill."""


class FillSession:
    """Fills batches of pictures with an exported generator.

    Args:
        path: the ONNX file.
        device: see :func:`open_session`.

    Raises:
        TwoFaceError: not an export of this project, changed since, or one that fills no picture; says what is wrong.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        self.path = path
        model = read_model(path)
        self.metadata, self.facts = model.metadata, model.facts
        self.image_size = self.facts.image_size
        self.frame = self.facts.frame
        policy = build_mask_policy(self.facts.default_mask)
        self.session = open_session(model.content, str(path), device)
        _check_signature(self.session, self.facts, str(path))
        self.default_mask: np.ndarray = policy.draw(np.random.default_rng(0), self.image_size)
        self.finder = FaceFinder(usable_cores())
        for size in sorted({self.image_size, self.fitting_size(2 * self.image_size)}):
            self._try(size)

    def _try(self, size: int) -> None:
        """Fill one picture; what is not as every generator's answer is refused. The next one is faster for it."""
        rng = np.random.default_rng(0)
        mask = self.hole_at(size)
        image, *references = rng.random((1 + (self.facts.references or 1), *mask.shape, 3), np.float32)
        feeds = self._feeds(image[None], mask[None], np.stack(references)[None])
        (filled,) = runtime.first_run(self.session, feeds, str(self.path), self._wanted(size))
        kept = ~mask
        if filled.shape != image[None].shape:
            problem = f"of shape {filled.shape}, not {image[None].shape}"
        elif not np.isfinite(filled).all():
            problem = "not finite"
        elif filled.min() < -TOLERANCE or filled.max() > 1 + TOLERANCE:
            problem = f"from {filled.min():.3g} to {filled.max():.3g}, not within [0, 1]"
        elif np.abs(filled[0][kept] - image[kept]).max() > TOLERANCE:
            problem = "changed outside the hole"
        else:
            return
        raise TwoFaceError(f"{self.path}: its fill of a picture is {problem}; get the file anew, or export again")

    @property
    def provider(self) -> str:
        """What onnxruntime really runs on."""
        return str(self.session.get_providers()[0])

    def fitting_size(self, side: float, references: int = 1) -> int:
        """Pixels a side at which a frame of ``side`` pixels of a photo is filled: its own size where the model takes
        it and memory allows."""
        if not self.facts.any_size:
            return self.image_size
        most = min(LARGEST_FILLED / math.sqrt((1 + references) / 2), self.facts.largest_size)
        return max(self.image_size, round(min(side, most) / SIZE_STEP) * SIZE_STEP)

    def hole_at(self, size: int) -> np.ndarray:
        """The default mask, bool (size, size)."""
        mask = self.default_mask.astype(np.uint8)
        return cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST) > 0

    def _wanted(self, size: int) -> list[str]:
        """The output to ask for: at the generator's own size its fill needs no more."""
        return [OWN_SIZE_OUTPUT if self.facts.any_size and size == self.image_size else OUTPUT]

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

    def _feeds(self, images: np.ndarray, masks: np.ndarray, references: np.ndarray) -> dict[str, np.ndarray]:
        holes = masks.astype(np.float32)[..., None]
        return dict(zip(INPUTS, (images * (1 - holes), holes, references), strict=True))

    def fill(self, images: np.ndarray, masks: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Fill a batch. A photo in grey, or in one tone, stays so, whatever colours its references have.

        Args:
            images: float32 (N, S, S, 3) in [0, 1], S of :meth:`fitting_size`; what is in the hole does not matter.
            masks: bool or float32 (N, S, S), 1 = hole.
            references: float32 (N, R, S, S, 3) in [0, 1], or (N, S, S, 3) for one of each.

        Returns:
            float32 (N, S, S, 3) in [0, 1]; outside the hole just ``images``.

        Raises:
            TwoFaceError: a number of references that this model cannot take.
            FillError: it fails, for want of memory above all, or its fill is not finite.
        """
        if references.ndim == 4:
            references = references[:, None]
        self.check_references(references.shape[1])
        try:
            feeds = self._feeds(images, masks, references)
            (filled,) = self.session.run(self._wanted(images.shape[1]), feeds, runtime.run_options())
        except Exception as error:  # onnxruntime raises classes of its own, with no common base
            raise FillError(f"{self.path}: cannot fill these pictures: {first_line(error)}") from None
        if not np.isfinite(filled).all():
            raise FillError(f"{self.path}: its fill of these pictures is not finite; this model cannot fill them")
        return np.where(masks[..., None] > 0, filled, images)  # a mask may blend

    def fill_uint8(self, images: np.ndarray, masks: np.ndarray, references: np.ndarray) -> np.ndarray:
        """As :meth:`fill`, for uint8 pictures in and out."""
        image, reference = (np.divide(each, np.float32(255), dtype=np.float32) for each in (images, references))
        return np.round(self.fill(image, masks, reference) * 255).astype(np.uint8)
