"""An exported generator under onnxruntime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.detector import FaceDetector, usable_cores
from twoface_pl.faces.frame import FrameKind
from twoface_pl.masks import build_mask_policy
from twoface_pl.model_file import FORMAT, INPUTS

GPU_FILES = ("/dev/nvidiactl", "/dev/dxg")  # dxg: under WSL


def find_model(path: Path) -> Path:
    """A model's file: the path itself, or the highest numbered version in a folder.

    Raises:
        TwoFaceError: nothing there.
    """
    if path.is_file():
        return path
    if path.is_dir():
        versions = [entry for entry in path.iterdir() if entry.name.isdigit() and (entry / "model.onnx").is_file()]
        if versions:
            return max(versions, key=lambda entry: int(entry.name)) / "model.onnx"
    raise TwoFaceError(f"no model at {path}; make one with `twoface export`, or give --model <file.onnx or folder>")


def _providers(device: str) -> list[str]:
    """What to try, best first. Without a GPU, CUDA is not tried: it would only print its failure."""
    has_gpu = any(Path(name).exists() for name in GPU_FILES)
    if device == "cpu" or (device == "auto" and not has_gpu):
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return ["CPUExecutionProvider"]
    onnxruntime.preload_dlls()  # CUDA's libraries from the Python packages that torch brings
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def open_session(model: Path | bytes, device: str) -> onnxruntime.InferenceSession:
    """An onnxruntime session on ``cpu``, ``cuda``, or ``auto``: a GPU where one really works.

    Raises:
        TwoFaceError: not an ONNX file, or ``cuda`` was asked for and does not run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    try:
        session = onnxruntime.InferenceSession(source, options, providers=_providers(device))
    except Exception as error:  # onnxruntime raises classes of its own, with no common base
        first = str(error).splitlines()[0][:200]
        raise TwoFaceError(
            f"{model if isinstance(model, Path) else 'model'}: cannot be opened as an ONNX model: {first}"
        ) from None
    if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise TwoFaceError("device cuda was asked for, but onnxruntime runs on the CPU; see `twoface doctor`")
    return session


class FillSession:
    """Fills batches of pictures with an exported generator.

    Args:
        path: the ONNX file.
        device: see :func:`open_session`.

    Raises:
        TwoFaceError: not an export of this project; it names what is wrong.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        self.path = path
        self.session = open_session(path, device)
        self.metadata: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        if self.metadata.get("format") != FORMAT:
            raise TwoFaceError(
                f"{path}: not a Two-Face generator (its metadata has format "
                f"{self.metadata.get('format')!r}, not {FORMAT!r}); make one with `twoface export`"
            )
        self.image_size = int(self.metadata["image_size"])
        policy = build_mask_policy(json.loads(self.metadata["default_mask"]))
        self.default_mask: np.ndarray = policy.draw(np.random.default_rng(0), self.image_size)
        self.only_default_mask: bool = json.loads(self.metadata["only_default_mask"])
        self.frame = FrameKind.build(json.loads(self.metadata["frame"]))
        self.detector = FaceDetector(usable_cores())

    @property
    def provider(self) -> str:
        """What onnxruntime really runs on."""
        return str(self.session.get_providers()[0])

    def check_mask(self, mask: np.ndarray) -> None:
        """Refuse a hole the generator cannot fill.

        Raises:
            TwoFaceError: it can fill only its default mask.
        """
        if self.only_default_mask and not np.array_equal(mask, self.default_mask):
            architecture: dict[str, Any] = json.loads(self.metadata["architecture"])
            raise TwoFaceError(
                f"generator '{architecture['name']}' fills only its default mask {self.metadata['default_mask']}; "
                "leave the mask out or use a model of generator 'ours'"
            )

    def check_references(self, count: int) -> None:
        """Refuse a number of references the generator cannot take.

        Raises:
            TwoFaceError: says how many it takes.
        """
        wanted = self.metadata["references"]
        if count == 0 or wanted not in ("any", str(count)):
            raise TwoFaceError(f"{count} references; this model takes {wanted.replace('any', '1 or more')}")

    def fill(self, images: np.ndarray, masks: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Fill a batch.

        Args:
            images: float32 (N, H, W, 3) in [0, 1]; what is in the hole does not matter.
            masks: bool or float32 (N, H, W), 1 = hole.
            references: float32 (N, R, H, W, 3) in [0, 1], or (N, H, W, 3) for one of each.

        Returns:
            float32 (N, H, W, 3) in [0, 1]; outside the hole just ``images``.

        Raises:
            TwoFaceError: a number of references that this model cannot take.
        """
        if references.ndim == 4:
            references = references[:, None]
        self.check_references(references.shape[1])
        holes = masks.astype(np.float32)[..., None]
        feeds = dict(zip(INPUTS, (images * (1 - holes), holes, references), strict=True))
        (filled,) = self.session.run(None, feeds)
        return np.asarray(filled)

    def fill_uint8(self, images: np.ndarray, masks: np.ndarray, references: np.ndarray) -> np.ndarray:
        """As :meth:`fill`, for uint8 pictures in and out."""
        scaled = (pictures.astype(np.float32) / 255 for pictures in (images, references))
        image, reference = scaled
        return np.round(self.fill(image, masks, reference) * 255).astype(np.uint8)
