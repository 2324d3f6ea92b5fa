"""From latent weights to those that are convolved, and how new ones are drawn."""

from math import prod
from typing import Literal

import torch
from torch import Tensor

from evo_bnas.binary.sign import sign
from evo_bnas.blueprint import Spec

Weights = Literal["binary", "real"]

_EPS = 1e-5
_PRELU_SLOPE = 0.25


def effective(latent: Tensor, bits: int, weights: Weights) -> Tensor:
    """The weight that an operation uses: ±1, or standardised real values, where it has 1 bit.

    No scale is multiplied into binary weights: the norm that follows cancels it forward and backward.
    """
    if bits != 1:
        return latent
    standard = standardise(latent)
    return sign(standard) if weights == "binary" else standard


def standardise(weight: Tensor) -> Tensor:
    """Zero mean and unit deviation per filter, as in IR-Net (Qin et al., 2020) and NAS-BNN.

    It makes slices of a shared filter comparable; the eps keeps a filter without deviation, of one weight
    say, and its gradient finite.
    """
    dims = tuple(range(1, weight.dim()))
    variance, mean = torch.var_mean(weight, dims, correction=0, keepdim=True)
    return (weight - mean) * (variance + _EPS**2).rsqrt()


def initial(spec: Spec, generator: torch.Generator) -> Tensor:
    """A fresh tensor for its role: weights uniform in ±1/sqrt(fan-in), gains 1, PReLU slopes 0.25."""
    if spec.role == "weight":
        bound = prod(spec.shape[1:]) ** -0.5
        return torch.empty(spec.shape).uniform_(-bound, bound, generator=generator)
    fill = {"gain": 1.0, "scale": 1.0, "slope": _PRELU_SLOPE}.get(spec.role, 0.0)
    return torch.full(spec.shape, fill)
