"""Augmentation of a whole batch on its device, by index arithmetic."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from evo_bnas.train.settings import AugmentationSettings

_ALL = slice(None)
_Draw = Callable[[int], Tensor]  # one number from 0 to below this for each image


def augment(
    images: Tensor,
    settings: AugmentationSettings,
    generator: torch.Generator,
    batch: int | None = None,
    part: slice = _ALL,
) -> Tensor:
    """New images of the same shape (images, channels, height, width).

    They may be `part` of a larger batch: then each is varied as it would be in the whole batch.
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
    # Normalised images: the value 0 of the border is the mean of the train part.
    padded = F.pad(images, (pad,) * 4)
    top, left = (draw(2 * pad + 1) for _ in range(2))
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    which = torch.arange(count, device=images.device)[:, None, None]
    return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _flip(images: Tensor, draw: _Draw) -> Tensor:
    flipped = draw(2).bool()
    return torch.where(flipped[:, None, None, None], images.flip(3), images)


def _cutout(images: Tensor, side: int, draw: _Draw) -> Tensor:
    *_, height, width = images.shape

    def inside(size: int) -> Tensor:
        # The centre may be anywhere, so that squares at the border are cut off.
        distance = torch.arange(size, device=images.device) - draw(size)[:, None]
        return (distance >= -(side // 2)) & (distance < side - side // 2)

    square = inside(height)[:, None, :, None] & inside(width)[:, None, None, :]
    return images.masked_fill(square, 0.0)
