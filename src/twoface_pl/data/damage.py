"""Damage as photos have it: a hole somewhere about a face, and what stands in it instead."""

from __future__ import annotations

import cv2
import numpy as np

from twoface_pl.faces.face import MEAN_LANDMARKS
from twoface_pl.faces.frame import Frame, fit_frame
from twoface_pl.faces.window import square
from twoface_pl.masks import MaskPolicy

DRAWN = 64  # pixels a side, of the square about a face that holes are drawn in
PAINTS = ("white", "black", "noise", "scribble", "erased")


def in_photo(mask: np.ndarray, frame: Frame, height: int, width: int) -> np.ndarray:
    """A mask of a frame (size, size) where it lies in the photo: bool (height, width).

    By the pixels' middles, as a painter's brush; those of :meth:`Frame.mask_in_photo` lie in it with all they cover.
    """
    size = len(mask)
    to_frame = np.linalg.inv(frame.linear) * size
    offset = to_frame @ (0.5 - frame.x, 0.5 - frame.y) - 0.5  # of pixels' middles
    matrix = np.column_stack([to_frame, offset])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, (width, height), flags=flags) > 127


def _strokes(shape: tuple[int, int], hole: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Strokes of a broad pen in strong colours across a hole; outside of them, what the photo has."""
    layer = np.full((*shape, 4), 0, np.uint8)
    rows, columns = np.nonzero(hole)
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()]) + 1
    width = max(2, int(0.12 * (high - low).max()))
    for _ in range(int(rng.integers(4, 12))):
        line = rng.uniform(low, high, (int(rng.integers(3, 7)), 2)).astype(np.int32)
        colour = (*(int(value) for value in rng.choice([0, 40, 128, 220, 255], 3)), 255)
        cv2.polylines(layer, [line], False, colour, width, cv2.LINE_8)
    return layer


def paint(photo: np.ndarray, hole: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """A photo with its hole painted over.

    Args:
        photo: uint8 RGB (H, W, 3).
        hole: bool (H, W), True = hole.
        kind: one of ``PAINTS``; ``erased`` is one even colour of the picture's own.
        rng: of colours and strokes.

    Returns:
        uint8 (H, W, 3).
    """
    painted = photo.copy()
    if not hole.any():
        return painted
    if kind == "noise":
        painted[hole] = rng.integers(0, 256, (int(hole.sum()), 3), np.uint8)
    elif kind == "scribble":
        layer = _strokes(photo.shape[:2], hole, rng)
        drawn = hole & (layer[..., 3] > 0)
        painted[drawn] = layer[drawn, :3]
    elif kind == "erased":
        painted[hole] = np.median(photo[~hole], axis=0).astype(np.uint8) if (~hole).any() else 128
    else:
        painted[hole] = {"white": 255, "black": 0}[kind]
    return painted


def _about(landmarks: np.ndarray) -> Frame:
    """A square that a face fills, as frame ``tight`` has it."""
    return fit_frame(np.array([0.5, 0.42]) + 0.26 * MEAN_LANDMARKS, landmarks)


def _loosely_about(landmarks: np.ndarray, rng: np.random.Generator) -> Frame:
    """The same as people lay one over a face: a little beside, of another size, upright or along the face."""
    frame = _about(landmarks)
    angle = frame.angle * rng.integers(0, 2) + np.radians(rng.normal(0, 8))
    return square(frame.middle + frame.side * rng.normal(0, 0.05, 2), frame.side / rng.uniform(0.7, 1.4), float(angle))


def draw_hole(
    policies: list[MaskPolicy], landmarks: np.ndarray, height: int, width: int, rng: np.random.Generator
) -> np.ndarray:
    """A hole about a face, of one policy or two together: bool (height, width)."""
    hole = np.zeros((height, width), bool)
    for _ in range(1 + (rng.random() < 0.3)):
        policy = policies[int(rng.integers(len(policies)))]
        frame = _about(landmarks) if policy.needs_landmarks else _loosely_about(landmarks, rng)
        mask = policy.draw(rng, DRAWN, np.clip(frame.to_unit(landmarks), 0.05, 0.95))
        hole |= in_photo(mask, frame, height, width)
    return hole
