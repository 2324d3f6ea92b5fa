"""What a picture says about nodes: the text in a box, and the steps that boxes of one form share."""

from collections import Counter
from typing import Literal

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import WEIGHTED, Node

Kind = Literal["binary", "real", "plain"]

_OPERATIONS = {"pool_avg": "avg", "pool_max": "max"}
_STEPS = {"rprelu": "RPReLU", "prelu": "PReLU", "relu": "ReLU"}


def kind(node: Node) -> Kind:
    """Binary where weights and inputs have 1 bit, real with any other weights, plain without."""
    if node.op not in WEIGHTED:
        return "plain"
    return "binary" if node.weight_bits == node.input_bits == 1 else "real"


def operation(node: Node) -> str:
    """What a node computes, as it is written in its box: `3×3 g4 /2  64→128`."""
    channels = node.shape[0]
    words = [_OPERATIONS.get(node.op, node.op)] if node.op != "conv" else []
    if node.kernel > 1 or node.op == "conv":
        words.append(f"{node.kernel}×{node.kernel}")
    if node.groups > 1:
        words.append(f"g{node.groups}")
    if node.dilation > 1:
        words.append(f"d{node.dilation}")
    if node.stride > 1:
        words.append(f"/{node.stride}")
    return f"{' '.join(words)}  {f'{node.cin}→{channels}' if node.cin else channels}"


def percent(share: float) -> str:
    """A share of the ops: `12 %`, `7.9 %`, `<0.1 %`; nothing where there is none."""
    if share < 0.001:
        return "<0.1 %" if share else ""
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def forms(blueprint: Blueprint) -> list[tuple[Kind, str, int]]:
    """The orders of steps that its boxes have, and how many boxes have each; the commonest first."""
    counted = Counter((kind(node), _form(node)) for node in blueprint.nodes if _has_form(node))
    return [(*form, number) for form, number in counted.most_common()]


def _has_form(node: Node) -> bool:
    """Whether there are steps besides the operation, which its box names."""
    return bool(node.before or node.after) or node.input_bits == 1


def _form(node: Node) -> str:
    sign = ["sign"] if node.input_bits == 1 else []
    bits = f"{node.weight_bits}-bit " if node.weight_bits < 32 else ""
    after = ["+" if step == "add" else _STEPS.get(step, step) for step in node.after]
    steps = [*node.before, *sign, f"{bits}{_OPERATIONS.get(node.op, node.op)}", *after]
    return " · ".join(steps)
