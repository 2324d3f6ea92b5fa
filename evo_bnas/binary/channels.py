"""Vectors with one value per channel, applied to maps (batch, channels, height, width)."""

from torch import Tensor


def per_channel(vector: Tensor, maps: Tensor) -> Tensor:
    """(channels,) as (channels, 1, 1), in the type of the maps, so that bfloat16 maps stay bfloat16."""
    return vector.to(maps.dtype)[:, None, None]


def shifted(maps: Tensor, shift: Tensor | None) -> Tensor:
    """A new tensor: the maps plus a shift (channels,), or a copy without a shift."""
    return maps.clone() if shift is None else maps + per_channel(shift, maps)


def total(maps: Tensor, vector: Tensor) -> Tensor:
    """The sum of every channel, in the type of `vector`."""
    return maps.sum((0, 2, 3), dtype=vector.dtype)
