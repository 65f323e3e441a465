"""Detail above the generator's resolution, from the references at their own.

The generator fills at one size and says where each place of its fill is in each reference. Here that
displacement is refined until the reference fits the fill, the reference is brought there at full size, and what it
shows above the generator's resolution is added to the enlarged fill: only where both agree in the band below, and
only as strong as the photo's own detail about the hole. Where no reference fits (hair, background) the photo's own
detail goes on beyond the hole's edge. Nothing in it is trained. Related: contextual residual
aggregation (Yi et al. 2020, HiFill), Laplacian-pyramid blending (Burt & Adelson 1983).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twoface_pl.faces.frame import NOMINAL_SIZE
from twoface_pl.networks.blocks import coordinates
from twoface_pl.networks.generator import Match
from twoface_pl.networks.resample import Resampler, mean_over, window
from twoface_pl.networks.smooth import smooth_fill_any_size

NARROW, MIDDLE, WIDE, SURROUNDINGS = 2.0, 3.2, 5.3, 12.0  # standard deviations of windows, in pixels of NOMINAL_SIZE
COARSEST = 8  # of the generator's size, the side of the coarsest level of what makes the rim fit
LUMA = (0.299, 0.587, 0.114)
ITERATIONS = 4  # of the refinement, each of a pixel at the most
CONTRAST_FLOOR, DAMPING = 0.03, 0.05  # of local contrast that counts; of a step where there is little to go by
VARIANCE_FLOOR = 1e-4  # of agreement: flat skin fits flat skin
ADDED, REPLACED = (0.0, 0.6), (0.6, 0.9)  # agreement from which, and from which on all, detail is let through
SHARE_ADDED, SHARE_REPLACED = (0.6, 0.95), (0.12, 0.75)  # of it, by trust: none, and all
TRUSTED = (0.4, 0.75)  # agreement about a place from which, and from which on all, a reference is trusted
SHARPER = (0.6, 1.0)  # energy of the finest band, of the fill's, from which, and from which on all, it is replaced
LEAST_SEEN = 0.02  # share of a window that is seen, to say anything of it
FARTHER = 1e-3  # of a window's weight, the next larger one's
BEYOND = 2.2  # distances to the hole's edge, to where the photo's own detail is taken from
TEXTURE = 0.04  # of the photo's own detail, in brightness: more is an edge, whose mirror image is a crack
RIM = 0.5  # share that detail loses at the hole's very edge
GAIN = (0.3, 2.5)  # of a reference's contrast, smallest and largest
ENERGY_FLOOR, ENERGY_SHARE = 1e-6, 0.02  # of detail that counts; of its mean over the picture where none is near
SURENESS = 60.0  # of the choice between references, by agreement


class Given(NamedTuple):
    """What a generator is given, at one size."""

    masked_image: Tensor  # (N, 3, S, S) in [0, 1], zeros in the hole
    mask: Tensor  # (N, 1, S, S), 1 = hole
    references: Tensor  # (N, R, 3, S, S) in [0, 1]


def _smoothstep(value: Tensor, bounds: tuple[float, float]) -> Tensor:
    low, high = bounds
    share = ((value - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def _between(bounds: tuple[float, float], share: Tensor) -> Tensor:
    low, high = bounds
    return low + (high - low) * share


def _for_each(pictures: Tensor, count: int) -> Tensor:
    """(N, ...) to (N * count, ...): each of them for each of its references."""
    return pictures[:, None].expand(-1, count, -1, -1, -1).flatten(0, 1)


def _blend(pictures: Tensor, count: int) -> Tensor:
    """(N * count, ...) to (N, ...): the sum over the references."""
    return pictures.unflatten(0, (-1, count)).sum(dim=1)


def _sample(pictures: Tensor, shift: Tensor, places: Tensor) -> Tensor:
    """Pictures (B, C, S, S) at places (2, S, S) displaced by (B, 2, S, S)."""
    where = (shift + places).permute(0, 2, 3, 1)  # B, S, S, 2
    return F.grid_sample(pictures, where, padding_mode="border", align_corners=False)


class Detail(nn.Module):
    """Brings a fill to the size of its photo.

    Args:
        size: pixels a side that the generator works at.
    """

    slopes: Tensor
    places: Tensor
    narrow: Tensor
    middle: Tensor
    wide: Tensor
    surroundings: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        slopes = torch.zeros(2, 1, 3, 3)
        slopes[0, 0, 1] = slopes[1, 0, :, 1] = torch.tensor([-0.5, 0.0, 0.5])
        scale = size / NOMINAL_SIZE
        for name, value in (
            ("slopes", slopes),  # across and down, as weights of a convolution
            ("places", coordinates(size, size, slopes)),
            ("narrow", window(size, NARROW * scale)),
            ("middle", window(size, MIDDLE * scale)),
            ("wide", window(size, WIDE * scale)),
            ("surroundings", window(size, SURROUNDINGS * scale)),
        ):
            self.register_buffer(name, value, persistent=False)

    def forward(self, between: Resampler, given: Given, own: Given, match: Match) -> Tensor:
        """The fill at full size, (N, 3, S, S), not clamped; outside of the hole it is of no use.

        Args:
            between: full size and the generator's.
            given: at full size.
            own: the same at the generator's size; its hole is all that the generator filled.
            match: the generator's.
        """
        count, side = given.references.shape[1], given.mask.shape[-1]
        share = (between.factor - 1).clamp(0, 1)  # nothing at the generator's own size, all from twice that on
        # B = N * R from here on, until _blend sums over the references
        fill = _for_each(match.fill, count)
        shift = self._align(fill, own.references.flatten(0, 1), match.shift.flatten(0, 1))
        places = coordinates(side, side, given.mask)
        coarse = _sample(own.references.flatten(0, 1), shift, self.places)
        agreement = self._agreement(fill, coarse)
        chosen = self._choose(agreement, count)

        visible = 1 - own.mask
        trust = self._trust(agreement, _for_each(visible, count))
        replaced = chosen * _smoothstep(agreement, REPLACED) * _between(SHARE_REPLACED, trust)
        finest = _blend(replaced * self._sharper(coarse, fill), count)
        base = between.grow(match.fill + share * finest)

        whole = self._luma(given.masked_image + base * given.mask)
        photos = whole - between.grow(between.shrink(whole))
        warped = _sample(self._luma(given.references.flatten(0, 1)), between.grow(shift), places)
        detail = warped - between.grow(between.shrink(warped))
        fits = chosen * _smoothstep(agreement, ADDED)
        gain = self._gain(
            _for_each(between.shrink(photos.square()), count),
            between.shrink(detail.square()),
            _for_each(visible, count) * _smoothstep(agreement, ADDED),
        )
        amplitude = between.grow(fits * gain * _between(SHARE_ADDED, trust))
        unknown = between.grow(own.mask * (1 - _blend(fits, count))).clamp(0, 1)
        texture = (photos * (1 - given.mask)).clamp(-TEXTURE, TEXTURE)
        mirrored = _sample(texture, between.grow(self._mirror(visible)), places)
        added = (_blend(detail * amplitude, count) + mirrored * unknown) * self._rim(between, given.mask)
        sharp = base + share * added
        rest = smooth_fill_any_size(given.masked_image - sharp, given.mask, self.size // COARSEST)
        return sharp + share * rest  # no step is left at the hole's edge

    @staticmethod
    def _luma(picture: Tensor) -> Tensor:
        red, green, blue = picture.split(1, dim=1)  # a convolution would be moved about in memory by onnxruntime
        return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue

    def _sharper(self, reference: Tensor, fill: Tensor) -> Tensor:
        """What the reference has in the fill's own finest band and the fill has not; nothing of a blurred one."""
        both = torch.cat([reference, fill], dim=1)
        theirs, ours = (both - mean_over(both, self.narrow)).split(3, dim=1)
        energies = torch.cat([self._luma(theirs).square(), self._luma(ours).square()], dim=1)
        more, less = mean_over(energies, self.middle).split(1, dim=1)
        return (theirs - ours) * _smoothstep(more / (less + ENERGY_FLOOR), SHARPER)

    def _align(self, fill: Tensor, references: Tensor, shift: Tensor) -> Tensor:
        """Displacements (B, 2, size, size), refined until the references fit the fill: Lucas and Kanade's steps
        (1981) on local contrast."""
        wanted, references = self._contrast(fill), self._contrast(references)
        shift = F.interpolate(shift, (self.size, self.size), mode="bilinear", align_corners=False)
        for _ in range(ITERATIONS):
            found = _sample(references, shift, self.places)
            slopes = F.conv2d(F.pad((found + wanted) / 2, (1, 1, 1, 1), mode="replicate"), self.slopes)
            across, down = slopes.split(1, dim=1)
            products = torch.cat([slopes.square(), across * down, slopes * (wanted - found)], dim=1)
            xx, yy, xy, xe, ye = mean_over(products, self.middle).split(1, dim=1)
            xx, yy = xx + DAMPING, yy + DAMPING
            step = torch.cat([yy * xe - xy * ye, xx * ye - xy * xe], dim=1) / (xx * yy - xy * xy)
            shift = shift + mean_over(step.clamp(-1, 1), self.narrow) * (2 / self.size)
        return shift

    def _contrast(self, picture: Tensor) -> Tensor:
        """Brightness without its local mean, over its local deviation."""
        luma = self._luma(picture)
        apart = luma - mean_over(luma, self.wide)
        return apart / (mean_over(apart.square(), self.wide).sqrt() + CONTRAST_FLOOR)

    def _agreement(self, fill: Tensor, warped: Tensor) -> Tensor:
        """Local correlation of brightness, (B, 1, size, size) in [-1, 1]."""
        both = torch.cat([self._luma(fill), self._luma(warped)], dim=1)
        both = both - mean_over(both, self.middle)
        first, second = both.split(1, dim=1)
        one, other, product = mean_over(torch.cat([both.square(), first * second], dim=1), self.middle).split(1, dim=1)
        return (product + VARIANCE_FLOOR) / ((one * other).clamp(min=0).sqrt() + VARIANCE_FLOOR)

    def _choose(self, agreement: Tensor, count: int) -> Tensor:
        """Which of its references fits each place best, (N * count, 1, size, size), nearly 0 or 1."""
        smooth = mean_over(agreement, self.narrow).unflatten(0, (-1, count))  # N, R, 1, size, size
        return (smooth * SURENESS).softmax(dim=1).flatten(0, 1)

    def _trust(self, agreement: Tensor, visible: Tensor) -> Tensor:
        """How well a reference fits what is seen of the photo about each place, 0 to 1: with the fill alone it may
        agree since the fill was made from it."""
        seen = mean_over(torch.cat([agreement.clamp(min=0) * visible, visible], dim=1), self.surroundings)
        fitting, all_of_it = seen.split(1, dim=1)
        low, high = TRUSTED
        return ((fitting / (all_of_it + LEAST_SEEN) - low) / (high - low)).clamp(0, 1)

    def _mirror(self, visible: Tensor) -> Tensor:
        """Displacements (N, 2, size, size) from places of the hole to as far beyond its edge: there the photo goes on
        as it does here, where no reference shows how. Outside of the hole they are of no use."""
        weighted = torch.cat([self.places * visible, visible], dim=1)
        # The nearest that is seen: a mean over a small window, and where that holds nothing over a larger one.
        windows = (self.narrow, self.wide, self.surroundings)
        total = torch.stack([FARTHER**number * mean_over(weighted, each) for number, each in enumerate(windows)]).sum(0)
        nearest = total[:, :2] / (total[:, 2:] + FARTHER ** len(windows))
        return (nearest - self.places) * BEYOND

    def _gain(self, own: Tensor, others: Tensor, visible: Tensor) -> Tensor:
        """What a reference's detail is multiplied by, that it is as strong as the photo's where both are seen."""
        energies = torch.cat([own, others], dim=1) * visible
        share = visible.mean(dim=(2, 3), keepdim=True).clamp(min=ENERGY_FLOOR)
        everywhere = energies.mean(dim=(2, 3), keepdim=True) / share
        near = mean_over(energies, self.surroundings) + ENERGY_SHARE * everywhere + ENERGY_FLOOR
        photo, reference = near.split(1, dim=1)
        return (photo / reference).sqrt().clamp(*GAIN)

    def _rim(self, between: Resampler, mask: Tensor) -> Tensor:
        """1 inside of the hole, less at its edge: detail that ends there makes a step of its own."""
        depth = between.grow(between.shrink(mask)) * 2 - 1
        return 1 - RIM * (1 - depth.clamp(0, 1))
