"""A Hypothesis strategy for activation maps, and the autocast of a GPU."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.overrides import TorchFunctionMode

LAYOUTS = (torch.contiguous_format, torch.channels_last)


@st.composite
def maps(draw: st.DrawFn, kind: torch.dtype = torch.float64) -> Tensor:
    """Random maps (batch, channels, height, width) of at least one value, in either layout."""
    shape = tuple(draw(st.integers(1, most)) for most in (4, 9, 5, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    values = torch.randn(shape, generator=generator, dtype=kind)
    return values.clone(memory_format=draw(st.sampled_from(LAYOUTS)))


def like(x: Tensor, seed: int = 0) -> Tensor:
    """Random maps of the same shape and layout."""
    generator = torch.Generator().manual_seed(seed)
    return torch.empty_like(x).copy_(torch.randn(x.shape, generator=generator, dtype=x.dtype))


def vector(x: Tensor, seed: int) -> Tensor:
    """A random value for every channel, with requires_grad."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(x.shape[1], generator=generator, dtype=x.dtype).requires_grad_()


class GpuAutocast(TorchFunctionMode):
    """The casts of a GPU that the CPU's autocast lacks: PReLU to bfloat16, sums without a type to float32."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if function is torch.prelu:
            args = [value.bfloat16() for value in args]
        elif function is Tensor.sum:
            named.setdefault("dtype", torch.float32)
        return function(*args, **named)
