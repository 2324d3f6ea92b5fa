"""A Hypothesis strategy for maps of activations."""

import torch
from hypothesis import strategies as st
from torch import Tensor

LAYOUTS = (torch.contiguous_format, torch.channels_last)


@st.composite
def maps(draw: st.DrawFn, kind: torch.dtype = torch.float64) -> Tensor:
    """Random maps (batch, channels, height, width), down to one value, in either layout."""
    shape = tuple(draw(st.integers(1, most)) for most in (4, 9, 5, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    values = torch.randn(shape, generator=generator, dtype=kind)
    return values.clone(memory_format=draw(st.sampled_from(LAYOUTS)))


def like(x: Tensor, seed: int = 0) -> Tensor:
    """Other random maps of the shape and the layout."""
    generator = torch.Generator().manual_seed(seed)
    return torch.empty_like(x).copy_(torch.randn(x.shape, generator=generator, dtype=x.dtype))


def vector(x: Tensor, seed: int) -> Tensor:
    """A random value for every channel, that wants a gradient."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(x.shape[1], generator=generator, dtype=x.dtype).requires_grad_()
