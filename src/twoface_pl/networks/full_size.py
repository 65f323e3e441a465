"""A generator at the size of the photo: it fills at its own size, the detail step brings that to the photo's."""

from __future__ import annotations

from torch import Tensor, nn

from twoface_pl.networks.detail import Detail, Given
from twoface_pl.networks.generator import MatchingGenerator, composite
from twoface_pl.networks.resample import Resampler
from twoface_pl.networks.tone import Tones, find_tones, grey_image, grey_references, in_tone

TOUCHED = 1e-4  # a share of a pixel below which the hole has no part in it


def enlarged(own: Tensor, masked_image: Tensor, mask: Tensor) -> Tensor:
    """What the detail step is held against: a generator's own fill (N, 3, size, size), enlarged by a cubic, in the hole
    (N, 1, S, S) of a picture (N, 3, S, S)."""
    between = Resampler(masked_image.shape[-1], own.shape[-1], own)
    return composite(masked_image, between.grow(own).clamp(0, 1), mask)


def _in_grey(tones: Tones, given: Given) -> Given:
    return Given(grey_image(tones, given.masked_image), given.mask, grey_references(tones, given.references))


class FullSize(nn.Module):
    """Fills squares of any size that is a multiple of 8 and at least the generator's.

    A photo in grey, or in one tone, stays so, whatever colours its references have. At the generator's own size the
    fill is the generator's alone; from there to twice that size the detail comes in.

    Args:
        generator: what fills.
        size: pixels a side that it works at.
    """

    def __init__(self, generator: MatchingGenerator, size: int) -> None:
        super().__init__()
        self.generator = generator
        self.detail = Detail(size)

    def forward(self, masked_image: Tensor, mask: Tensor, references: Tensor) -> tuple[Tensor, ...]:
        """Fill at both sizes.

        Args:
            masked_image: (N, 3, S, S) in [0, 1], zeros in the hole.
            mask: (N, 1, S, S), 1 = hole.
            references: (N, R, 3, S, S) in [0, 1].

        Returns:
            The whole image (N, 3, S, S), and (N, 3, size, size) as the generator made it, both in [0, 1]; outside of
            the hole they are the masked image.
        """
        between = Resampler(masked_image.shape[-1], self.detail.size, masked_image)
        hole = (between.shrink(mask) > TOUCHED).to(mask.dtype)
        own = Given(between.shrink(masked_image) * (1 - hole), hole, between.shrink(references))
        tones = find_tones(own.masked_image, own.mask)
        seen = _in_grey(tones, own)
        match = self.generator.match(*seen)
        filled = self.detail(between, _in_grey(tones, Given(masked_image, mask, references)), seen, match)
        return (
            composite(masked_image, in_tone(tones, filled.clamp(0, 1)), mask),
            composite(own.masked_image, in_tone(tones, match.fill), own.mask),
        )
