"""What every mask policy has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np

from twoface_pl.errors import TwoFaceError

NOMINAL_SIZE = 128  # pixels a side, in which policies that fit any size give their lengths


class Drawing(NamedTuple):
    """What a mask is drawn for; fields as :meth:`MaskPolicy.draw` has them."""

    rng: np.random.Generator
    image_size: int
    landmarks: np.ndarray | None = None
    epoch: int | None = None


class MaskPolicy(ABC):
    """Draws one mask a sample."""

    name: ClassVar[str]

    @property
    def needs_landmarks(self) -> bool:
        """Whether it has to be told where the face is; where it is False, ``at.landmarks`` are None."""
        return False

    def check(self, image_size: int) -> None:  # noqa: B027 (most fit any picture)
        """Refuse pictures that its holes do not fit.

        Raises:
            TwoFaceError: names the hole.
        """

    def draw(
        self,
        rng: np.random.Generator,
        image_size: int,
        landmarks: np.ndarray | None = None,
        epoch: int | None = None,
    ) -> np.ndarray:
        """A mask with a hole.

        Args:
            rng: all that is drawn comes from it.
            image_size: of the picture, in pixels.
            landmarks: (5, 2), eyes, nose, mouth corners as shares of the picture.
            epoch: of the training; None outside of one, where what comes last counts.

        Returns:
            bool (image_size, image_size), True in the hole.

        Raises:
            TwoFaceError: a hole that does not fit, landmarks that are missing, a policy that draws no such array, or no
                hole.
        """
        mask = self.draw_for(Drawing(rng, image_size, landmarks, epoch))
        if not (isinstance(mask, np.ndarray) and mask.dtype == bool and mask.shape == (image_size, image_size)):
            found = f"{mask.dtype} {list(mask.shape)}" if isinstance(mask, np.ndarray) else type(mask).__name__
            wanted = f"a boolean array [{image_size}, {image_size}], True in the hole"
            raise TwoFaceError(f"mask policy '{self.name}' drew {found}, not {wanted}")
        if not mask.any():
            raise TwoFaceError(f"mask policy '{self.name}' drew a mask without a hole")
        return mask

    @abstractmethod
    def draw_for(self, at: Drawing) -> np.ndarray:
        """What :meth:`draw` returns and raises: what a policy writes."""


def check_range(name: str, key: str, value: object, low: float, high: float) -> None:
    """Refuse what is no pair of numbers, the smaller first, within bounds.

    Raises:
        TwoFaceError: says what is wanted.
    """
    numbers = list(value) if isinstance(value, list | tuple) else []
    if len(numbers) != 2 or not all(isinstance(number, int | float) for number in numbers):
        raise TwoFaceError(f"mask '{name}': {key}={value} is not two numbers, [smallest,largest]")
    if not low < numbers[0] <= numbers[1] < high:
        raise TwoFaceError(f"mask '{name}': {key}={value} must rise, above {low:g} and below {high:g}")
