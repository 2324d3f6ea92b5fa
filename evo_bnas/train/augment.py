"""Augmentation of a whole batch on its device, by index arithmetic."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Pad-and-crop, horizontal flip, cutout (DeVries & Taylor, 2017): what small 1-bit networks bear."""

    crop: int = 0  # pixels of padding
    flip: bool = False
    cutout: int = 0  # side of the erased square in pixels; 0: none

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A new batch of the same shape (batch, channels, height, width)."""
        if self.crop:
            images = _crop(images, self.crop, generator)
        if self.flip:
            images = _flip(images, generator)
        if self.cutout:
            images = _cutout(images, self.cutout, generator)
        return images


def _integers(high: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(high, (count,), generator=generator, device=generator.device)


def _crop(images: Tensor, pad: int, generator: torch.Generator) -> Tensor:
    count, _, height, width = images.shape
    # Normalised images: the value 0 of the border is the mean of the train part.
    padded = F.pad(images, (pad,) * 4)
    top, left = (_integers(2 * pad + 1, count, generator) for _ in range(2))
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    which = torch.arange(count, device=images.device)[:, None, None]
    return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _flip(images: Tensor, generator: torch.Generator) -> Tensor:
    flipped = _integers(2, len(images), generator).bool()
    return torch.where(flipped[:, None, None, None], images.flip(3), images)


def _cutout(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    count, _, height, width = images.shape

    def inside(size: int) -> Tensor:
        # The centre may be anywhere, so that squares at the border are cut off.
        distance = torch.arange(size, device=images.device) - _integers(size, count, generator)[:, None]
        return (distance >= -(side // 2)) & (distance < side - side // 2)

    square = inside(height)[:, None, :, None] & inside(width)[:, None, None, :]
    return images.masked_fill(square, 0.0)
