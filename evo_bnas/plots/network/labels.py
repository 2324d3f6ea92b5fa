"""The text in a network drawing: labels of boxes, shares of the ops, the forms of the legend."""

from collections import Counter
from typing import Literal

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import WEIGHTED, Node

Kind = Literal["binary", "real", "plain"]

_OPERATIONS = {"pool_avg": "avg", "pool_max": "max"}
_STEPS = {"rprelu": "RPReLU", "prelu": "PReLU", "relu": "ReLU"}


def kind(node: Node) -> Kind:
    """Binary if weights and inputs have 1 bit, real for any other weights, plain without weights."""
    if node.op not in WEIGHTED:
        return "plain"
    return "binary" if node.weight_bits == node.input_bits == 1 else "real"


def operation(node: Node) -> str:
    """The label of a node's operation: `3×3 g4 /2  64→128`."""
    channels = node.shape[0]
    parts = [_OPERATIONS.get(node.op, node.op)] if node.op != "conv" else []
    if node.kernel > 1 or node.op == "conv":
        parts.append(f"{node.kernel}×{node.kernel}")
    if node.groups > 1:
        parts.append(f"g{node.groups}")
    if node.dilation > 1:
        parts.append(f"d{node.dilation}")
    if node.stride > 1:
        parts.append(f"/{node.stride}")
    return f"{' '.join(parts)}  {f'{node.cin}→{channels}' if node.cin else channels}"


def percent(share: float) -> str:
    """A share of the ops: `12 %`, `7.9 %`, `<0.1 %`; empty for 0."""
    if share < 0.001:
        return "<0.1 %" if share else ""
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def forms(blueprint: Blueprint) -> list[tuple[Kind, str, int]]:
    """The forms of its boxes as (kind, steps in order, number of boxes), the most frequent first."""
    counted = Counter((kind(node), _form(node)) for node in blueprint.nodes if _has_form(node))
    return [(*form, number) for form, number in counted.most_common()]


def _has_form(node: Node) -> bool:
    """Whether a node has steps besides its operation, which is in its box."""
    return bool(node.before or node.after) or node.input_bits == 1


def _form(node: Node) -> str:
    sign = ["sign"] if node.input_bits == 1 else []
    bits = f"{node.weight_bits}-bit " if node.weight_bits < 32 else ""
    after = ["+" if step == "add" else _STEPS.get(step, step) for step in node.after]
    steps = [*node.before, *sign, f"{bits}{_OPERATIONS.get(node.op, node.op)}", *after]
    return " · ".join(steps)
