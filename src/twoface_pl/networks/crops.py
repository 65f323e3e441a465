"""Squares of pictures, around holes and within them: what losses and discriminators look at."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchvision.ops import roi_align


def hole_boxes(mask: Tensor, margin: float = 0.0) -> Tensor:
    """The smallest square around each hole: (N, 4) of x1, y1, x2, y2 in pixels, for a mask (N, 1, H, W).

    Args:
        mask: (N, 1, H, W), 1 = hole.
        margin: added on each side, as a share of the square's; then it is moved into the image.
    """
    height, width = mask.shape[-2:]
    rows, columns = mask.amax(dim=(1, 3)), mask.amax(dim=(1, 2))
    top, bottom = rows.argmax(1), height - rows.flip(1).argmax(1)
    left, right = columns.argmax(1), width - columns.flip(1).argmax(1)
    half = torch.maximum(bottom - top, right - left) * (0.5 + margin)
    half = half.clamp(max=min(height, width) / 2)
    middle_y = torch.minimum(torch.maximum((top + bottom) / 2, half), height - half)
    middle_x = torch.minimum(torch.maximum((left + right) / 2, half), width - half)
    return torch.stack([middle_x - half, middle_y - half, middle_x + half, middle_y + half], dim=1)


def close_ups(boxes: Tensor, size: int, share: float, random: torch.Generator) -> Tensor:
    """The boxes, but for a share of them, the last ones, a square somewhere in each.

    A large hole brought to few pixels hides what a pixel's neighbours look like; a part of it at full size shows that.

    Args:
        boxes: (N, 4) of x1, y1, x2, y2 in pixels, squares.
        size: side of the squares within, in pixels; a smaller box stays as it is.
        share: of the boxes, 0 to 1, rounded down.
        random: draws where, on the CPU.
    """
    count = math.floor(share * len(boxes))
    whole, chosen = boxes[: len(boxes) - count], boxes[len(boxes) - count :]
    sides = chosen[:, 2:] - chosen[:, :2]
    room = (sides - size).clamp(min=0)
    first = chosen[:, :2] + torch.rand(count, 2, generator=random).to(boxes.device) * room
    first = torch.where(room > 0, first.floor(), first)  # whole pixels: nothing is blurred
    return torch.cat([whole, torch.cat([first, first + sides.clamp(max=size)], dim=1)])


def crop(image: Tensor, boxes: Tensor, size: int) -> Tensor:
    """A square of each picture, (N, 4) of x1, y1, x2, y2 in pixels, at (N, 3, size, size): RoIAlign (He et al. 2017).

    A square of just ``size`` pixels is cropped exactly, pixel by pixel.
    """
    index = torch.arange(len(boxes), device=boxes.device, dtype=boxes.dtype)[:, None]
    # float32 whatever autocast says: RoIAlign has no half-precision kernel on a CPU
    with torch.autocast(image.device.type, enabled=False):
        return roi_align(image.float(), torch.cat([index, boxes], dim=1).float(), size, sampling_ratio=1, aligned=True)
