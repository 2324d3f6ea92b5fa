"""The inference form of a node as named NumPy arrays: the content of packed files and programs.

It is the form of `binary.fold`, reduced to the arrays that a norm, scale, shift or activation needs. So a
stored network has one number for each real parameter of its blueprint.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from evo_bnas.network.node import ACTIVATIONS, WEIGHTED, Node

Form = Mapping[str, NDArray[Any]]  # of one node, by the names of `entries`


class Entry(NamedTuple):
    """One array of a form."""

    name: str  # "before.level", "weight", "affine1.a", "act2.slope"
    shape: tuple[int, ...]
    bits: int  # 1: bool, true for a weight of +1 and for a flipped channel; 32: float32


def is_binary(node: Node) -> bool:
    """Whether a node has 1-bit weights and 1-bit inputs."""
    return node.op in WEIGHTED and node.weight_bits == 1 and node.input_bits == 1


def entries(node: Node) -> tuple[Entry, ...]:
    """Every array of a node's form.

    A weight is (channels, kernel, kernel, cin / groups); a dense layer has kernel 1. If absent, `a` is 1, and
    `b` and `before.level` are 0.
    """
    channels = node.shape[0]
    arrays = []
    if "norm" in node.before and node.input_bits == 1:
        arrays += [Entry("before.level", (node.cin,), 32), Entry("before.flip", (node.cin,), 1)]
    elif "norm" in node.before:
        arrays += [Entry("before.a", (node.cin,), 32), Entry("before.b", (node.cin,), 32)]
    elif "shift" in node.before:
        arrays.append(Entry("before.level" if node.input_bits == 1 else "before.b", (node.cin,), 32))
    if node.op in WEIGHTED:
        shape = (channels, node.kernel, node.kernel, node.cin // node.groups)
        arrays.append(Entry("weight", shape, 1 if node.weight_bits == 1 else 32))
    for stage, step in stages_of(node).items():
        arrays += [Entry(f"{stage}.{part}", (channels,), 32) for part in _PARTS[step]]
    return tuple(arrays)


def stages_of(node: Node) -> dict[str, str]:
    """The stages of `act2(a2 * act1(a1*z + b1) + b2 + shortcut)` that a node has, each with its step.

    The bias of a dense layer counts as a step, "bias".
    """
    stages: dict[str, str] = {"affine1": "bias"} if node.op == "dense" else {}
    added = False
    for step in node.after:
        if step == "add":
            added = True
        elif step in ACTIVATIONS:
            stages["act2" if added or "act1" in stages or "affine2" in stages else "act1"] = step
        else:
            stages["affine2" if stages else "affine1"] = step
    return stages


_PARTS: Mapping[str, tuple[str, ...]] = {
    "norm": ("a", "b"),
    "scale": ("a",),
    "bias": ("b",),
    "relu": (),
    "prelu": ("slope",),
    "rprelu": ("slope", "shift_in", "shift_out"),
}
