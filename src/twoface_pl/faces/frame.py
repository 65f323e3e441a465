"""Frames: which square of a photo the model sees, and the way back into the photo."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from twoface_pl.errors import TwoFaceError


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resize to (size, size): by area when it shrinks, cubic when it grows. Keeps the type."""
    if image.shape[:2] == (size, size):
        return image
    method = cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_CUBIC
    return cv2.resize(image, (size, size), interpolation=method)


@dataclass(frozen=True)
class SquareFrame:
    """A square of a photo, in whole pixels; it may reach over the photo's edge."""

    x: int
    y: int
    side: int

    @classmethod
    def centred(cls, height: int, width: int) -> SquareFrame:
        """The largest centred square of a photo."""
        side = min(height, width)
        return cls((width - side) // 2, (height - side) // 2, side)

    @classmethod
    def around_box(cls, box: tuple[int, int, int, int], height: int, width: int) -> SquareFrame:
        """The smallest square around a box (x, y, width, height), about the same middle.

        Raises:
            TwoFaceError: the box is empty or does not touch the photo.
        """
        x, y, box_width, box_height = box
        if box_width < 1 or box_height < 1:
            raise TwoFaceError(f"box {x},{y},{box_width},{box_height} is empty; give x,y,width,height")
        if x >= width or y >= height or x + box_width <= 0 or y + box_height <= 0:
            raise TwoFaceError(f"box {x},{y},{box_width},{box_height} lies outside the photo of {width}x{height}")
        side = max(box_width, box_height)
        if side > 2 * max(height, width):
            raise TwoFaceError(f"box {x},{y},{box_width},{box_height} is far larger than the photo")
        return cls(x + (box_width - side) // 2, y + (box_height - side) // 2, side)

    def _overlap(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, bottom, left, right of the part that lies on the photo, in photo pixels."""
        return max(self.y, 0), min(self.y + self.side, height), max(self.x, 0), min(self.x + self.side, width)

    def _square(self, photo: np.ndarray) -> np.ndarray:
        """The frame's content in photo pixels; what lies over the edge is the photo's reflection."""
        height, width = photo.shape[:2]
        top, bottom, left, right = self._overlap(height, width)
        margins = (top - self.y, self.y + self.side - bottom, left - self.x, self.x + self.side - right)
        inside = photo[top:bottom, left:right]
        if any(margins):
            # symmetric padding repeats as often as a wide margin needs
            rest = ((0, 0),) * (photo.ndim - 2)
            inside = np.pad(inside, (margins[:2], margins[2:], *rest), mode="symmetric")
        return np.ascontiguousarray(inside)

    def crop(self, photo: np.ndarray, size: int) -> np.ndarray:
        """The frame's content at (size, size)."""
        return resize(self._square(photo), size)

    def crop_mask(self, mask: np.ndarray, size: int) -> np.ndarray:
        """A photo's mask in the frame: bool (size, size).

        True for every pixel of :meth:`crop` that any pixel of the hole has part in, its reflection included.

        Raises:
            TwoFaceError: the hole is empty or reaches out of the frame.
        """
        top, bottom, left, right = self._overlap(*mask.shape)
        if not mask.any():
            raise TwoFaceError("the mask has no hole: paint white what is to be filled")
        if mask[top:bottom, left:right].sum() != mask.sum():
            raise TwoFaceError(
                f"the mask reaches out of the face's frame (x {left} to {right}, y {top} to {bottom}); "
                "give a --box x,y,width,height that holds the whole hole"
            )
        square = self._square(mask).astype(np.float32)
        if self.side == size:
            return square > 0
        if self.side > size:
            return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA) > 0
        # A cubic kernel reaches one pixel further than a linear one.
        wider = cv2.dilate(square, np.ones((3, 3), np.uint8))
        return cv2.resize(wider, (size, size), interpolation=cv2.INTER_LINEAR) > 0

    def mask_in_photo(self, mask: np.ndarray, height: int, width: int) -> np.ndarray:
        """A model-sized mask at the photo's size: bool (height, width).

        True for the photo's pixels that lie in the hole with all they cover, so none is filled in part.
        """
        size = len(mask)
        if self.side > size:
            # A pixel of the photo touches at most two of the model's each way: its first and its last.
            pixels = np.arange(self.side)
            first, last = pixels * size // self.side, ((pixels + 1) * size - 1) // self.side
            rows = mask[first] & mask[last]
            square = rows[:, first] & rows[:, last]
        else:
            outside = (~mask).astype(np.float32)
            square = cv2.resize(outside, (self.side, self.side), interpolation=cv2.INTER_AREA) == 0
        top, bottom, left, right = self._overlap(height, width)
        result = np.zeros((height, width), bool)
        result[top:bottom, left:right] = square[top - self.y : bottom - self.y, left - self.x : right - self.x]
        return result

    def paste_back(self, photo: np.ndarray, filled: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Put the hole of a filled frame back into the photo.

        Args:
            photo: uint8 (H, W, 3).
            filled: uint8 (size, size, 3), the frame's content with the hole filled.
            mask: bool (H, W), True in the hole, within the frame.

        Returns:
            uint8 (H, W, 3); pixels outside the mask are bit-identical to the photo's.
        """
        top, bottom, left, right = self._overlap(*photo.shape[:2])
        square = resize(filled, self.side)[top - self.y : bottom - self.y, left - self.x : right - self.x]
        result = photo.copy()
        hole = mask[top:bottom, left:right]
        result[top:bottom, left:right][hole] = square[hole]
        return result
