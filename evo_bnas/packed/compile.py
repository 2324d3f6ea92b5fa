"""Compiles a blueprint with its tensors and statistics to a program."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from evo_bnas.binary.execute import TensorsOf
from evo_bnas.binary.fold import Folded, Statistics, fold
from evo_bnas.binary.network import Network
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node, tensors
from evo_bnas.packed.assemble import assemble
from evo_bnas.packed.form import Form, entries
from evo_bnas.packed.program import Program


def compile_network(network: Network) -> Program:
    """The program of a calibrated network; raises RuntimeError if it has no statistics."""
    return assemble(network.blueprint, forms_of_network(network))


def forms_of_network(network: Network) -> dict[str, Form]:
    """The form of every node of a calibrated network; raises RuntimeError if it has no statistics."""
    if not network.calibrated:
        raise RuntimeError("the network has no statistics: call set_statistics(calibrate(...)) first")
    own = dict(network.named_parameters())
    return forms(
        network.blueprint,
        lambda node: {spec.name: own[f"{node.name}.{spec.name}"] for spec in tensors(node)},
        network.statistics,
    )


def compile_blueprint(blueprint: Blueprint, tensors_of: TensorsOf, statistics: Statistics) -> Program:
    """The program of a blueprint with these tensors and statistics.

    Binary convolutions give exact integers, and epilogues and pools round as torch's evaluation does. Real
    convolutions, dense layers and means over a map add in a different order, so that their last bits may
    differ from torch.
    """
    return assemble(blueprint, forms(blueprint, tensors_of, statistics))


@torch.no_grad()
def forms(blueprint: Blueprint, tensors_of: TensorsOf, statistics: Statistics) -> dict[str, Form]:
    """The inference form of every node by name."""
    return {node.name: form_of(node, fold(node, tensors_of(node), statistics)) for node in blueprint.nodes}


def form_of(node: Node, folded: Folded) -> Form:
    """The inference form of a node, as arrays."""
    form = {}
    for entry in entries(node):
        array = _array(entry.name, folded)
        form[entry.name] = array > 0 if entry.name == "weight" and entry.bits == 1 else array
    return form


def _array(name: str, folded: Folded) -> NDArray[Any]:
    """The array of this name: the weight, or a tensor of the field of `folded` before the dot."""
    stage, _, part = name.partition(".")
    value = getattr(folded, stage)
    if stage == "weight":
        filters: Tensor = value if value.dim() == 4 else value[:, :, None, None]
        return filters.permute(0, 2, 3, 1).contiguous().numpy()
    tensor: Tensor = value.tensors[part] if stage.startswith("act") else getattr(value, part)
    return tensor.detach().numpy()
