"""What every generator has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from twoface_pl.errors import TwoFaceError
from twoface_pl.masks import CenterSquare, MaskPolicy
from twoface_pl.model_file import LARGEST_SIZE, MOST_REFERENCES
from twoface_pl.networks.options import require_whole


def composite(image: Tensor, fill: Tensor, mask: Tensor) -> Tensor:
    """``fill`` inside the hole, ``image`` outside of it.

    Args:
        image: (N, 3, H, W).
        fill: (N, 3, H, W).
        mask: (N, 1, H, W), 1 = hole.
    """
    return image * (1 - mask) + fill * mask


class Match(NamedTuple):
    """A fill, and where each place of it is found in the references."""

    fill: Tensor  # (N, 3, H, W) in [0, 1], composited
    shift: Tensor  # (N, R, 2, H', W'): from a place to its like in each reference, x and y; a picture is 2 wide


class Generator(nn.Module, ABC):
    """A network that fills the hole of a picture from references.

    ``forward(masked_image, mask, references)`` takes (N, 3, H, W) in [0, 1] with zeros in the hole,
    (N, 1, H, W) with 1 = hole, and (N, R, 3, H, W) in [0, 1], R photos of the person, whose order does
    not matter; it returns the whole image (N, 3, H, W) in [0, 1], composited: outside the hole it is the
    masked image itself.
    """

    name: ClassVar[str]
    only_hole: CenterSquare | None = None  # the one hole it can fill; None: any
    only_size: int | None = None  # the one image size it works at; None: any multiple of size_step
    only_references: int | None = None  # the one number of references it takes; None: any, none included
    size_step: int = 1
    grows: ClassVar[tuple[str, ...]] = ()  # options that may be larger than those of a generator it starts from

    @abstractmethod
    def forward(self, masked_image: Tensor, mask: Tensor, references: Tensor) -> Tensor:
        """As the class says."""

    def grow_from(self, smaller: Generator) -> None:
        """Take the weights of one whose options in ``grows`` are no larger; what is new changes no fill yet."""
        self.load_state_dict(smaller.state_dict())

    def no_references(self, masked_image: Tensor) -> Tensor:
        """What stands for "no reference": the empty set, or mid-grey pictures where there must be some."""
        batch, *picture = masked_image.shape
        return masked_image.new_full((batch, self.only_references or 0, *picture), 0.5)

    def check(self, image_size: int, policy: MaskPolicy) -> None:
        """Refuse a size or hole this generator cannot do.

        Raises:
            TwoFaceError: says which one it can do.
        """
        require_whole("image_size", image_size, 1, LARGEST_SIZE)
        if self.only_size is not None and image_size != self.only_size:
            raise TwoFaceError(
                f"generator '{self.name}' works at {self.only_size} px, not at {image_size}; "
                f"set image_size={self.only_size} or choose generator=ours"
            )
        if image_size % self.size_step:
            raise TwoFaceError(
                f"generator '{self.name}' needs an image size divisible by {self.size_step}, not {image_size}"
            )
        if self.only_hole is not None and policy != self.only_hole:
            raise TwoFaceError(
                f"generator '{self.name}' fills only the centre {self.only_hole.size}x{self.only_hole.size} "
                f"hole, not mask policy {policy}; set mask=center mask.size={self.only_hole.size} "
                "or choose generator=ours"
            )

    def check_references(self, count: int) -> None:
        """Refuse a number of references this generator cannot take.

        Raises:
            TwoFaceError: says how many it takes.
        """
        require_whole(f"generator '{self.name}': the number of references", count, 1, MOST_REFERENCES)
        if self.only_references not in (None, count):
            raise TwoFaceError(
                f"generator '{self.name}' takes {self.only_references} reference, not {count}; choose generator=ours"
            )


class MatchingGenerator(Generator):
    """One that says where its fill is found in the references."""

    def forward(self, masked_image: Tensor, mask: Tensor, references: Tensor) -> Tensor:
        return self.match(masked_image, mask, references).fill

    @abstractmethod
    def match(self, masked_image: Tensor, mask: Tensor, references: Tensor) -> Match:
        """Its fill, and where each place of it is; arguments as of ``forward``."""
