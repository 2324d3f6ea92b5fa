"""Augmentation of a whole batch at once, on its device."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from evo_bnas.train.settings import AugmentationSettings

_ALL = slice(None)
_Draw = Callable[[int], Tensor]  # for each image a number from 0 up to, not including, the argument


def augment(
    images: Tensor,
    settings: AugmentationSettings,
    generator: torch.Generator,
    batch: int | None = None,
    part: slice = _ALL,
) -> Tensor:
    """Augmented images of the same shape (images, channels, height, width).

    If the images are the given `part` of a batch of size `batch`, the result is that part of the augmented
    batch.
    """

    def draw(high: int) -> Tensor:
        size = (batch or len(images),)
        return torch.randint(high, size, generator=generator, device=generator.device)[part]

    if settings.crop:
        images = _crop(images, settings.crop, draw)
    if settings.flip:
        images = _flip(images, draw)
    if settings.cutout:
        images = _cutout(images, settings.cutout, draw)
    return images


def _crop(images: Tensor, pad: int, draw: _Draw) -> Tensor:
    count, _, height, width = images.shape
    # Images are normalised, so the border of zeros is the mean of the train split.
    padded = F.pad(images, (pad,) * 4)
    top, left = (draw(2 * pad + 1) for _ in range(2))
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    which = torch.arange(count, device=images.device)[:, None, None]
    return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _flip(images: Tensor, draw: _Draw) -> Tensor:
    chosen = draw(2).bool()
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def _cutout(images: Tensor, side: int, draw: _Draw) -> Tensor:
    *_, height, width = images.shape

    def inside(size: int) -> Tensor:
        # The centre may be any pixel, so squares near the border are cut off.
        distance = torch.arange(size, device=images.device) - draw(size)[:, None]
        return (distance >= -(side // 2)) & (distance < side - side // 2)

    square = inside(height)[:, None, :, None] & inside(width)[:, None, None, :]
    return images.masked_fill(square, 0.0)
