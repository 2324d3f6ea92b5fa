"""sign(x) in {-1, +1} with sign(0) = +1, and the gradients that papers give it."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor

SignGradient = Literal["ste", "approx"]


class _SteSign(torch.autograd.Function):
    """Straight-through: the gradient passes where |x| <= 1 (Courbariaux et al., 2016)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x.abs().le_(1))
        return _sign(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        inside: Tensor = ctx.saved_tensors[0]
        return grads[0] * inside


class _ApproxSign(torch.autograd.Function):
    """The derivative of a piecewise quadratic: 2 - 2|x| where |x| < 1 (Liu et al., Bi-Real Net, 2018)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _sign(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        x: Tensor = ctx.saved_tensors[0]
        return x.abs().clamp_(max=1).mul_(-2).add_(2).mul_(grads[0])


def sign(x: Tensor, gradient: SignGradient = "ste") -> Tensor:
    """+1 where x >= 0, else -1, in the type of x; raises ValueError for an unknown gradient."""
    if gradient not in get_args(SignGradient):
        raise ValueError(f"unknown sign gradient {gradient!r}; choose from {get_args(SignGradient)}")
    function = _SteSign if gradient == "ste" else _ApproxSign
    signed: Tensor = function.apply(x)  # type: ignore[no-untyped-call]
    return signed


def _sign(x: Tensor) -> Tensor:
    # torch.sign(0) is 0, a third value that no 1-bit kernel has. Compared in place, 0 and 1 come in the type
    # of x: to make them from truth values takes four times as long on a CPU.
    return x.clone().ge_(0).mul_(2).sub_(1)
