"""Blueprints that are written by hand, and the MACs that torch counts in one."""

from itertools import product

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from evo_bnas.binary.execute import BatchStatistics, execute
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node, NodeStep, Shape, tensors

ACTIVATED: tuple[NodeStep | None, ...] = (None, "relu", "prelu", "rprelu")
# Every order of steps that a node may have after its operation.
AFTERS = [
    tuple(step for step in steps if step)
    for steps in product((None, "norm", "scale"), ACTIVATED, (None, "norm"), (None, "add"), ACTIVATED)
]


def blueprint_of(*nodes: Node, image: Shape = (4, 7, 5)) -> Blueprint:
    """An image, then these nodes."""
    return Blueprint((Node("image", "image", (), image), *nodes))


def conv_node(**fields: object) -> Node:
    """A binary 3 x 3 convolution of the image, from 4 to 6 channels of 7 x 5, with some fields changed."""
    defaults: dict[str, object] = {
        "name": "conv",
        "op": "conv",
        "inputs": (0,),
        "shape": (6, 7, 5),
        "cin": 4,
        "kernel": 3,
        "weight_bits": 1,
        "input_bits": 1,
    }
    return Node(**(defaults | fields))  # type: ignore[arg-type]


def macs_by_torch(blueprint: Blueprint) -> int:
    """The MACs of one image, as torch counts them while the network runs."""

    def tensors_of(node: Node) -> dict[str, Tensor]:
        return {spec.name: torch.empty(spec.shape, device="meta") for spec in tensors(node)}

    images = torch.empty(2, *blueprint.image, device="meta")
    with FlopCounterMode(display=False) as counter:
        execute(blueprint, images, tensors_of, BatchStatistics())
    return int(counter.get_total_flops()) // 2 // 2  # two images, two operations per MAC
