"""The effective weights of latent ones, and the initial values of new tensors."""

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
    """The weight that an operation uses: for 1-bit weights ±1 or standardised values, otherwise unchanged.

    Binary weights have no scale: the norm that follows would cancel it, forward and backward.
    """
    if bits != 1:
        return latent
    standard = standardise(latent)
    return sign(standard, gradient) if weights == "binary" else standard


class _Standardise(torch.autograd.Function):
    """Has a gradient of five passes over memory, a third of those of the composed torch functions."""

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
        projection = (grads[0] * standard).mean(dims, keepdim=True)
        centred = grads[0] - grads[0].mean(dims, keepdim=True)
        return torch.addcmul(centred, standard, projection, value=-1).mul_(scale)


def standardise(weight: Tensor) -> Tensor:
    """Weights with zero mean and unit deviation per filter, as in IR-Net (Qin et al., 2020) and NAS-BNN.

    This makes slices of a shared filter comparable. A small eps keeps filters without deviation finite, such
    as filters of one weight, and their gradients too.
    """
    standard: Tensor = _Standardise.apply(weight)  # type: ignore[no-untyped-call]
    return standard


def initial(spec: Spec, generator: torch.Generator) -> Tensor:
    """An initial tensor: weights uniform in ±1/sqrt(fan-in), gains and scales 1, slopes 0.25, others 0."""
    if spec.role == "weight":
        bound = prod(spec.shape[1:]) ** -0.5
        return torch.empty(spec.shape).uniform_(-bound, bound, generator=generator)
    fill = {"gain": 1.0, "scale": 1.0, "slope": _PRELU_SLOPE}.get(spec.role, 0.0)
    return torch.full(spec.shape, fill)
