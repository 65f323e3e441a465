"""SFace under onnxruntime: an identity embedding of a face, given its landmarks (Zhong et al. 2021)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.frame import Frame, fit_frame

# ArcFace's five points (Deng et al. 2019), on which SFace was trained.
LANDMARKS = np.array([(38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)]) / 112
SIZE = 112


class SFace:
    """A face recogniser for judging and sorting; it takes its file from the user.

    Args:
        weights: the ONNX file, with one input N x 3 x 112 x 112, RGB 0..255.
        threads: of onnxruntime; one where several processes share the work.

    Raises:
        TwoFaceError: not an ONNX file, or a model of another kind.
    """

    def __init__(self, weights: Path, threads: int = 1) -> None:
        import onnxruntime  # takes a moment, and most who come here never judge

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own, with no common base
            raise TwoFaceError(f"recogniser sface: {weights} is not an ONNX model: {str(error)[:200]}") from None
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or list(inputs[0].shape[1:]) != [3, SIZE, SIZE] or inputs[0].type != "tensor(float)":
            shapes = ", ".join(f"{entry.name} {entry.shape}" for entry in inputs)
            raise TwoFaceError(f"recogniser sface: {weights} is another model: its input is {shapes}")
        self._input = inputs[0].name
        found = self._run(np.zeros((SIZE, SIZE, 3), np.uint8))
        if found.ndim != 1:
            raise TwoFaceError(f"recogniser sface: {weights} is another model: its output is {list(found.shape)}")

    def _run(self, crop: np.ndarray) -> np.ndarray:
        feeds = {self._input: crop.transpose(2, 0, 1)[None].astype(np.float32)}
        return np.asarray(self._session.run(None, feeds)[0])[0]

    def place(self, landmarks: np.ndarray) -> Frame:
        """Where it looks, for landmarks (5, 2) in pixels."""
        return fit_frame(LANDMARKS, landmarks)

    def embed(self, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """The unit identity embedding (D,) of a face.

        Args:
            pixels: uint8 RGB (H, W, 3).
            landmarks: (5, 2) in pixels: eyes, nose, mouth corners, the picture's left first.
        """
        found = self._run(self.place(landmarks).crop(pixels, SIZE))
        return found / max(float(np.linalg.norm(found)), 1e-12)
