"""The drawing of one network: frozen nodes in execution order, which everything else reads.

A node is one box as papers draw it: `before -> sign -> one linear or pooling operation -> after`.
`before` and `after` are tuples of step names, so the orders that differ between papers are data:

    react   before (shift,)  after (norm, add, rprelu)     ReActNet, NAS-BNN
    bireal  before ()        after (norm, add)             Bi-Real Net
    quick   before (shift,)  after (prelu, norm, add)      QuickNet
    bats    before (norm,)   after (scale, prelu, add)     BATS
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property, lru_cache
from math import prod
from typing import Any, Literal, NamedTuple, get_args

Op = Literal["image", "conv", "dense", "pool_avg", "pool_max", "tile", "concat", "sum", "mean"]
Step = Literal["norm", "shift", "scale", "relu", "prelu", "rprelu", "add"]
Role = Literal["weight", "bias", "gain", "shift", "slope", "scale"]

WEIGHTED = ("conv", "dense")
SPATIAL = ("conv", "pool_avg", "pool_max")
ACTIVATIONS = ("relu", "prelu", "rprelu")

# One letter a step; the inference form `act(a*act(a*z + b) + b + shortcut)` is this grammar.
_LETTERS = {"norm": "n", "scale": "s", "add": "+", "shift": "h"} | dict.fromkeys(ACTIVATIONS, "a")
_AFTER = re.compile(r"[ns]?a?n?\+?a?")


@dataclass(frozen=True, slots=True)
class Node:
    """One fused unit: `before`, sign where `input_bits` is 1, the operation, `after`."""

    name: str  # address of its tensors: position + source + operation
    op: Op
    inputs: tuple[int, ...]  # earlier nodes; a convolution's second input is what "add" adds
    shape: tuple[int, int, int]  # output channels, height, width
    cin: int = 0
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    groups: int = 1  # output channel c reads input block c mod groups: shuffle built in
    weight_bits: int = 32  # 1 | 8 | 32
    input_bits: int = 32  # 1: sign after `before`
    pad: int = 0  # the value around a binary map: 0 | +1
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()

    @property
    def steps(self) -> tuple[tuple[str, Step], ...]:
        """The steps of `after` with their addresses: `norm`, `act`, and `norm2`, `act2` when met again."""
        seen: dict[str, int] = {}
        named: list[tuple[str, Step]] = []
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


@lru_cache(maxsize=1 << 16)
def tensors(node: Node) -> tuple[Spec, ...]:
    """Every trained tensor of a node; cost, network, supernet and export all read this list.

    A group convolution's weight is (channels, cin / groups, kernel, kernel): row c holds the weights
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
    """The places of a node that need a mean and a variance: (address, channels)."""
    before = [("before", node.cin)] if "norm" in node.before else []
    after = [(site, node.shape[0]) for site, step in node.steps if step == "norm"]
    return (*before, *after)


def _affine(site: str, channels: int) -> list[Spec]:
    return [
        Spec(f"{site}.gain", (channels,), 32, "gain"),
        Spec(f"{site}.bias", (channels,), 32, "bias"),
    ]


@dataclass(frozen=True)
class Blueprint:
    """A whole network: node 0 is the image, the last node is the output.

    Raises ValueError at construction where the nodes do not fit together.
    """

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        if len(self.nodes) < 2:
            raise ValueError("a blueprint needs an image and at least one more node")
        for index in range(len(self.nodes)):
            self._check(index)
        named = [node.name for node in self.nodes]
        if len(set(named)) < len(named):
            twice = next(name for name in named if named.count(name) > 1)
            raise ValueError(f"two nodes are named {twice}: a name is the address of tensors")
        for index in range(len(self.nodes) - 1):
            if self.last_use[index] == index:
                raise ValueError(f"{self.nodes[index].name}: no later node reads it")

    @cached_property
    def last_use(self) -> tuple[int, ...]:
        """For every node the index of the last node that reads it (its own where none does)."""
        last = list(range(len(self.nodes)))
        for index, node in enumerate(self.nodes):
            for source in node.inputs:
                last[source] = index
        return tuple(last)

    @cached_property
    def shape_key(self) -> str:
        """Identity without addresses: blueprints with equal shape keys cost and run the same."""
        rows = [_row(node) | {"name": ""} for node in self.nodes]
        text = json.dumps(rows, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width of the images it takes."""
        return self.nodes[0].shape

    @property
    def classes(self) -> int:
        return self.nodes[-1].shape[0]

    def to_rows(self) -> list[dict[str, Any]]:
        """As JSON values: one dictionary a node, defaults left out."""
        return [_row(node) for node in self.nodes]

    @classmethod
    def from_rows(cls, rows: Sequence[dict[str, Any]]) -> "Blueprint":
        """The inverse of `to_rows`; raises ValueError or TypeError on rows that are no blueprint."""
        tuples = ("inputs", "shape", "before", "after")
        fixed: list[dict[str, Any]] = [
            {key: tuple(value) if key in tuples else value for key, value in row.items()} for row in rows
        ]
        return cls(tuple(Node(**row) for row in fixed))

    def _check(self, index: int) -> None:
        node = self.nodes[index]
        if (node.op == "image") != (index == 0):
            raise ValueError(f"{node.name}: the image is the first node, and only that")
        if index and not all(0 <= source < index for source in node.inputs):
            raise ValueError(f"{node.name}: reads a node that comes later")
        _check_node(node, tuple(self.nodes[source].shape for source in node.inputs))


@lru_cache(maxsize=1 << 16)
def _check_node(node: Node, sources: tuple[tuple[int, int, int], ...]) -> None:
    """Raise ValueError where a node does not fit together, or with the shapes that it reads.

    Remembered, since a search draws the same nodes again and again.
    """

    def need(holds: bool, otherwise: str) -> None:
        if not holds:
            raise ValueError(f"{node.name}: {otherwise}")

    need(node.op in get_args(Op), f"unknown operation {node.op!r}; choose from {get_args(Op)}")
    need(min(node.shape) > 0, f"has an empty shape {node.shape}")
    if node.op == "image":
        need(not node.inputs and not node.before and not node.after, "an image has no inputs and no steps")
        return
    need(bool(node.inputs), "needs an input")
    channels, height, width = node.shape
    least = min(node.kernel, node.stride, node.dilation, node.groups)
    need(least > 0, f"has a kernel, stride, dilation or number of groups of {least}")
    need(all(step in ("norm", "shift") for step in node.before) and len(node.before) < 2,
         f"`before` is () or one of (norm,), (shift,), not {node.before}")  # fmt: skip
    letters = "".join(_LETTERS.get(step, "?") for step in node.after)
    need(bool(_AFTER.fullmatch(letters)),
         f"`after` {node.after} does not read (norm|scale)? act? norm? add? act?")  # fmt: skip
    need(node.weight_bits in (1, 8, 32), f"weights of {node.weight_bits} bits")
    need(node.input_bits in (1, 32), f"inputs of {node.input_bits} bits")
    need(node.input_bits == 32 or node.op in WEIGHTED, "only a conv or a dense takes a sign")
    need(node.pad in (0, 1), f"pads with {node.pad}; choose 0 or 1")

    if node.op in WEIGHTED:
        need(node.cin == sources[0][0], f"cin {node.cin}, but its input has {sources[0][0]}")
        need(len(node.inputs) == 1 + ("add" in node.after), "reads one input, and one to add")
        if "add" in node.after:
            need(sources[1] == node.shape, f"adds {sources[1]} to {node.shape}")
    else:
        need("add" not in node.after, "only a conv or a dense adds a shortcut")
        need(not node.before, "only a conv or a dense has steps before")
    if node.op in SPATIAL:
        need(len(sources) == 1 + ("add" in node.after), "reads one input")
        out = tuple(-(-size // node.stride) for size in sources[0][1:])
        need((height, width) == out, f"{(height, width)} is not ceil(size / stride) = {out}")
    if node.op == "conv":
        need(node.kernel % 2 == 1, f"kernel {node.kernel} is not odd")
        need(node.cin % node.groups == 0 and channels % node.groups == 0,
             f"{node.groups} groups do not divide {node.cin} and {channels} channels")  # fmt: skip
    elif node.op in ("pool_avg", "pool_max"):
        need(channels == sources[0][0], "a pool keeps its channels")
        need(node.kernel % 2 == 1 or node.kernel == node.stride,
             f"an even window of {node.kernel} must tile, but its stride is {node.stride}")  # fmt: skip
    elif node.op == "dense":
        need(sources[0][1:] == (1, 1) == (height, width), "a dense layer reads a 1x1 map")
        need(not node.after, "a dense layer has a bias, and no steps after")
    elif node.op == "tile":
        need(sources[0][1:] == (height, width), "a tile keeps its map")
    elif node.op == "concat":
        need(channels == sum(s[0] for s in sources), "channels are not the sum of its inputs'")
        need(all(s[1:] == (height, width) for s in sources), "inputs of different sizes")
    elif node.op == "sum":
        need(all(s == node.shape for s in sources), "inputs of different shapes")
    elif node.op == "mean":
        need(node.shape == (sources[0][0], 1, 1), "a mean keeps channels and leaves a 1x1 map")


def elements(node: Node) -> int:
    """Number of values that a node puts out for one image."""
    return prod(node.shape)


def _row(node: Node) -> dict[str, Any]:
    row = {}
    for field in fields(Node):
        value = getattr(node, field.name)
        if field.default is MISSING or value != field.default:
            row[field.name] = list(value) if isinstance(value, tuple) else value
    return row
