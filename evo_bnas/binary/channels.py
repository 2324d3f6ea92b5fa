"""Vectors of one value a channel, beside maps of (batch, channels, height, width)."""

from torch import Tensor


def per_channel(vector: Tensor, maps: Tensor) -> Tensor:
    """(channels,) as (channels, 1, 1) in the type of the maps: a float32 shift would widen bfloat16 maps."""
    return vector.to(maps.dtype)[:, None, None]


def shifted(maps: Tensor, shift: Tensor | None) -> Tensor:
    """New maps: the sum of the maps and a shift (channels,), or a copy where there is none."""
    return maps.clone() if shift is None else maps + per_channel(shift, maps)


def total(maps: Tensor, vector: Tensor) -> Tensor:
    """The sum of every channel, in the type of a vector of the channels."""
    return maps.sum((0, 2, 3), dtype=vector.dtype)
