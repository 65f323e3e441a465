"""Monochrome photos: grey, or toned (sepia, cyanotype, faded), so that colour follows from brightness alone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from twoface_pl.faces.hole import as_levels

CELLS = 32  # a side, of which the means are compared: a JPEG's colours are coarser than its brightness
WORKED_ON = 256  # pixels a side: a larger picture is made smaller before
CONTRAST = 40.0  # levels of deviation within a cell, above which it mixes two tones and says nothing
LEAST_CELLS = 8  # seen, to say anything
SMOOTHING = 2.0  # levels, standard deviation of the curve's
NEUTRAL = 2.0  # levels of colour, in the mean, that are none
# How far a cell's colour may lie from the curve, in levels, 95 cells of 100: 4 and a share of how much colour there
# is, 10 at the most. Of 344 colour photos (LFW, CelebA, web, studio) 3 pass; of the same ones toned and saved as JPEG
# 99 of 100 sepias do, and all that are grey, blue or faded.
OFF, OFF_BY_COLOUR, OFF_MOST = 4.0, 0.17, 10.0
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def brightness(image: np.ndarray) -> np.ndarray:
    """Of a toned picture (..., 3): (...), its channels' mean. Where red is at its end in the highlights of a sepia,
    the eye's weights would hardly tell its tones apart."""
    return image.mean(axis=-1)


@dataclass(frozen=True)
class Tone:
    """Colour as a curve of brightness."""

    offsets: np.ndarray  # float32 (256, 3): colour minus brightness, at each level of it, all in levels

    def apply(self, grey: np.ndarray) -> np.ndarray:
        """A brightness in [0, 1], (...), in the photo's tone: (..., 3) in [0, 1]."""
        levels = np.clip(grey, 0, 1) * 255
        colours = [np.interp(levels, np.arange(256), self.offsets[:, channel]) for channel in range(3)]
        return np.clip((levels[..., None] + np.stack(colours, axis=-1)) / 255, 0, 1).astype(np.float32)


def _cells(image: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Mean colours, (N, 3) in levels, of the cells that are seen for the greater part and have about one tone."""
    share = visible.astype(np.float32)
    size = (min(CELLS, len(image)),) * 2

    def sums(picture: np.ndarray) -> np.ndarray:
        return cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA)

    seen = sums(share)
    kept = seen > 0.5
    colours = sums(image * share[..., None])[kept] / seen[kept][:, None] * 255
    squares = sums(brightness(image) ** 2 * share)[kept] / seen[kept] * 255**2
    return colours[squares - brightness(colours) ** 2 < CONTRAST**2]


def _curve(levels: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(256, 3): the offsets near each level in the mean; further than any was seen, the nearest."""
    grid = np.arange(256)
    weights = np.exp(-(((grid[:, None] - levels[None]) / SMOOTHING) ** 2) / 2)
    total = weights.sum(axis=1)
    known = total > 0.5
    curve = (weights @ offsets)[known] / total[known][:, None]
    return np.stack([np.interp(grid, grid[known], curve[:, channel]) for channel in range(3)], axis=1)


def find_tone(image: np.ndarray, visible: np.ndarray) -> Tone | None:
    """The tone of a monochrome photo; None of one in colours.

    Args:
        image: float (H, W, 3) in [0, 1], sRGB; what is not visible says nothing.
        visible: bool (H, W).
    """
    if len(image) > WORKED_ON:
        size = (WORKED_ON, WORKED_ON)
        levels = cv2.resize(as_levels(visible), size, interpolation=cv2.INTER_AREA)
        visible = levels == 255  # what the hole shows says nothing
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    colours = _cells(image, visible)
    if len(colours) < LEAST_CELLS:
        return None
    levels = brightness(colours)
    offsets = colours - levels[:, None]
    curve = _curve(levels, offsets)
    off = offsets - np.stack([np.interp(levels, np.arange(256), curve[:, channel]) for channel in range(3)], axis=1)
    colour = float(np.ptp(offsets, axis=1).mean())
    if np.percentile(np.ptp(off, axis=1), 95) > min(OFF_MOST, OFF + OFF_BY_COLOUR * colour):
        return None
    if colour <= NEUTRAL:
        curve = np.zeros_like(curve)
    return Tone(curve.astype(np.float32))


def in_grey(images: np.ndarray, masks: np.ndarray) -> tuple[list[Tone | None], np.ndarray]:
    """Each picture's tone, and the pictures with the toned ones in grey.

    Args:
        images: float32 (N, H, W, 3) in [0, 1].
        masks: (N, H, W), 1 = hole, which says nothing.
    """
    tones = [find_tone(image, mask == 0) for image, mask in zip(images, masks, strict=True)]
    grey = [image if tone is None else _grey(brightness(image)) for tone, image in zip(tones, images, strict=True)]
    return tones, np.stack(grey)


def _grey(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels[..., None], 3, axis=-1).astype(np.float32)


def grey_where(tones: list[Tone | None], pictures: np.ndarray) -> np.ndarray:
    """References (N, ..., 3): those of a toned photo in grey, as the eye weighs their colours."""
    toned = np.array([tone is not None for tone in tones])
    if not toned.any():
        return pictures
    result = pictures.copy()
    result[toned] = (pictures[toned] @ LUMA)[..., None]
    return result


def in_tone(tones: list[Tone | None], filled: np.ndarray, images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Fills (N, H, W, 3), each in its photo's tone; outside the hole the photo itself."""
    result = filled.copy()
    for number, tone in enumerate(tones):
        if tone is not None:
            share = masks[number][..., None].astype(np.float32)
            result[number] = tone.apply(brightness(filled[number])) * share + images[number] * (1 - share)
    return result
