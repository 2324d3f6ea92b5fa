"""What every node of a blueprint must satisfy, as a table: the operations, the condition, the message."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, get_args

from evo_bnas.network.node import ACTIVATIONS, POOLS, WEIGHTED, Node, Op, Shape

OPS: tuple[Op, ...] = get_args(Op)
COMPUTED = tuple(op for op in OPS if op != "image")
UNWEIGHTED = tuple(op for op in COMPUTED if op not in WEIGHTED)
JOINS = ("concat", "sum")

# One letter a step. The inference form `act(a*act(a*z + b) + b + shortcut)` is this grammar.
_LETTERS = {"norm": "n", "scale": "s", "add": "+", "shift": "h"} | dict.fromkeys(ACTIVATIONS, "a")
_AFTER = re.compile(r"[ns]?a?n?\+?a?")


class Rule(NamedTuple):
    """A condition on a node and on the shapes of its inputs."""

    ops: tuple[str, ...]  # the operations that it applies to
    holds: Callable[[Node, tuple[Shape, ...]], bool]
    message: str  # a format string of `node` and `inputs`, the shapes


# In this order: later conditions rely on earlier ones.
RULES = (
    Rule(OPS, lambda node, _: min(node.shape) > 0, "the shape {node.shape} is empty"),
    Rule(("image",), lambda node, _: not node.inputs, "an image has no inputs"),
    Rule(("image",), lambda node, _: not node.before + node.after, "an image has no steps"),
    Rule(COMPUTED, lambda node, _: len(node.inputs) > 0, "needs an input"),
    Rule(
        COMPUTED,
        lambda node, _: min(node.kernel, node.stride, node.dilation, node.groups) > 0,
        "kernel {node.kernel}, stride {node.stride}, dilation {node.dilation}, groups {node.groups}: "
        "each must be at least 1",
    ),
    Rule(
        COMPUTED,
        lambda node, _: node.before in ((), ("norm",), ("shift",)),
        "`before` is {node.before}; it must be (), (norm,) or (shift,)",
    ),
    Rule(
        COMPUTED,
        lambda node, _: _AFTER.fullmatch("".join(_LETTERS.get(step, "?") for step in node.after)) is not None,
        "`after` is {node.after}; its order must be (norm|scale)? act? norm? add? act?",
    ),
    Rule(
        COMPUTED,
        lambda node, _: node.weight_bits in (1, 8, 32),
        "weights of {node.weight_bits} bits; choose 1, 8 or 32",
    ),
    Rule(
        COMPUTED,
        lambda node, _: node.input_bits in (1, 32),
        "inputs of {node.input_bits} bits; choose 1 or 32",
    ),
    Rule(COMPUTED, lambda node, _: node.pad in (0, 1), "pads with {node.pad}; choose 0 or 1"),
    Rule(UNWEIGHTED, lambda node, _: node.input_bits == 32, "only conv and dense can have 1-bit inputs"),
    Rule(UNWEIGHTED, lambda node, _: not node.before, "only conv and dense can have `before` steps"),
    Rule(UNWEIGHTED, lambda node, _: "add" not in node.after, "only conv and dense can add a shortcut"),
    Rule(
        tuple(op for op in COMPUTED if op not in JOINS),
        lambda node, _: len(node.inputs) == 1 + ("add" in node.after),
        "takes one input, and a second one if it adds a shortcut; it has {node.inputs}",
    ),
    Rule(
        WEIGHTED,
        lambda node, inputs: node.cin == inputs[0][0],
        "cin is {node.cin}, but its input has {inputs[0][0]} channels",
    ),
    Rule(
        WEIGHTED,
        lambda node, inputs: "add" not in node.after or inputs[1] == node.shape,
        "its shortcut of {inputs[1]} cannot be added to {node.shape}",
    ),
    Rule(
        ("conv", *POOLS),
        lambda node, inputs: node.shape[1:] == tuple(-(-size // node.stride) for size in inputs[0][1:]),
        "its shape {node.shape} is not ceil(size / stride) of {inputs[0]} at stride {node.stride}",
    ),
    Rule(("conv",), lambda node, _: node.kernel % 2 == 1, "kernel {node.kernel} must be odd"),
    Rule(
        ("conv",),
        lambda node, _: node.cin % node.groups == 0 == node.shape[0] % node.groups,
        "{node.groups} groups do not divide {node.cin} input and {node.shape[0]} output channels",
    ),
    Rule(
        (*POOLS, "mean"),
        lambda node, inputs: node.shape[0] == inputs[0][0],
        "has {node.shape[0]} channels, but its input has {inputs[0][0]}; {node.op} keeps channels",
    ),
    Rule(
        POOLS,
        lambda node, _: node.kernel % 2 == 1 or node.kernel == node.stride,
        "an even kernel needs a stride of the same size; kernel {node.kernel}, stride {node.stride}",
    ),
    Rule(("mean",), lambda node, _: node.shape[1:] == (1, 1), "its output {node.shape} must be a 1x1 map"),
    Rule(
        ("dense",),
        lambda node, inputs: inputs[0][1:] == (1, 1) == node.shape[1:],
        "maps {inputs[0]} to {node.shape}; dense reads and returns a 1x1 map",
    ),
    Rule(("dense",), lambda node, _: not node.after, "dense has a bias and cannot have `after` steps"),
    Rule(
        ("tile", *JOINS),
        lambda node, inputs: all(shape[1:] == node.shape[1:] for shape in inputs),
        "height and width of {node.shape} must be those of its inputs {inputs}",
    ),
    Rule(
        ("concat",),
        lambda node, inputs: node.shape[0] == sum(shape[0] for shape in inputs),
        "has {node.shape[0]} channels, which is not the sum of its inputs {inputs}",
    ),
    Rule(
        ("sum",),
        lambda node, inputs: all(shape == node.shape for shape in inputs),
        "its shape {node.shape} must be that of each of its inputs {inputs}",
    ),
)


@lru_cache(maxsize=1 << 16)
def check_node(node: Node, inputs: tuple[Shape, ...]) -> None:
    """Raise ValueError if a node breaks a rule; `inputs` are the shapes of its inputs.

    Cached, since a search draws the same nodes again and again.
    """
    if node.op not in OPS:
        raise ValueError(f"{node.name}: unknown operation {node.op!r}; choose from {', '.join(OPS)}")
    for rule in RULES:
        if node.op in rule.ops and not rule.holds(node, inputs):
            raise ValueError(f"{node.name}: {rule.message.format(node=node, inputs=inputs)}")
