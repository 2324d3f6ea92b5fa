"""Networks with random weights, and the fastest way in which PyTorch runs them."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from evo_bnas.binary.execute import operate
from evo_bnas.binary.fold import Tensors, fold
from evo_bnas.binary.network import Network
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node, tensors
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.supernet.calibration import calibrate

_DRAWN = 41  # architectures whose median is taken


def median_network(space: Space) -> Architecture:
    """A network with the median number of ops of a random sample."""
    rng = np.random.default_rng(0)
    drawn = sorted((space.sample(rng) for _ in range(_DRAWN)), key=lambda one: space.cost(one).ops)
    return drawn[_DRAWN // 2]


def calibrated(blueprint: Blueprint, x: Tensor) -> Network:
    """A network with random weights and the statistics of these images."""
    network = Network(blueprint)
    network.set_statistics(calibrate(network.run, x, len(x)))
    return network.eval()


def tensors_of(network: Network, node: Node) -> Tensors:
    """The tensors of one node."""
    return {spec.name: network.get_parameter(f"{node.name}.{spec.name}").detach() for spec in tensors(node)}


def folded(network: Network, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """The network in evaluation, with its tensors folded once and converted to a data type."""
    blueprint = network.blueprint
    statistics = {name: value.to(dtype) for name, value in network.statistics.items()}
    forms = [
        fold(node, {name: value.to(dtype) for name, value in tensors_of(network, node).items()}, statistics)
        for node in blueprint.nodes
    ]

    @torch.inference_mode()
    def run(images: Tensor) -> Tensor:
        maps = {0: images}
        for index, node in enumerate(blueprint.nodes[1:], 1):
            form, inputs = forms[index], [maps[source] for source in node.inputs]
            x = form.before(inputs[0]) if form.before else inputs[0]
            z = operate(node, [x, *inputs[1:]], form.weight)
            maps[index] = form.epilogue(z, inputs[1] if form.add else None)
            for source in set(node.inputs):
                if blueprint.last_use[source] == index:
                    del maps[source]
        return maps[index].flatten(1)

    return run
