"""From latent weights to those that are convolved, and how new ones are drawn."""

from math import prod
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from evo_bnas.binary.sign import STE, Gradient, sign
from evo_bnas.network.node import Spec

Weights = Literal["binary", "real"]

_EPS = 1e-5
_PRELU_SLOPE = 0.25


def effective(latent: Tensor, bits: int, weights: Weights, gradient: Gradient = STE) -> Tensor:
    """The weight that an operation uses: ±1, or standardised real values, where it has 1 bit.

    No scale is multiplied into binary weights: the norm that follows cancels it forward and backward.
    """
    if bits != 1:
        return latent
    standard = standardise(latent)
    return sign(standard, gradient) if weights == "binary" else standard


class _Standardise(torch.autograd.Function):
    """With a gradient of five passes; composed of torch's own it takes three times as many."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        dims = tuple(range(1, weight.dim()))
        variance, mean = torch.var_mean(weight, dims, correction=0, keepdim=True)
        scale = (variance + _EPS**2).rsqrt()
        standard = (weight - mean) * scale
        ctx.save_for_backward(standard, scale)
        return standard

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        standard, scale = ctx.saved_tensors
        dims = tuple(range(1, standard.dim()))
        along = (grads[0] * standard).mean(dims, keepdim=True)
        behind = torch.addcmul(grads[0] - grads[0].mean(dims, keepdim=True), standard, along, value=-1)
        return behind.mul_(scale)


def standardise(weight: Tensor) -> Tensor:
    """Zero mean and unit deviation per filter, as in IR-Net (Qin et al., 2020) and NAS-BNN.

    It makes slices of a shared filter comparable; the eps keeps a filter without deviation, of one weight
    say, and its gradient finite.
    """
    standard: Tensor = _Standardise.apply(weight)  # type: ignore[no-untyped-call]
    return standard


def initial(spec: Spec, generator: torch.Generator) -> Tensor:
    """A fresh tensor for its role: weights uniform in ±1/sqrt(fan-in), gains 1, PReLU slopes 0.25."""
    if spec.role == "weight":
        bound = prod(spec.shape[1:]) ** -0.5
        return torch.empty(spec.shape).uniform_(-bound, bound, generator=generator)
    fill = {"gain": 1.0, "scale": 1.0, "slope": _PRELU_SLOPE}.get(spec.role, 0.0)
    return torch.full(spec.shape, fill)
