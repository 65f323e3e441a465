"""Frames: which square of a photo the model sees, where a face lies in it, and the way back into the photo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError, call_with_options
from twoface_pl.faces.face import MEAN_LANDMARKS, Box, Face, angle_between, check_box

NOMINAL_SIZE = 128  # pixels a side, in which frame kinds give their lengths
MOST_UNFOLDED = 80_000_000  # pixels of a photo and its reflections that a frame may span before the photo is shrunk
TOUCHED = 1e-5  # a share of a pixel below which the hole has no part in it


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resize to (size, size): by area when it shrinks, cubic when it grows. Keeps the type."""
    if image.shape[:2] == (size, size):
        return image
    method = cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_CUBIC
    return cv2.resize(image, (size, size), interpolation=method)


def _shrink(image: np.ndarray, factor: int) -> np.ndarray:
    """By a whole factor, each pixel the mean of the pixels it stands for; the last ones repeated to fill up."""
    height, width = (-(-side // factor) for side in image.shape[:2])
    fill = (height * factor - image.shape[0], width * factor - image.shape[1])
    if any(fill):
        image = cv2.copyMakeBorder(image, 0, fill[0], 0, fill[1], cv2.BORDER_REPLICATE)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _warp(image: np.ndarray, linear: np.ndarray, offset: np.ndarray, shape: tuple[int, int], grow: int) -> np.ndarray:
    """Resample by a similarity that takes points of the result to points of the image.

    What shrinks is averaged, never skipped over: first by a whole factor, the rest by twice as many samples.
    ``grow`` is OpenCV's interpolation for what is enlarged.
    """
    scale = math.sqrt(abs(np.linalg.det(linear)))
    factor = int(scale)
    if factor >= 2:
        image, linear, offset = _shrink(image, factor), linear / factor, offset / factor
    samples = 2 if scale > 1 + 1e-6 else 1
    height, width = shape
    steps = linear / samples
    # points to pixels' numbers: a pixel's middle is half a pixel on
    matrix = np.column_stack([steps, offset + steps @ (0.5, 0.5) - 0.5])
    method = cv2.INTER_LINEAR if samples == 2 else grow
    warped = cv2.warpAffine(
        image, matrix, (width * samples, height * samples),
        flags=method | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return warped if samples == 1 else cv2.resize(warped, (width, height), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Frame:
    """A square of a photo, in the photo's pixels; it may be turned and may reach over the photo's edge."""

    x: float  # of its first corner
    y: float
    side: float
    angle: float = 0.0  # clockwise, in radians

    @classmethod
    def centred(cls, height: int, width: int) -> Frame:
        """The largest centred square of a photo.

        >>> Frame.centred(height=80, width=100)
        Frame(x=10, y=0, side=80, angle=0.0)
        """
        side = min(height, width)
        return cls((width - side) // 2, (height - side) // 2, side)

    @classmethod
    def around_box(cls, box: Box, height: int, width: int, angle: float = 0.0) -> Frame:
        """The smallest square around a box, about the same middle, turned clockwise by ``angle`` degrees.

        Raises:
            TwoFaceError: the box is empty or does not touch the photo.

        >>> Frame.around_box((10, 20, 30, 50), height=100, width=100)
        Frame(x=0, y=20, side=50, angle=0.0)
        """
        check_box(box, height, width)
        x, y, box_width, box_height = box
        side = max(box_width, box_height)
        upright = cls(x + (box_width - side) // 2, y + (box_height - side) // 2, side)
        if not angle:
            return upright
        across, down = upright.middle
        return cls.about(across, down, side, angle)

    @classmethod
    def about(cls, x: float, y: float, side: float, angle: float) -> Frame:
        """The frame about a point, turned clockwise by ``angle`` degrees."""
        turned = cls(0, 0, side, math.radians(angle))
        left, top = np.array([x, y]) - turned.middle
        return cls(float(left), float(top), side, turned.angle)

    @property
    def linear(self) -> np.ndarray:
        """Takes the unit square to the frame, up to its corner."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        return self.side * np.array([[cosine, -sine], [sine, cosine]])

    def apart(self, other: Frame) -> tuple[float, float, float]:
        """How far another frame differs: its middle's distance as a share of this side, sizes as a factor from 1,
        turns in degrees from 0."""
        shift = float(np.hypot(*(self.middle - other.middle))) / self.side
        growth = max(self.side / other.side, other.side / self.side)
        return shift, growth, abs(angle_between(math.degrees(self.angle), math.degrees(other.angle)))

    def to_unit(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the photo, as shares of the frame: (0, 0) to (1, 1)."""
        return (points - np.array([self.x, self.y])) @ np.linalg.inv(self.linear).T

    def from_unit(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2), shares of the frame, in the photo's pixels."""
        return points @ self.linear.T + np.array([self.x, self.y])

    def _unfolded(self, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the frame needs of the photo, reflected where it reaches over the edge; and where that begins."""
        height, width = photo.shape[:2]
        left, top, right, bottom = self._bounds()
        inside = photo[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if not inside.size:
            raise TwoFaceError("the face's frame lies outside the photo")
        margins = ((max(0, -top), max(0, bottom - height)), (max(0, -left), max(0, right - width)))
        if np.any(margins):
            # symmetric padding repeats as often as a wide margin needs
            inside = np.pad(inside, (*margins, *((0, 0),) * (photo.ndim - 2)), mode="symmetric")
        return np.ascontiguousarray(inside), np.array([left, top])

    def _bounds(self) -> tuple[int, int, int, int]:
        """Whole pixels around the frame, with one to spare: left, top, right, bottom."""
        corners = np.array([(0, 0), (1, 0), (0, 1), (1, 1)]) @ self.linear.T + (self.x, self.y)
        left, top = (math.floor(value) - 1 for value in corners.min(axis=0))
        right, bottom = (math.ceil(value) + 1 for value in corners.max(axis=0))
        return left, top, right, bottom

    def _crop(self, photo: np.ndarray, size: int, kind: type | None = None) -> np.ndarray:
        """``kind`` is of the result's values; else the photo's."""
        left, top, right, bottom = self._bounds()
        factor = int(self.side / (2 * size))
        if factor >= 2 and (right - left) * (bottom - top) > MOST_UNFOLDED:  # its reflections would fill the memory
            smaller = Frame(self.x / factor, self.y / factor, self.side / factor, self.angle)
            return smaller._crop(_shrink(photo.astype(kind or photo.dtype, copy=False), factor), size)
        inside, corner = self._unfolded(photo)
        inside = inside.astype(kind or photo.dtype, copy=False)  # of what is needed only
        return _warp(inside, self.linear / size, np.array([self.x, self.y]) - corner, (size, size), cv2.INTER_LINEAR)

    def crop(self, photo: np.ndarray, size: int) -> np.ndarray:
        """The frame's content at (size, size); over the photo's edge its reflection."""
        return self._crop(photo, size)

    def crop_mask(self, mask: np.ndarray, size: int) -> np.ndarray:
        """A photo's mask in the frame: bool (size, size).

        True for every pixel of :meth:`crop` that any pixel of the hole has part in, its reflection included.
        """
        return self._crop(mask, size, np.float32) > TOUCHED

    @property
    def middle(self) -> np.ndarray:
        return np.array([self.x, self.y]) + self.linear @ (0.5, 0.5)

    def mask_in_photo(self, mask: np.ndarray, height: int, width: int) -> np.ndarray:
        """A mask of the frame at the photo's size: bool (height, width).

        True for the photo's pixels that lie in the hole with all they cover, so none is filled in part.
        """
        size = len(mask)
        result = np.zeros((height, width), bool)
        rows, columns = np.nonzero(mask)
        edges = np.array([(columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)]) / size
        corners = np.array([(x, y) for x in edges[:, 0] for y in edges[:, 1]]) @ self.linear.T + (self.x, self.y)
        left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, (width, height))
        right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, (width, height))
        # enough points of each pixel that none of the frame's lies between them
        steps = np.linspace(1e-6, 1 - 1e-6, math.ceil(size / self.side) + 1)
        x, y = np.meshgrid(np.arange(left, right), np.arange(top, bottom))
        whole = np.ones(x.shape, bool)
        for down in steps:
            for across in steps:
                place = np.floor(self.to_unit(np.stack([x + across, y + down], axis=-1)) * size).astype(int)
                within = ((place >= 0) & (place < size)).all(axis=-1)
                column, row = np.clip(place, 0, size - 1).transpose(2, 0, 1)
                whole &= within & mask[row, column]
        result[top:bottom, left:right] = whole
        return result

    def to_photo(self, filled: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """A filled frame's content in the photo.

        Args:
            filled: uint8 (size, size, 3), of the frame.
            box: rows and columns of the photo; beside the frame its edge is repeated.

        Returns:
            uint8 (rows, columns, 3).
        """
        rows, columns = box
        to_frame = np.linalg.inv(self.linear) * len(filled)
        offset = to_frame @ (columns.start - self.x, rows.start - self.y)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        return _warp(filled, to_frame, offset, shape, cv2.INTER_CUBIC)


def fit_frame(canonical: np.ndarray, landmarks: np.ndarray) -> Frame:
    """The frame in which a photo's landmarks lie nearest to where they should: a similarity by least squares.

    All five count, not the eyes alone: those come close together where a face turns away.

    Args:
        canonical: (5, 2), shares of the frame.
        landmarks: (5, 2), the photo's pixels.

    Raises:
        TwoFaceError: the landmarks lie all in one point.
    """
    around, found = canonical - canonical.mean(axis=0), landmarks - landmarks.mean(axis=0)
    spread = (around**2).sum()
    along = (around * found).sum() / spread
    across = (around[:, 0] * found[:, 1] - around[:, 1] * found[:, 0]).sum() / spread
    side = math.hypot(along, across)
    if side < 1:
        raise TwoFaceError("the face's landmarks make no frame")
    linear = np.array([[along, -across], [across, along]])
    x, y = landmarks.mean(axis=0) - linear @ canonical.mean(axis=0)
    return Frame(float(x), float(y), side, math.atan2(across, along))


@dataclass(frozen=True)
class FrameKind:
    """Where a face lies in a frame; lengths in pixels of a frame of 128.

    ``loose`` is LFW's framing, which the 2018 system had; ``tight`` is filled by the face. ``none`` takes
    the largest centred square and looks for no face; ``unknown`` is a data set's that another program made.
    """

    name: str
    eye_distance: float | None = None
    eye_line: float | None = None  # height of the line between the eyes

    def __post_init__(self) -> None:
        given = (self.eye_distance, self.eye_line)
        if self.name in ("none", "unknown"):
            if given != (None, None):
                raise TwoFaceError(f"frame {self.name} has neither eye_distance nor eye_line")
        elif not all(isinstance(value, int | float) and 0 < value < NOMINAL_SIZE for value in given):
            raise TwoFaceError(
                f"frame {self.name}: eye_distance and eye_line are pixels of {NOMINAL_SIZE}, found {given}; "
                "choose frame=tight, loose or none"
            )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> FrameKind:
        """From plain options.

        Raises:
            TwoFaceError: options that no frame has.
        """
        return call_with_options("frame", cls, options)

    def options(self) -> dict[str, Any]:
        """Plain options, for files and checkpoints."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @property
    def aligned(self) -> bool:
        """Faces lie at a known place in it."""
        return self.eye_distance is not None

    def landmarks(self) -> np.ndarray:
        """The mean face's landmarks in an aligned frame, as shares of it: (5, 2)."""
        assert self.eye_distance is not None
        assert self.eye_line is not None
        middle = np.array([NOMINAL_SIZE / 2, self.eye_line])
        return (middle + self.eye_distance * MEAN_LANDMARKS) / NOMINAL_SIZE

    def place(self, face: Face) -> Frame:
        """The frame of a face; see :func:`fit_frame`."""
        return fit_frame(self.landmarks(), face.landmarks)
