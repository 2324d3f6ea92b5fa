"""The inference form of a node as NumPy arrays by name: what files store and programs are made of.

It is the form of `binary.fold`. What a norm, scale, shift or activation needs is kept and nothing else, so
that a stored network has one number for each real parameter of its blueprint.
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
    bits: int  # 1: bool, true for a weight of +1 or a flipped channel; 32: float32


def is_binary(node: Node) -> bool:
    """Whether a node convolves signs with signs."""
    return node.op in WEIGHTED and node.weight_bits == 1 and node.input_bits == 1


def entries(node: Node) -> tuple[Entry, ...]:
    """Every array of a node's form.

    A weight is (channels, kernel, kernel, cin / groups); a dense layer has kernel 1. An absent `a` is 1, an
    absent `b` or `before.level` 0.
    """
    channels = node.shape[0]
    found = []
    if "norm" in node.before and node.input_bits == 1:
        found += [Entry("before.level", (node.cin,), 32), Entry("before.flip", (node.cin,), 1)]
    elif "norm" in node.before:
        found += [Entry("before.a", (node.cin,), 32), Entry("before.b", (node.cin,), 32)]
    elif "shift" in node.before:
        found.append(Entry("before.level" if node.input_bits == 1 else "before.b", (node.cin,), 32))
    if node.op in WEIGHTED:
        shape = (channels, node.kernel, node.kernel, node.cin // node.groups)
        found.append(Entry("weight", shape, 1 if node.weight_bits == 1 else 32))
    for place, what in places(node).items():
        found += [Entry(f"{place}.{part}", (channels,), 32) for part in _PARTS[what]]
    return tuple(found)


def places(node: Node) -> dict[str, str]:
    """What stands where in `act2(a2 * act1(a1*z + b1) + b2 + shortcut)`: a step by its place, or "bias"."""
    found: dict[str, str] = {"affine1": "bias"} if node.op == "dense" else {}
    added = False
    for step in node.after:
        if step == "add":
            added = True
        elif step in ACTIVATIONS:
            found["act2" if added or "act1" in found or "affine2" in found else "act1"] = step
        else:
            found["affine2" if found else "affine1"] = step
    return found


_PARTS: Mapping[str, tuple[str, ...]] = {
    "norm": ("a", "b"),
    "scale": ("a",),
    "bias": ("b",),
    "relu": (),
    "prelu": ("slope",),
    "rprelu": ("slope", "shift_in", "shift_out"),
}
