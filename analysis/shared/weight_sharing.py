"""Other ways for kernels and groups to share weights, to compare the supernet with.

The supernet cuts every weight out of one dense tensor: the centre for a smaller kernel, and for groups a mask
whose row c always feeds channel c. The classes here change that and nothing else.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from evo_bnas.binary.execute import TensorsOf
from evo_bnas.binary.fold import Tensors
from evo_bnas.binary.network import attach
from evo_bnas.binary.weights import initial
from evo_bnas.network.node import Node, Spec, tensors
from evo_bnas.space.genes import Space
from evo_bnas.supernet.supernet import Supernet


class Chunks(Supernet):
    """Groups as NAS-BNN stores them (Lin et al., 2025), with a channel shuffle after the convolution.

    The filters of the dense tensor fall into consecutive chunks, one for each group, and chunk i reads input
    slice i. So a filter feeds different channels, with different norms, for different numbers of groups.
    """

    def slices(self) -> TensorsOf:
        """The tensors of any node of the space, cut to its size."""
        shared = super().slices()
        dense = dict(self.named_parameters())

        def tensors_of(node: Node) -> Tensors:
            own = dict(shared(node))
            if node.op == "conv" and node.weight_bits == 1 and node.groups > 1:
                own["weight"] = _chunked(dense[f"{node.name}.weight"], node)
            return own

        return tensors_of


class Separate(Supernet):
    """A separate weight tensor for every option of some fields (`kernel`, `groups`); norms are shared."""

    def __init__(self, space: Space, fields: tuple[str, ...], *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._fields = fields
        generator = torch.Generator().manual_seed(seed)
        for address, shape in self._widest().items():
            weight = initial(Spec("weight", shape, 1, "weight"), generator)
            attach(self, address, nn.Parameter(weight))

    def slices(self) -> TensorsOf:
        """The tensors of any node of the space, cut to its size."""
        shared = super().slices()
        own = dict(self.named_parameters())

        def tensors_of(node: Node) -> Tensors:
            cut = dict(shared(node))
            if node.op == "conv" and node.weight_bits == 1:
                cut["weight"] = _cut(own[self._address(node)], node)
            return cut

        return tensors_of

    def _address(self, node: Node) -> str:
        return f"{node.name}.weight_" + "_".join(str(getattr(node, field)) for field in self._fields)

    def _widest(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for architecture in self.space.enumerate():
            for node in self.space.draw(architecture).nodes:
                if node.op == "conv" and node.weight_bits == 1:
                    address, shape = self._address(node), _stored(node, "groups" in self._fields)
                    shapes[address] = tuple(map(max, shapes.get(address, shape), shape))
        return shapes


def _stored(node: Node, grouped: bool) -> tuple[int, ...]:
    """Shape of the tensor that holds a node's weight: with the fan-in of a group, or dense."""
    (shape,) = (spec.shape for spec in tensors(node) if spec.name == "weight")
    return shape if grouped else (shape[0], node.cin, *shape[2:])


def _cut(stored: Tensor, node: Node) -> Tensor:
    """Leading rows, fan-in and the centre of the kernel; of a dense tensor block c mod groups for row c."""
    channels, fan_in = node.shape[0], node.cin // node.groups
    edge = (stored.shape[-1] - node.kernel) // 2
    rows = stored[:channels, :, edge : edge + node.kernel, edge : edge + node.kernel]
    if rows.shape[1] < node.cin:
        return rows[:, :fan_in].contiguous()
    blocks = rows[:, : node.cin].unflatten(1, (node.groups, fan_in))
    row = torch.arange(channels, device=stored.device)
    kept: Tensor = blocks[row, row % node.groups].contiguous()
    return kept


def _chunked(dense: Tensor, node: Node) -> Tensor:
    """Row p of the shuffled convolution: filter (p mod groups) * (channels / groups) + p // groups."""
    channels, fan_in = node.shape[0], node.cin // node.groups
    edge = (dense.shape[-1] - node.kernel) // 2
    rows = dense[:channels, : node.cin, edge : edge + node.kernel, edge : edge + node.kernel]
    place = torch.arange(channels, device=dense.device)
    group = place % node.groups
    filters = group * (channels // node.groups) + place // node.groups
    kept: Tensor = rows.unflatten(1, (node.groups, fan_in))[filters, group].contiguous()
    return kept


Sharing = Callable[[Space, int], Supernet]

SHARINGS: Mapping[str, Sharing] = MappingProxyType(
    {
        "mask and crop": lambda space, seed: Supernet(space, seed=seed),
        "groups in chunks": lambda space, seed: Chunks(space, seed=seed),
        "groups apart": lambda space, seed: Separate(space, ("groups",), seed=seed),
        "kernels apart": lambda space, seed: Separate(space, ("kernel",), seed=seed),
        "both apart": lambda space, seed: Separate(space, ("kernel", "groups"), seed=seed),
    }
)
