"""Finding faces: MTCNN under onnxruntime, all of it in one graph.

The cascade is Zhang et al. 2016 ("Joint face detection and alignment using multitask cascaded
convolutional networks") as facenet-pytorch runs it; its file is made by ``make export-detector``.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twoface_pl.faces.face import Face
from twoface_pl.faces.runtime import open_session, run_options

if TYPE_CHECKING:
    import onnxruntime

FILE = Path(__file__).with_name("detector.onnx")
LONGEST_SIDE = 640  # larger photos are shrunk to it before the search, inside of the graph
# MTCNN knows upright faces; in photos turned by right angles it often sees a face that is none. Of 170 photos, LFW's,
# CelebA's and others, each in four ways, these two and that which the graph has for turned faces frame 667 of 680
# right, and nine upright ones of ten at once; of 24 further photos, each in three ways, 69 of 72.
SURE = 0.998  # confidence with which the photo as it stands is not doubted


def usable_cores() -> int:
    """Of this machine, those that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class FaceDetector:
    """Finds the faces of a photo.

    Args:
        threads: for onnxruntime; 1 in programs that run several processes.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def __reduce__(self) -> tuple[type[FaceDetector], tuple[int]]:
        return FaceDetector, (self.threads,)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        return open_session(FILE.read_bytes(), "face detector", self.threads)

    def detect(self, photo: np.ndarray, turned: bool = True) -> list[Face]:
        """The faces of an uint8 RGB photo (H, W, 3), the surest first, in the photo's own pixels.

        The photo may lie on its side or stand on its head: where no face is surely upright in it, the other right
        angles are tried, and the one with the surest face counts; not so if ``turned`` is
        False. Faces under 20 pixels are not looked for, nor in a large photo those under 1/32 of its longer side.
        """
        best: list[Face] = []
        for quarters in range(4 if turned else 1):
            faces = self._detect_turned(photo, quarters)
            if faces and (not best or faces[0].confidence > best[0].confidence):
                best = faces
            if best and best[0].confidence >= SURE:
                break
        return best

    def _detect_turned(self, photo: np.ndarray, quarters: int) -> list[Face]:
        """Faces that are turned clockwise by so many right angles; of the photo as it stands any, else sure ones."""
        feeds = {"photo": np.ascontiguousarray(photo), "quarter_turns": np.array(quarters)}
        boxes, landmarks, confidences = (np.asarray(each) for each in self._session.run(None, feeds, run_options()))
        return [
            Face((float(x), float(y), float(width), float(height)), points, float(confidence))
            for (x, y, width, height), points, confidence in zip(boxes, landmarks, confidences, strict=True)
        ]
