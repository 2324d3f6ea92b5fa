"""The inference form of a node: `act2(a2 * act1(a1*z + b1) + b2 + shortcut)`.

z is the output of the operation, an exact integer if it is binary. Torch evaluation, 1-bit kernels and every
export use this form, so they agree bit for bit whenever z is exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from evo_bnas.binary.channels import per_channel
from evo_bnas.binary.prelu import prelu, rprelu
from evo_bnas.binary.weights import Weights, effective
from evo_bnas.network.node import Node, NodeStep

NORM_EPS = 1e-5

Tensors = Mapping[str, Tensor]  # of one node, by their names in `node.tensors`
Statistics = Mapping[str, Tensor]  # of a network: "<node>.<site>.mean" and "<node>.<site>.var"


@dataclass(frozen=True)
class Affine:
    """a * x + b per channel, rounded after the product and after the sum: no fused multiply-add."""

    a: Tensor
    b: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return (x * per_channel(self.a, x)).add_(per_channel(self.b, x))


@dataclass(frozen=True)
class Threshold:
    """A sign with the step before it: +1 if x >= level, or if x <= level in flipped channels."""

    level: Tensor  # (cin,); infinite if the norm has gain 0, so that the sign is constant
    flip: Tensor | None = None  # (cin,) bool; None if no channel is flipped

    def __call__(self, x: Tensor) -> Tensor:
        # The sign of the difference is exact: a floating-point difference is 0 only if both are equal.
        above = x - per_channel(self.level, x)
        if self.flip is not None:
            above.mul_(per_channel(torch.where(self.flip, -1.0, 1.0), x))
        return above.ge_(0).mul_(2).sub_(1)


@dataclass(frozen=True)
class Activation:
    """relu, prelu or rprelu with its tensors."""

    step: NodeStep
    tensors: Tensors  # "slope", "shift_in", "shift_out"

    def __call__(self, x: Tensor) -> Tensor:
        return activate(self.step, x, self.tensors)


@dataclass(frozen=True)
class Folded:
    """The inference form of one node: `before`, the weight, the epilogue; None stands for the identity."""

    before: Affine | Threshold | None
    weight: Tensor | None
    affine1: Affine | None
    act1: Activation | None
    affine2: Affine | None
    add: bool
    act2: Activation | None

    def epilogue(self, z: Tensor, shortcut: Tensor | None) -> Tensor:
        """The output of the node, given the output of its operation."""
        for step in (self.affine1, self.act1, self.affine2):
            z = step(z) if step else z
        if self.add:
            assert shortcut is not None
            # Add in place to save memory, unless a gradient may need z.
            z = z + shortcut if z.requires_grad else z.add_(shortcut)
        return self.act2(z) if self.act2 else z


def fold(node: Node, tensors: Tensors, statistics: Statistics, weights: Weights = "binary") -> Folded:
    """Fold norms, scales, biases and signs of a node into its inference form."""
    affine1 = affine2 = None
    act1 = act2 = None
    add = False
    if "bias" in tensors:
        affine1 = Affine(torch.ones_like(tensors["bias"]), tensors["bias"])
    for site, step in node.steps:
        if step == "add":
            add = True
        elif step == "scale":
            affine1 = Affine(tensors["scale"], torch.zeros_like(tensors["scale"]))
        elif step == "norm":
            affine = _norm(node, site, tensors, statistics)
            if affine1 is None and act1 is None:
                affine1 = affine
            else:
                affine2 = affine
        elif add or act1 or affine2:
            act2 = Activation(step, part(tensors, site))
        else:
            act1 = Activation(step, part(tensors, site))
    weight = tensors.get("weight")
    return Folded(
        before=_before(node, tensors, statistics),
        weight=None if weight is None else effective(weight, node.weight_bits, weights),
        affine1=affine1,
        act1=act1,
        affine2=affine2,
        add=add,
        act2=act2,
    )


def activate(step: NodeStep, x: Tensor, tensors: Tensors) -> Tensor:
    """relu, prelu or rprelu of maps (batch, channels, height, width)."""
    if step == "relu":
        return F.relu(x)
    if step == "prelu":
        return prelu(x, tensors["slope"])
    return rprelu(x, tensors["slope"], tensors["shift_in"], tensors["shift_out"])


def part(tensors: Tensors, site: str) -> Tensors:
    """The tensors under one address: "act.slope" as "slope"."""
    lead = f"{site}."
    return {name.removeprefix(lead): tensor for name, tensor in tensors.items() if name.startswith(lead)}


def _norm(node: Node, site: str, tensors: Tensors, statistics: Statistics) -> Affine:
    mean, var = (statistics[f"{node.name}.{site}.{moment}"] for moment in ("mean", "var"))
    a = tensors[f"{site}.gain"] / torch.sqrt(var + NORM_EPS)
    return Affine(a, tensors[f"{site}.bias"] - mean * a)


def _before(node: Node, tensors: Tensors, statistics: Statistics) -> Affine | Threshold | None:
    binary = node.input_bits == 1
    if "norm" in node.before:
        affine = _norm(node, "before", tensors, statistics)
        if not binary:
            return affine
        level = -affine.b / affine.a
        constant = torch.where(affine.b >= 0, -torch.inf, torch.inf)
        return Threshold(torch.where(affine.a == 0, constant, level), affine.a < 0)
    if "shift" in node.before:
        shift = tensors["shift"]
        return Threshold(-shift) if binary else Affine(torch.ones_like(shift), shift)
    return Threshold(tensors["weight"].new_zeros(node.cin)) if binary else None
