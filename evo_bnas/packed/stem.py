"""A network in two parts: its stem of real layers, which many networks share, and the trunk after it."""

from dataclasses import replace

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node


def stem(blueprint: Blueprint) -> tuple[Node, ...]:
    """The image and the other nodes before the trunk, which reads only the last of them."""
    return blueprint.nodes[: _last(blueprint) + 1]


def trunk(blueprint: Blueprint) -> Blueprint:
    """The network after its stem, with the output of the stem as its image."""
    last = _last(blueprint)
    moved = (
        replace(node, inputs=tuple(source - last for source in node.inputs))
        for node in blueprint.nodes[last + 1 :]
    )
    return Blueprint((Node("image", "image", (), blueprint.nodes[last].shape), *moved))


def _last(blueprint: Blueprint) -> int:
    """The last node before the first binary convolution such that no node after it reads one before it."""
    last = next(n for n, node in enumerate(blueprint.nodes) if node.weight_bits == 1) - 1
    while any(source < last for node in blueprint.nodes[last + 1 :] for source in node.inputs):
        last -= 1
    return last
