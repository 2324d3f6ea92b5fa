"""One node of a blueprint: a box as papers draw it, and the tensors that it is trained with.

A node computes `before -> sign -> one linear or pooling operation -> after`. `before` and `after` are tuples
of step names, so that the orders that differ between papers are data:

    react   before (shift,)  after (norm, add, rprelu)     ReActNet, NAS-BNN
    bireal  before ()        after (norm, add)             Bi-Real Net
    quick   before (shift,)  after (prelu, norm, add)      QuickNet
    bats    before (norm,)   after (scale, prelu, add)     BATS
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Literal, NamedTuple

Op = Literal["image", "conv", "dense", "pool_avg", "pool_max", "tile", "concat", "sum", "mean"]
NodeStep = Literal["norm", "shift", "scale", "relu", "prelu", "rprelu", "add"]
Role = Literal["weight", "bias", "gain", "shift", "slope", "scale"]
Shape = tuple[int, int, int]  # channels, height, width

WEIGHTED = ("conv", "dense")
POOLS = ("pool_avg", "pool_max")
ACTIVATIONS = ("relu", "prelu", "rprelu")


@dataclass(frozen=True, slots=True)
class Node:
    """One fused unit: `before`, sign if `input_bits` is 1, the operation, `after`."""

    name: str  # address of its tensors: position + source + operation
    op: Op
    inputs: tuple[int, ...]  # earlier nodes; the second input of a convolution is what "add" adds
    shape: Shape  # of the output
    cin: int = 0
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    groups: int = 1  # output channel c reads input block c mod groups: channel shuffle included
    weight_bits: int = 32  # 1 | 8 | 32
    input_bits: int = 32  # 1: sign after `before`
    pad: int = 0  # the value around a binary map: 0 | +1
    before: tuple[NodeStep, ...] = ()
    after: tuple[NodeStep, ...] = ()

    @property
    def steps(self) -> tuple[tuple[str, NodeStep], ...]:
        """The steps of `after` with their addresses: `norm`, `act`, and `norm2`, `act2` the second time."""
        seen: dict[str, int] = {}
        named: list[tuple[str, NodeStep]] = []
        for step in self.after:
            site = "act" if step in ACTIVATIONS else step
            seen[site] = seen.get(site, 0) + 1
            named.append((site if seen[site] == 1 else f"{site}{seen[site]}", step))
        return tuple(named)


class Spec(NamedTuple):
    """One tensor of a node."""

    name: str  # within its node: "weight", "norm.gain", "act.slope"
    shape: tuple[int, ...]
    bits: int  # in the shipped network: 1, 8 or 32
    role: Role


def elements(node: Node) -> int:
    """Number of values in the output of a node for one image."""
    return prod(node.shape)


@lru_cache(maxsize=1 << 16)
def tensors(node: Node) -> tuple[Spec, ...]:
    """Every trained tensor of a node; cost, network, supernet and export all read this list.

    The weight of a group convolution is (channels, cin / groups, kernel, kernel): row c holds the weights
    of output channel c for input block `c mod groups`.
    """
    channels = node.shape[0]
    specs: list[Spec] = []
    for step in node.before:
        if step == "shift":
            specs.append(Spec("shift", (node.cin,), 32, "shift"))
        else:
            specs += _affine("before", node.cin)
    if node.op == "conv":
        weight = (channels, node.cin // node.groups, node.kernel, node.kernel)
        specs.append(Spec("weight", weight, node.weight_bits, "weight"))
    elif node.op == "dense":
        specs.append(Spec("weight", (channels, node.cin), node.weight_bits, "weight"))
        specs.append(Spec("bias", (channels,), 32, "bias"))
    for site, step in node.steps:
        if step == "norm":
            specs += _affine(site, channels)
        elif step == "scale":
            specs.append(Spec("scale", (channels,), 32, "scale"))
        elif step in ("prelu", "rprelu"):
            specs.append(Spec(f"{site}.slope", (channels,), 32, "slope"))
            if step == "rprelu":
                specs.append(Spec(f"{site}.shift_in", (channels,), 32, "shift"))
                specs.append(Spec(f"{site}.shift_out", (channels,), 32, "shift"))
    return tuple(specs)


@lru_cache(maxsize=1 << 16)
def norms(node: Node) -> tuple[tuple[str, int], ...]:
    """The norms of a node, which need a mean and a variance each: (address, channels)."""
    before = [("before", node.cin)] if "norm" in node.before else []
    after = [(site, node.shape[0]) for site, step in node.steps if step == "norm"]
    return (*before, *after)


def _affine(site: str, channels: int) -> list[Spec]:
    return [
        Spec(f"{site}.gain", (channels,), 32, "gain"),
        Spec(f"{site}.bias", (channels,), 32, "bias"),
    ]
