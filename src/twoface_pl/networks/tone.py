"""Monochrome photos: grey, or toned (sepia, cyanotype, faded), so that colour follows from brightness alone.

Such a photo is filled in grey and brought into its own tone again, whatever colours its references have.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from twoface_pl.networks.resample import Resampler

CELLS = 32  # a side, of which the means are compared: a JPEG's colours are coarser than its brightness
CONTRAST = 40.0  # levels of deviation within a cell, above which it mixes two tones and says nothing
LEAST_SEEN = 0.5  # of a cell, to count
LEAST_CELLS = 8  # that count, to say anything
SMOOTHING = 2.0  # levels, standard deviation of the curve's
KNOWN = 0.5  # cells about a level, from which on the curve is known there
NEUTRAL = 2.0  # levels of colour, in the mean, that are none
# How far a cell's colour may lie from the curve, in levels, 95 cells of 100: 4 and a share of how much colour there
# is, 10 at the most. Of 344 colour photos (LFW, CelebA, web, studio) 3 pass; of the same ones toned and saved as JPEG
# 99 of 100 sepias do, and all that are grey, blue or faded.
WITHIN, OFF, OFF_BY_COLOUR, OFF_MOST = 0.95, 4.0, 0.17, 10.0
LEVELS = 256
STEPS = 4  # of the table that a curve is looked up in, for a level
LUMA, MEAN = (0.299, 0.587, 0.114), (1 / 3, 1 / 3, 1 / 3)
TINY, ALMOST = 1e-6, 1e-4


class Tones(NamedTuple):
    """Of each photo: whether it is monochrome, and its colour as a curve of brightness."""

    toned: Tensor  # bool (N,)
    curves: Tensor  # (N, 256, 3): colour minus brightness at each level of it, all in levels; 0 of others


def brightness(pictures: Tensor) -> Tensor:
    """Of toned pictures (N, 3, H, W): (N, 1, H, W), the channels' mean. Where red is at its end in the highlights of a
    sepia, the eye's weights would hardly tell its tones apart."""
    return pictures.mean(dim=1, keepdim=True)


def _cells(image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """Mean colours (N, M, 3) in levels of a photo's cells; and bool (N, M): which are seen for the greater part and
    have about one tone."""
    side = image.shape[-1]
    between = Resampler(side, min(CELLS, side), image)
    visible = 1 - hole
    grey = brightness(image)
    sums = between.shrink(torch.cat([image * visible, grey.square() * visible, visible], dim=1)).flatten(2)  # N, 5, M
    seen = sums[:, 4]
    colours = sums[:, :3] / seen[:, None].clamp(min=TINY) * 255
    squares = sums[:, 3] / seen.clamp(min=TINY) * 255**2
    even = squares - colours.mean(dim=1).square() < CONTRAST**2
    return colours.transpose(1, 2), (seen > LEAST_SEEN) & even


def _nearest_known(known: Tensor) -> tuple[Tensor, Tensor]:
    """For each of the levels, the nearest known (bool (N, L)) ones not above and not below it: float (N, L)."""
    levels = torch.arange(LEVELS, device=known.device, dtype=torch.float32)
    others, here = levels[None, None], levels[None, :, None]  # 1, 1, L and 1, L, 1
    below = torch.where(known[:, None] & (others <= here), others, -1).amax(dim=2)
    above = torch.where(known[:, None] & (others >= here), others, LEVELS).amin(dim=2)
    nothing_below, nothing_above = below < 0, above >= LEVELS
    below, above = torch.where(nothing_below, above, below), torch.where(nothing_above, below, above)
    return below.clamp(0, LEVELS - 1), above.clamp(0, LEVELS - 1)


def _curve(levels: Tensor, offsets: Tensor, counts: Tensor) -> Tensor:
    """(N, 256, 3): the offsets (N, M, 3) near each level (N, M) in the mean; between known ones straight on, further
    than any was seen, the nearest."""
    grid = torch.arange(LEVELS, device=levels.device, dtype=torch.float32)[:, None]
    weights = torch.exp(-((grid - levels[:, None]) / SMOOTHING).square() / 2) * counts[:, None].float()
    total = weights.sum(dim=2)  # of (N, 256, M): N, 256
    means = weights @ offsets / total[..., None].clamp(min=TINY)
    below, above = _nearest_known(total > KNOWN)
    share = ((grid[:, 0] - below) / (above - below).clamp(min=1))[..., None]
    first, last = (_at(means, places) for places in (below, above))
    return first + (last - first) * share


def _at(curves: Tensor, places: Tensor) -> Tensor:
    """Curves (N, L, 3) at whole places (N, M): (N, M, 3)."""
    return torch.gather(curves, 1, places.long()[..., None].expand(-1, -1, 3))


def _between(curves: Tensor, levels: Tensor) -> Tensor:
    """Curves (N, 256, 3) at any levels (N, M): (N, M, 3)."""
    within = levels.clamp(0, LEVELS - 1)
    first = (within - ALMOST).clamp(min=0).floor()  # the last one but one at the most
    share = (within - first)[..., None]
    return _at(curves, first) * (1 - share) + _at(curves, first + 1) * share


def _spread_of(offsets: Tensor) -> Tensor:
    return offsets.amax(dim=2) - offsets.amin(dim=2)


def _percentile(values: Tensor, counts: Tensor, share: float) -> Tensor:
    """(N,): the value (of (N, M)) that a share of those that count (bool (N, M)) does not exceed."""
    ordered = torch.where(counts, values, torch.inf).sort(dim=1).values
    place = share * (counts.sum(dim=1, keepdim=True).float() - 1).clamp(min=0)
    first = place.floor()
    last = (first + 1).clamp(max=values.shape[1] - 1)
    one, other = torch.gather(ordered, 1, torch.cat([first, last], dim=1).long()).split(1, dim=1)
    # where one of all counts, the other is infinite
    return torch.where(place > first, one + (other - one) * (place - first), one)[:, 0]


def find_tones(image: Tensor, hole: Tensor) -> Tones:
    """The tones of photos.

    Args:
        image: (N, 3, S, S) in [0, 1], sRGB; what is in the hole says nothing.
        hole: (N, 1, S, S), 1 = hole.
    """
    colours, counts = _cells(image, hole)
    levels = colours.mean(dim=2)
    offsets = colours - levels[..., None]
    curves = _curve(levels, offsets, counts)
    off = _percentile(_spread_of(offsets - _between(curves, levels)), counts, WITHIN)
    number = counts.sum(dim=1).float()
    colour = (_spread_of(offsets) * counts).sum(dim=1) / number.clamp(min=1)
    toned = (number >= LEAST_CELLS) & (off <= (OFF + OFF_BY_COLOUR * colour).clamp(max=OFF_MOST))
    return Tones(toned, torch.where((toned & (colour > NEUTRAL))[:, None, None], curves, 0.0))


def _mix(tones: Tones, weights: tuple[float, float, float]) -> Tensor:
    """(N, 3, 3), to be multiplied with colours: of toned photos one mean of the three for each, else no change."""
    grey = torch.tensor(weights, device=tones.toned.device).expand(3, 3)
    return torch.where(tones.toned[:, None, None], grey, torch.eye(3, device=grey.device))


def _mixed(mix: Tensor, pictures: Tensor) -> Tensor:
    """Pictures (..., 3, H, W) by matrices (..., 3, 3): one product is faster than choosing pixel by pixel."""
    return (mix @ pictures.flatten(-2)).unflatten(-1, pictures.shape[-2:])


def grey_image(tones: Tones, image: Tensor) -> Tensor:
    """Photos (N, 3, H, W): the toned ones in grey."""
    return _mixed(_mix(tones, MEAN), image)


def grey_references(tones: Tones, references: Tensor) -> Tensor:
    """References (N, R, 3, H, W): those of toned photos in grey, as the eye weighs their colours."""
    return _mixed(_mix(tones, LUMA)[:, None], references)


def in_tone(tones: Tones, fill: Tensor) -> Tensor:
    """Fills (N, 3, H, W) in [0, 1], those of toned photos in their tone."""
    grid = torch.arange((LEVELS - 1) * STEPS + 1, device=fill.device, dtype=torch.float32) / STEPS
    table = _between(tones.curves, grid.expand(fill.shape[0], -1)) / 255
    mixed = grey_image(tones, fill)
    first = torch.arange(fill.shape[0], device=fill.device) * table.shape[1]
    places = (mixed[:, 1].clamp(0, 1) * ((LEVELS - 1) * STEPS)).round().long() + first[:, None, None]
    return (mixed + F.embedding(places, table.flatten(0, 1)).movedim(-1, 1)).clamp(0, 1)
