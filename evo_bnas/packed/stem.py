"""Where a network is cut: its stem, real and the same for many networks, and the trunk behind it."""

from dataclasses import replace

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node


def stem(blueprint: Blueprint) -> tuple[Node, ...]:
    """The nodes before the first binary convolution, the image among them; the trunk reads the last alone."""
    return blueprint.nodes[: _last(blueprint) + 1]


def trunk(blueprint: Blueprint) -> Blueprint:
    """The network behind its stem, whose map is the image."""
    last = _last(blueprint)
    moved = (
        replace(node, inputs=tuple(source - last for source in node.inputs))
        for node in blueprint.nodes[last + 1 :]
    )
    return Blueprint((Node("image", "image", (), blueprint.nodes[last].shape), *moved))


def _last(blueprint: Blueprint) -> int:
    """The last node of the stem: as late as may be, with nothing behind the cut that reads before it."""
    last = next(n for n, node in enumerate(blueprint.nodes) if node.weight_bits == 1) - 1
    while any(source < last for node in blueprint.nodes[last + 1 :] for source in node.inputs):
        last -= 1
    return last
