"""sign(x) in {-1, +1} with sign(0) = +1, and its surrogate gradients."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from evo_bnas.binary.channels import shifted, total

SignGradient = Literal["ste", "approx", "tanh"]  # as recipes name them


@dataclass(frozen=True, slots=True)
class Ste:
    """Straight-through estimator: the gradient passes if |x| <= clip (Courbariaux et al., 2016)."""

    clip: float = 1.0

    def derivative_(self, x: Tensor) -> Tensor:
        """The factor of the gradient, written in place of x."""
        return x.abs_().le_(self.clip)


@dataclass(frozen=True, slots=True)
class Approx:
    """The derivative of a piecewise quadratic: max(2 - 2|x|, 0) (Liu et al., Bi-Real Net, 2018)."""

    def derivative_(self, x: Tensor) -> Tensor:
        """The factor of the gradient, written in place of x."""
        return x.abs_().clamp_(max=1).mul_(-2).add_(2)


@dataclass(frozen=True, slots=True)
class Tanh:
    """The derivative of k tanh(t x) with k = max(1/t, 1) (Qin et al., IR-Net, 2020).

    A small t passes nearly all gradients, a large t only those of inputs near 0. Training increases t.
    """

    t: float

    def derivative_(self, x: Tensor) -> Tensor:
        """The factor of the gradient, written in place of x."""
        slope = max(self.t, 1.0)  # k t
        return x.mul_(self.t).tanh_().square_().mul_(-slope).add_(slope)


STE = Ste()
Gradient = Ste | Approx | Tanh


class _Sign(torch.autograd.Function):
    """sign(x + shift); saves only x, from which the backward pass computes the derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor | None, gradient: Gradient) -> Tensor:
        ctx.save_for_backward(x, shift)
        ctx.gradient = gradient
        # torch.sign(0) is 0, which has no 1-bit form. Comparing in place gives 0 and 1 in the type of x;
        # making them from booleans takes four times as long on a CPU.
        return shifted(x, shift).ge_(0).mul_(2).sub_(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None]:
        x, shift = ctx.saved_tensors
        grad = ctx.gradient.derivative_(shifted(x, shift)).mul_(grads[0])
        return grad, total(grad, shift) if ctx.needs_input_grad[1] else None, None


def sign(x: Tensor, gradient: Gradient = STE) -> Tensor:
    """+1 if x >= 0, else -1, in the type of x."""
    signed: Tensor = _Sign.apply(x, None, gradient)  # type: ignore[no-untyped-call]
    return signed


def rsign(x: Tensor, shift: Tensor, gradient: Gradient) -> Tensor:
    """RSign: the sign of maps (batch, channels, height, width) after a learned shift (channels,).

    Liu et al. (ReActNet, 2020).
    """
    signed: Tensor = _Sign.apply(x, shift, gradient)  # type: ignore[no-untyped-call]
    return signed
