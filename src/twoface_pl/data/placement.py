"""Samples for the placement network: photos with a hole painted over, in windows about the face."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from twoface_pl.data.damage import PAINTS, draw_hole, paint
from twoface_pl.data.originals import Original
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.image import decode_image
from twoface_pl.faces.window import EYE_DISTANCE, LANDMARKS, Windows, square, window_of
from twoface_pl.masks import build_mask_policy

SMALLEST, LARGEST = 7.0, 40.0  # pixels between the eyes of faces that are shown
MIRRORED = [1, 0, 2, 4, 3]  # landmarks of a mirrored face, the picture's left side first
HOLES = (  # in a square of 64 about the face
    {"name": "center", "size": 16},
    {"name": "center", "size": 32},
    {"name": "face_parts", "jitter": 0.3},
    {"name": "face_parts", "jitter": 0.3},
    {"name": "face_parts", "jitter": 0.3, "parts": ["eyes", "nose"]},
    {"name": "random_box", "smallest": 10, "largest": 44},
    {"name": "strokes", "hole_ratio": [0.05, 0.5]},
    {"name": "strokes", "hole_ratio": [0.02, 0.15], "stroke_width": [1, 8]},
)
CUT = 0.45  # share of photos that are cut close about the face
CLOSEST, LOOSEST = 0.3, (0.5, 2.2)  # eye distances that are left beside the landmarks
WHOLE = 0.05  # share of photos without a hole
ELSEWHERE = 0.12  # share of holes, and of second windows, that are not about the face
TURNED = 0.25  # share of second windows in which the face lies on its side or stands on its head
# How far a window may be off for a face to count as in it: shares of the window, its size, degrees.
THERE_SHIFT, THERE_GROWTH, THERE_TURN = 0.4, 2.5, 60.0


def _cropped(pixels: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A photo cut close about its face, on some of its sides."""
    eyes = window_of(landmarks).side * EYE_DISTANCE
    height, width = pixels.shape[:2]
    loosest = rng.uniform(*LOOSEST)
    low = np.floor(landmarks.min(axis=0) - eyes * rng.uniform(CLOSEST, loosest, 2)).astype(int)
    high = np.ceil(landmarks.max(axis=0) + eyes * rng.uniform(CLOSEST, loosest, 2)).astype(int)
    cut = rng.random(4) < 0.75
    left, top = (int(value) if cut[side] else 0 for side, value in enumerate(np.maximum(low, 0)))
    right, bottom = high[0] if cut[2] else width, high[1] if cut[3] else height
    part = pixels[top : max(bottom, top + 8), left : max(right, left + 8)]
    return np.ascontiguousarray(part), landmarks - np.array([left, top])


def _shown(pixels: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A photo at another size, perhaps cut close or mirrored, in other light, grey or blurred."""
    if rng.random() < CUT:
        pixels, landmarks = _cropped(pixels, landmarks, rng)
    eyes = max(1.0, window_of(landmarks).side * EYE_DISTANCE)
    scale = min(1.0, LARGEST / eyes, float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST + 15)))) / eyes)
    if scale < 1:
        size = [max(8, round(side * scale)) for side in pixels.shape[1::-1]]
        landmarks = landmarks * np.array([size[0] / pixels.shape[1], size[1] / pixels.shape[0]])
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        landmarks = np.column_stack([pixels.shape[1] - landmarks[:, 0], landmarks[:, 1]])[MIRRORED]
    grey = np.full((3, 3), (0.299, 0.587, 0.114))
    saturation = 0.0 if rng.random() < 0.12 else rng.uniform(0.6, 1.3)
    colour = np.diag(rng.uniform(0.85, 1.15, 3)) @ (saturation * np.eye(3) + (1 - saturation) * grey)
    contrast = rng.uniform(0.6, 1.3)
    offset = 127.5 * (1 - contrast) + rng.uniform(-35, 35)
    shown = cv2.transform(pixels, np.column_stack([contrast * colour, np.full(3, offset)]))
    if rng.random() < 0.2:
        shown = cv2.GaussianBlur(shown, (0, 0), rng.uniform(0.4, 1.6))
    return shown, landmarks


def _damaged(pixels: np.ndarray, hole: np.ndarray, unit: float, rng: np.random.Generator) -> np.ndarray:
    """With the hole painted over, mostly a little beyond its edge, and perhaps stored as JPEG."""
    if rng.random() < 0.6:
        reach = int(rng.integers(0, max(1, round(0.12 * unit)) + 1))
        painted = cv2.dilate(hole.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)).astype(bool)
        pixels = paint(pixels, painted, PAINTS[int(rng.integers(len(PAINTS)))], rng)
    if rng.random() < 0.25:
        _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 95))])
        pixels = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return pixels


def _far(face: Frame, rng: np.random.Generator) -> Frame:
    """A window that shows something else, or the face far beside its middle, turned or of another size."""
    shift, growth, turn = rng.uniform(-0.8, 0.8, 2), rng.uniform(-1.8, 1.0), rng.uniform(-180, 180)
    return square(face.middle + face.side * shift, face.side * np.exp(growth), face.angle + np.radians(turn))


def _near(face: Frame, rng: np.random.Generator) -> Frame:
    """A window that a search comes by: close to a face, or as far from it as a hole about it may lie."""
    if rng.random() < 0.5:
        shift, growth, turn = rng.normal(0, 0.06, 2), rng.normal(0, 0.12), rng.normal(0, 7)
    else:
        shift, growth, turn = rng.uniform(-0.4, 0.4, 2), rng.uniform(-0.8, 0.8), rng.uniform(-50, 50)
    return square(face.middle + face.side * shift, face.side * np.exp(growth), face.angle + np.radians(turn))


def _turned(face: Frame, rng: np.random.Generator) -> Frame:
    """A window about a face that lies on its side in it, or stands on its head."""
    near = _near(face, rng)
    return square(near.middle, near.side, near.angle + np.pi / 2 * rng.integers(1, 4))


def _is_there(window: Frame, face: Frame) -> bool:
    shift = np.abs(window.to_unit(face.middle) - 0.5).max()
    growth = window.side / face.side
    turn = abs((np.degrees(window.angle - face.angle) + 180) % 360 - 180)
    return bool(shift < THERE_SHIFT and 1 / THERE_GROWTH < growth < THERE_GROWTH and turn < THERE_TURN)


class PlacementSamples(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Windows of one photo: uint8 (K, 64, 64, 4), landmarks (K, 5, 2), float32 (K,) whether a face is there.

    Args:
        originals: photos and where their faces are.
        holes: of each photo, each seen through two windows.
        seed: with epoch and photo it decides what is drawn.
    """

    def __init__(self, originals: list[Original], holes: int, seed: int) -> None:
        self.originals = originals
        self.holes = holes
        self.seed = seed
        self.policies = [build_mask_policy(dict(options)) for options in HOLES]

    def __len__(self) -> int:
        return len(self.originals)

    def _hole(self, shape: tuple[int, int], about: Frame, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < WHOLE:
            return np.zeros(shape, bool)
        return draw_hole(self.policies, about.from_unit(LANDMARKS), *shape, rng)

    @staticmethod
    def _second(face: Frame, about: Frame, rng: np.random.Generator) -> Frame:
        drawn = rng.random()
        if drawn < ELSEWHERE:
            return _far(face, rng)
        return _turned(face, rng) if drawn < ELSEWHERE + TURNED else _near(about, rng)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        epoch, number = key
        original = self.originals[number]
        rng = np.random.default_rng((self.seed, epoch, number))
        pixels, landmarks = _shown(decode_image(original.photo), original.landmarks, rng)
        face = window_of(landmarks)
        looks, points, there = [], [], []
        for _ in range(self.holes):
            elsewhere = rng.random() < ELSEWHERE
            about = _far(face, rng) if elsewhere else face
            hole = self._hole(pixels.shape[:2], about, rng)
            windows = Windows(_damaged(pixels, hole, face.side * EYE_DISTANCE, rng), hole)
            for window in (_near(about, rng), self._second(face, about, rng)):
                looks.append(windows.look(window))
                points.append(window.to_unit(landmarks))
                there.append(_is_there(window, face))
        return (
            torch.from_numpy(np.stack(looks)),
            torch.from_numpy(np.stack(points).astype(np.float32)),
            torch.tensor(there, dtype=torch.float32),
        )
