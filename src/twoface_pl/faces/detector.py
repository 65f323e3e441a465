"""Finding faces: MTCNN under onnxruntime, with numpy around its three networks.

The cascade is Zhang et al. 2016 ("Joint face detection and alignment using multitask cascaded
convolutional networks") as facenet-pytorch runs it; its networks are exported by ``make export-detector``.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from twoface_pl.faces.face import Face
from twoface_pl.faces.runtime import open_session

if TYPE_CHECKING:
    import onnxruntime

NETWORKS = Path(__file__).with_name("mtcnn")
SMALLEST_FACE = 20  # pixels, on the picture that is searched
LONGEST_SIDE = 640  # larger photos are shrunk to it before the search
CELL = 12  # P-Net's field of view, in pixels
STRIDE = 2  # P-Net's
PYRAMID_STEP = 0.709  # the square root of a half: each level has half the pixels
THRESHOLDS = (0.6, 0.7, 0.7)  # of the three networks' confidence
# MTCNN knows upright faces; in photos turned by right angles it often sees a face that is none. Of 170 photos, LFW's,
# CelebA's and others, each in four ways, these three frame 667 of 680 right, and nine upright ones of ten at once; of
# 24 further photos, each in three ways, 69 of 72.
SURE = 0.998  # confidence with which the photo as it stands is not doubted
SURE_TURNED = 0.99  # and that a face of another direction must have
UPRIGHT = 45.0  # degrees that it may lean to a side in that direction; beyond, another is nearer


def usable_cores() -> int:
    """Of this machine, those that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Areas:
    """Mean colours of any rectangles of a picture, at once: torch's area interpolation, from an integral image."""

    def __init__(self, photo: np.ndarray) -> None:
        self.height, self.width = photo.shape[:2]
        self.sums = cv2.integral(photo, sdepth=cv2.CV_64F)

    def resize(self, boxes: np.ndarray, height: int, width: int) -> np.ndarray:
        """Each box (left, top, right, bottom; whole pixels) at (height, width): float32 (N, height, width, 3)."""

        def edges(first: np.ndarray, last: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
            length, steps = (last - first)[:, None], np.arange(count)
            starts = first[:, None] + steps * length // count
            ends = first[:, None] + -(-(steps + 1) * length // count)
            return starts, ends

        left, top, right, bottom = boxes.astype(np.int64).T
        (y0, y1), (x0, x1) = edges(top, bottom, height), edges(left, right, width)
        sums = self.sums
        rows_end, rows_start = y1[:, :, None], y0[:, :, None]
        columns_end, columns_start = x1[:, None, :], x0[:, None, :]
        total = sums[rows_end, columns_end] - sums[rows_start, columns_end]
        total += sums[rows_start, columns_start] - sums[rows_end, columns_start]
        area = (rows_end - rows_start) * (columns_end - columns_start)
        return (total / area[..., None]).astype(np.float32)


def _suppress(boxes: np.ndarray, scores: np.ndarray, limit: float, of_smaller: bool = False) -> np.ndarray:
    """Non-maximum suppression: the indices that stay, the best first.

    Overlap is intersection over union; or, as MTCNN's last stage has it, over the smaller box, and
    there a box ends with its last pixel.
    """
    one = 1.0 if of_smaller else 0.0
    areas = (boxes[:, 2] - boxes[:, 0] + one) * (boxes[:, 3] - boxes[:, 1] + one)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:4], boxes[rest, 2:4])
        shared = np.maximum(0, high - low + one).prod(axis=1)
        whole = np.minimum(areas[best], areas[rest]) if of_smaller else areas[best] + areas[rest] - shared
        order = rest[shared / whole <= limit]
    return np.array(kept, int)


def _shift(boxes: np.ndarray, regression: np.ndarray, extra: float) -> np.ndarray:
    """Boxes moved by a network's regression, given in shares of their sides."""
    sides = boxes[:, 2:] - boxes[:, :2] + extra
    return boxes + regression * np.concatenate([sides, sides], axis=1)


def _square(boxes: np.ndarray) -> np.ndarray:
    """The smallest squares about the same middles."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides * 0.5 - longest * 0.5
    return np.concatenate([corner, corner + longest], axis=1)


def _turn_back(points: np.ndarray, quarters: int, height: int, width: int) -> np.ndarray:
    """Points (N, 2) of a photo turned anticlockwise by right angles, in the photo (height, width) itself."""
    x, y = points[:, 0], points[:, 1]
    turned = ((x, y), (width - y, x), (width - x, height - y), (y, height - x))[quarters]
    return np.stack(turned, axis=1)


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
    def _networks(self) -> tuple[onnxruntime.InferenceSession, ...]:
        return tuple(
            open_session((NETWORKS / f"{name}.onnx").read_bytes(), f"face detector {name}", self.threads)
            for name in ("pnet", "rnet", "onet")
        )

    def detect(self, photo: np.ndarray, turned: bool = True) -> list[Face]:
        """The faces of an uint8 RGB photo (H, W, 3), the surest first, in the photo's own pixels.

        The photo may lie on its side or stand on its head: where no face is surely upright in it, the other right
        angles are tried, and the one with the surest face counts; not so if ``turned`` is
        False. Faces under 20 pixels are not looked for, nor in a large photo those under 1/32 of its longer side.
        """
        longest = max(photo.shape[:2])
        if longest > LONGEST_SIDE:
            size = [max(1, round(side * LONGEST_SIDE / longest)) for side in photo.shape[:2]]
            searched = cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA)
        else:
            searched = photo
        scale = np.array([photo.shape[1] / searched.shape[1], photo.shape[0] / searched.shape[0]], np.float32)
        best: list[Face] = []
        for quarters in range(4 if turned else 1):
            faces = self._detect_turned(searched, quarters, scale)
            if faces and (not best or faces[0].confidence > best[0].confidence):
                best = faces
            if best and best[0].confidence >= SURE:
                break
        return best

    def _detect_turned(self, photo: np.ndarray, quarters: int, scale: np.ndarray) -> list[Face]:
        """Faces that are turned clockwise by so many right angles; of the photo as it stands any, else sure ones."""
        boxes, scores, points = self.cascade(np.ascontiguousarray(np.rot90(photo, quarters)))
        faces = []
        for box, score, landmarks in zip(boxes, scores, points, strict=True):
            corners = _turn_back(box.reshape(2, 2), quarters, *photo.shape[:2]) * scale
            (x, y), (width, height) = corners.min(axis=0), np.abs(corners[1] - corners[0])
            placed = _turn_back(landmarks, quarters, *photo.shape[:2]) * scale
            face = Face((float(x), float(y), float(width), float(height)), placed, float(score))
            leans = abs((face.angle - 90 * quarters + 180) % 360 - 180)
            if not quarters or (score >= SURE_TURNED and leans <= UPRIGHT):
                faces.append(face)
        return faces

    def cascade(self, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """MTCNN itself: boxes (N, 4) as left, top, right, bottom; confidences (N,); landmarks (N, 5, 2)."""
        areas = _Areas(photo)
        boxes = self._propose(areas)
        boxes = self._refine(areas, boxes)
        return self._decide(areas, boxes)

    def _propose(self, areas: _Areas) -> np.ndarray:
        """P-Net over a pyramid: candidates as squares."""
        found = []
        scale = CELL / SMALLEST_FACE
        everything = np.array([[0, 0, areas.width, areas.height]])
        while min(areas.height, areas.width) * scale >= CELL:
            level = areas.resize(everything, int(areas.height * scale + 1), int(areas.width * scale + 1))
            regression, faces = self._networks[0].run(None, {"pixels": level})
            rows, columns = np.nonzero(faces[0] >= THRESHOLDS[0])
            corners = np.stack([columns, rows], axis=1).astype(np.float32) * STRIDE + 1
            boxes = np.floor(np.concatenate([corners, corners + CELL - 1], axis=1) / np.float32(scale))
            scores = faces[0, rows, columns]
            kept = _suppress(boxes, scores, 0.5)
            found.append(np.column_stack([boxes, scores, regression[0][:, rows, columns].T])[kept])
            scale *= PYRAMID_STEP
        candidates = np.concatenate(found) if found else np.empty((0, 9), np.float32)
        candidates = candidates[_suppress(candidates[:, :4], candidates[:, 4], 0.7)]
        return _square(_shift(candidates[:, :4], candidates[:, 5:], extra=0))

    def _look(self, network: int, areas: _Areas, boxes: np.ndarray, side: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """The boxes that touch the photo, and a network's answers to what they hold."""
        left, top, right, bottom = np.trunc(boxes).astype(int).T
        whole = np.stack(
            [
                np.maximum(left, 1) - 1,
                np.maximum(top, 1) - 1,
                np.minimum(right, areas.width),
                np.minimum(bottom, areas.height),
            ],
            axis=1,
        )
        touching = (whole[:, 2] > whole[:, 0]) & (whole[:, 3] > whole[:, 1])
        crops = areas.resize(whole[touching], side, side)
        return boxes[touching], self._networks[network].run(None, {"pixels": crops})

    def _refine(self, areas: _Areas, boxes: np.ndarray) -> np.ndarray:
        """R-Net: fewer and better squares."""
        if not len(boxes):
            return boxes
        boxes, (regression, scores) = self._look(1, areas, boxes, 24)
        passing = scores > THRESHOLDS[1]
        boxes, regression, scores = boxes[passing], regression[passing], scores[passing]
        kept = _suppress(boxes, scores, 0.7)
        return _square(_shift(boxes[kept], regression[kept], extra=1))

    def _decide(self, areas: _Areas, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """O-Net: the faces and their landmarks."""
        if not len(boxes):
            return np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32)
        boxes, (regression, points, scores) = self._look(2, areas, boxes, 48)
        passing = scores > THRESHOLDS[2]
        boxes, regression, points, scores = boxes[passing], regression[passing], points[passing], scores[passing]
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        landmarks = boxes[:, None, :2] - 1 + sides[:, None] * points.reshape(-1, 2, 5).transpose(0, 2, 1)
        boxes = _shift(boxes, regression, extra=1)
        kept = _suppress(boxes, scores, 0.7, of_smaller=True)
        return boxes[kept], scores[kept], landmarks[kept]
