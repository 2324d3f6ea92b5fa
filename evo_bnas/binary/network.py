"""A single network as a torch module: a blueprint with its tensors and statistics."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from evo_bnas.binary.execute import BINARY, BatchStatistics, Mode, Norm, execute
from evo_bnas.binary.fold import Statistics, Tensors
from evo_bnas.binary.weights import initial
from evo_bnas.errors import UsageError
from evo_bnas.files import weights_file
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node, norms, tensors

_KIND = "network"


class Network(nn.Module):
    """A blueprint with its own weights.

    In training mode it normalises by the statistics of the batch, in evaluation mode by its own, which are
    measured by `calibrate` and written by `set_statistics`. There are no running averages.
    """

    def __init__(self, blueprint: Blueprint, *, seed: int = 0) -> None:
        super().__init__()
        self.blueprint = blueprint
        self.calibrated = False
        generator = torch.Generator().manual_seed(seed)
        for node in blueprint.nodes:
            for spec in tensors(node):
                parameter = nn.Parameter(initial(spec, generator))
                attach(self, f"{node.name}.{spec.name}", parameter)
            for site, channels in norms(node):
                for moment, value in (("mean", torch.zeros), ("var", torch.ones)):
                    attach(self, f"{node.name}.{site}.{moment}", value(channels))

    def forward(self, images: Tensor, mode: Mode = BINARY) -> Tensor:
        """Logits (batch, classes) of images (batch, channels, height, width)."""
        if self.training:
            return self.run(images, BatchStatistics(), mode)
        if not self.calibrated:
            raise RuntimeError("the network has no statistics: call set_statistics(calibrate(...)) first")
        return self.run(images, self.statistics, mode)

    def run(self, images: Tensor, norm: Norm, mode: Mode = BINARY) -> Tensor:
        """Logits with batch statistics or given ones."""
        own = dict(self.named_parameters())  # once, since a lookup by address is slow

        def tensors_of(node: Node) -> Tensors:
            return {spec.name: own[f"{node.name}.{spec.name}"] for spec in tensors(node)}

        return execute(self.blueprint, images, tensors_of, norm, mode)

    @property
    def statistics(self) -> Statistics:
        """Mean and variance of every norm."""
        return dict(self.named_buffers())

    def set_statistics(self, statistics: Statistics) -> None:
        """Write calibrated statistics; raises ValueError if a norm is missing or unknown."""
        own = self.statistics
        if own.keys() != statistics.keys():
            name = min(own.keys() ^ statistics.keys())
            problem = "is missing" if name in own else "is unexpected"
            raise ValueError(f"statistics do not fit the network: {name} {problem}")
        for name, value in statistics.items():
            own[name].copy_(value)
        self.calibrated = True


def attach(module: nn.Module, address: str, value: Tensor) -> None:
    """Register a parameter or buffer at a dotted address such as `s1.b1.spatial.norm.gain`."""
    *path, name = address.split(".")
    for part in path:
        if part not in module._modules:
            module.add_module(part, nn.Module())
        module = module.get_submodule(part)
    if isinstance(value, nn.Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def save_network(network: Network, path: Path, about: Mapping[str, str]) -> None:
    """Write weights, statistics and blueprint to one safetensors file, atomically."""
    header = {"blueprint": json.dumps(network.blueprint.to_rows()), **about}
    weights_file.write(path, _KIND, network.state_dict(), header)


def load_network(path: Path) -> Network:
    """The calibrated network in a file; raises UsageError if the file is damaged or of another kind."""
    state, header = weights_file.read(path, _KIND)
    try:
        network = Network(Blueprint.from_rows(json.loads(header["blueprint"])))
    except (ValueError, TypeError, KeyError, AttributeError) as failure:
        raise UsageError(f"{path}: its blueprint is damaged: {failure}") from None
    weights_file.load_strictly(network, state, path)
    network.calibrated = True
    return network.eval()
