"""PReLU and RPReLU with their own gradient.

Torch's backward pass of PReLU writes the gradient of the slope for every entry of the maps and then sums it.
Its CPU kernel is not vectorised and takes twenty times as long as the forward pass.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from evo_bnas.binary.channels import per_channel, shifted, total


class _RPReLU(torch.autograd.Function):
    """prelu(x + shift_in) + shift_out; saves only x for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, slope: Tensor, shift_in: Tensor | None, shift_out: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(x, slope, shift_in)
        y = F.prelu(x if shift_in is None else shifted(x, shift_in), slope.to(x.dtype))
        y = y.to(x.dtype)  # autocast on a GPU may narrow the maps, but the gradient has the type of y
        return y if shift_out is None else y.add_(per_channel(shift_out, x))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad = grads[0]
        x, slope, shift_in = ctx.saved_tensors
        _, needs_slope, needs_in, needs_out = ctx.needs_input_grad
        moved = shifted(x, shift_in)
        # grad for positive entries and slope * grad for others, as an interpolation from a masked gradient.
        masked = torch.ops.aten.threshold_backward(grad, moved, 0)
        grad_x = masked.lerp_(grad, per_channel(slope, x))
        return (
            grad_x,
            total(moved.clamp_(max=0).mul_(grad), slope) if needs_slope else None,
            total(grad_x, slope) if needs_in else None,
            total(grad, slope) if needs_out else None,
        )


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """Maps (batch, channels, height, width), with negative values multiplied by the slope (channels,)."""
    y: Tensor = _RPReLU.apply(x, slope, None, None)  # type: ignore[no-untyped-call]
    return y


def rprelu(x: Tensor, slope: Tensor, shift_in: Tensor, shift_out: Tensor) -> Tensor:
    """PReLU between two learned shifts; all vectors are (channels,) (Liu et al., ReActNet, 2020)."""
    y: Tensor = _RPReLU.apply(x, slope, shift_in, shift_out)  # type: ignore[no-untyped-call]
    return y
