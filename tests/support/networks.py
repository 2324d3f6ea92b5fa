"""Networks with random tensors, random images for them, and their packed form."""

import torch
from torch import Tensor

from evo_bnas.binary.fold import Statistics, Tensors
from evo_bnas.binary.network import Network
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node, tensors
from evo_bnas.packed.compile import forms_of_network
from evo_bnas.packed.file import Header, PackedNetwork


def random_network(blueprint: Blueprint, seed: int = 0) -> tuple[Network, Statistics]:
    """A network whose tensors and statistics are all random, with gains of both signs."""
    network = Network(blueprint)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    statistics = {
        name: torch.rand(value.shape, generator=generator) + (0.5 if name.endswith("var") else -0.5)
        for name, value in network.statistics.items()
    }
    network.set_statistics(statistics)
    return network.eval(), statistics


def random_images(blueprint: Blueprint, count: int = 3, seed: int = 1) -> Tensor:
    """Normally distributed images (count, channels, height, width)."""
    return torch.randn(count, *blueprint.image, generator=torch.Generator().manual_seed(seed))


def tensors_of(network: Network, node: Node) -> Tensors:
    """The tensors of a node of a network."""
    return {spec.name: network.get_parameter(f"{node.name}.{spec.name}").detach() for spec in tensors(node)}


def random_packed_network(blueprint: Blueprint) -> PackedNetwork:
    """The packed form of a random network, with some header."""
    channels, _, _ = blueprint.image
    network, _ = random_network(blueprint)
    header = Header(
        key="some",
        space="space",
        blueprint=blueprint.nodes,
        data="digits",
        classes=tuple(map(str, range(blueprint.classes))),
        mean=(4.9,) * channels,
        std=(6.0,) * channels,
        white=16,
        test_error=0.25,
    )
    return PackedNetwork(header, forms_of_network(network))
