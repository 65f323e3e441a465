"""``repair.onnx`` under onnxruntime: photos of any size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.faces import runtime
from twoface_pl.faces.finder import FaceFinder
from twoface_pl.faces.frame import Frame
from twoface_pl.faces.hole import as_levels, bounding_box
from twoface_pl.faces.reading import first_line
from twoface_pl.model_file import REPAIR
from twoface_pl.serving.fill import FillError
from twoface_pl.serving.model import ModelSession

SPARE = 2  # pixels about a frame
ABOUT_HOLE = 0.25  # of a hole's longer side, what is kept about it


def surroundings(frame: Frame, shape: tuple[int, ...], hole: tuple[slice, slice] | None = None) -> tuple[slice, slice]:
    """The part of a photo that a repair needs: the frame, and the hole with what is about it. What is cut away changes
    nothing, since nothing is resampled.

    Raises:
        TwoFaceError: the frame lies outside of the photo.
    """
    corners = frame.from_unit(np.array([(0, 0), (1, 0), (0, 1), (1, 1)]))
    low, high = np.floor(corners.min(axis=0)) - SPARE, np.ceil(corners.max(axis=0)) + SPARE
    if hole is not None:
        rows, columns = hole
        more = ABOUT_HOLE * max(rows.stop - rows.start, columns.stop - columns.start) + SPARE
        low = np.minimum(low, np.floor(np.array([columns.start, rows.start]) - more))
        high = np.maximum(high, np.ceil(np.array([columns.stop, rows.stop]) + more))
    height, width = shape[:2]
    if (high <= 0).any() or (low >= (width, height)).any():
        raise TwoFaceError("the face's frame lies outside the photo")
    left, top = np.clip(low, 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(high, (left + 1, top + 1), (width, height)).astype(int)
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def _one_size(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Uint8 (R, H, W, 3), each in the first rows and columns of its own."""
    if len(pictures) == 1:
        return pictures[0][None]
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    together = np.zeros((len(pictures), height, width, 3), np.uint8)
    for picture, own in zip(pictures, together, strict=True):
        own[: picture.shape[0], : picture.shape[1]] = picture
    return together


class RepairSession(ModelSession):
    """Repairs photos."""

    kind = REPAIR

    @cached_property
    def finder(self) -> FaceFinder:
        """Of their faces."""
        return FaceFinder(self.threads)

    def _try(self) -> None:
        size = self.image_size
        photo, *references = np.random.default_rng(0).integers(
            0, 256, (1 + (self.facts.references or 1), size, size, 3), np.uint8
        )
        frame, hole = Frame(0, 0, size), as_levels(self.default_mask)
        feeds = self.feeds(photo, hole, frame, references, [frame] * len(references))
        (repaired,) = runtime.first_run(self.session, feeds, str(self.path))
        if repaired.shape != photo.shape:
            problem = f"of shape {repaired.shape}, not {photo.shape}"
        elif not np.array_equal(repaired[hole == 0], photo[hole == 0]):
            problem = "changed outside the hole"
        else:
            return
        raise TwoFaceError(f"{self.path}: its repair of a picture is {problem}; get the file anew, or export again")

    def _landmarks(self, frame: Frame, part: tuple[slice, slice] = (slice(0, None), slice(0, None))) -> np.ndarray:
        """Of a frame's face, in a part of its photo; float32 (5, 2)."""
        rows, columns = part
        return (frame.from_unit(self.facts.canonical) - (columns.start, rows.start)).astype(np.float32)

    def feeds(
        self,
        photo: np.ndarray,
        mask: np.ndarray,
        frame: Frame,
        references: Sequence[np.ndarray],
        frames: Sequence[Frame],
    ) -> dict[str, np.ndarray]:
        """By name, each picture cut to what is needed of it."""
        part = surroundings(frame, mask.shape, bounding_box(mask))
        parts = [surroundings(of, each.shape) for of, each in zip(frames, references, strict=True)]
        cut = [each[kept] for each, kept in zip(references, parts, strict=True)]
        return {
            "photo": photo[part],
            "mask": mask[part],
            "landmarks": self._landmarks(frame, part),
            "references": _one_size(cut),
            "reference_sizes": np.array([each.shape[:2] for each in cut]),
            "reference_landmarks": np.stack([self._landmarks(*each) for each in zip(frames, parts, strict=True)]),
        }

    def repair(
        self,
        photo: np.ndarray,
        hole: np.ndarray,
        frame: Frame,
        references: Sequence[np.ndarray],
        frames: Sequence[Frame],
    ) -> np.ndarray:
        """What a hole is filled with.

        Args:
            photo: uint8 sRGB (H, W, 3).
            hole: bool (H, W), True = hole, with at least one pixel.
            frame: of the photo's face.
            references: uint8 sRGB (H, W, 3) each, of any sizes.
            frames: of their faces.

        Returns:
            uint8, of the hole's :func:`bounding_box`; outside of the hole the photo itself.

        Raises:
            TwoFaceError: a number of references that this model cannot take.
            FillError: it fails, for want of memory above all.
        """
        self.check_references(len(references))
        feeds = self.feeds(photo, as_levels(hole), frame, references, frames)
        try:
            (repaired,) = self.session.run(None, feeds, runtime.run_options())
        except Exception as error:  # onnxruntime raises classes of its own, with no common base
            raise FillError(f"{self.path}: cannot repair this photo: {first_line(error)}") from None
        return np.asarray(repaired)[bounding_box(feeds["mask"])]
