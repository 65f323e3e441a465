"""The pictures of a request: what every protocol comes down to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twoface_pl.faces.formats import open_picture
from twoface_pl.faces.image import decode_image, decode_mask
from twoface_pl.serving.fill import FillSession
from twoface_pl.serving.http.json_input import MAX_BATCH
from twoface_pl.serving.http.task import Refusal


@dataclass(frozen=True)
class Pictures:
    """Framed faces to fill, all float32 in [0, 1]."""

    images: np.ndarray  # (N, S, S, 3); what is in the hole does not matter
    masks: np.ndarray  # (N, S, S), 1 = hole
    references: np.ndarray  # (N, R, S, S, 3)

    @property
    def shape(self) -> tuple[int, int]:
        """Side and number of references: pictures of one shape are filled together."""
        return self.images.shape[1], self.references.shape[1]

    def __len__(self) -> int:
        return len(self.images)


def joined(several: list[Pictures]) -> Pictures:
    """Those of several requests, one after the other."""
    if len(several) == 1:
        return several[0]
    return Pictures(
        np.concatenate([one.images for one in several]),
        np.concatenate([one.masks for one in several]),
        np.concatenate([one.references for one in several]),
    )


def check_range(values: np.ndarray, name: str) -> None:
    """Refuse values that are not in [0, 1], NaN among them.

    Raises:
        Refusal: names the input.
    """
    if not (values.min() >= 0 and values.max() <= 1):
        raise Refusal(f"{name}: values must lie in [0, 1]; divide 0..255 by 255")


def check_count(count: int, name: str) -> None:
    """Refuse no pictures, and more than a request takes."""
    if not 1 <= count <= MAX_BATCH:
        raise Refusal(f"{name}: {count} pictures; a request takes 1 to {MAX_BATCH}")


def checked(
    session: FillSession, images: np.ndarray, references: np.ndarray, masks: np.ndarray | None, prefix: str = ""
) -> Pictures:
    """Pictures that this model can fill.

    Args:
        session: the model.
        images: float32 (N, S, S, 3).
        references: float32 (N, R, S, S, 3).
        masks: float32 (N, S, S); None: the model's own hole in each.
        prefix: of the inputs' names, for errors.

    Raises:
        TwoFaceError: values out of range, an empty hole, one that it cannot fill, references that it cannot take.
    """
    check_range(images, f"{prefix}masked_image")
    check_range(references, f"{prefix}references")
    session.check_references(references.shape[1])
    if masks is None:
        hole = session.hole_at(images.shape[1]).astype(np.float32)
        return Pictures(images, np.broadcast_to(hole, (len(images), *hole.shape)), references)
    check_range(masks, f"{prefix}mask")
    for mask in masks:
        if not mask.any():
            raise Refusal(f"{prefix}mask: no hole in it; 1 is the hole, 0 is kept")
        session.check_mask(mask > 0)
    return Pictures(images, masks, references)


def encoded_picture(content: bytes, size: int, name: str, mask: bool = False) -> np.ndarray:
    """A picture's file as float32 (size, size, 3) in [0, 1], or a mask's as (size, size).

    Raises:
        Refusal: of another size.
        TwoFaceError: unreadable.
    """
    width, height = open_picture(content, name).size
    if (width, height) != (size, size):
        raise Refusal(
            f"{name}: {width}x{height}; the model takes framed faces of {size}x{size}, POST /inpaint any photo"
        )
    levels = decode_mask(content, name) if mask else decode_image(content, name)
    return levels.astype(np.float32) / 255
