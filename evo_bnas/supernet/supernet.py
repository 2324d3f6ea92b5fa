"""The supernet: every tensor of a space at its full size, and the slices that an architecture uses."""

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from evo_bnas.binary.execute import BINARY, BatchStatistics, Mode, Norm, TensorsOf, execute
from evo_bnas.binary.fold import Statistics, Tensors
from evo_bnas.binary.network import Network, attach
from evo_bnas.binary.weights import initial
from evo_bnas.errors import UsageError
from evo_bnas.files import weights_file
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.node import Node, Spec, tensors
from evo_bnas.space.genes import Architecture, Space

BATCH = BatchStatistics()
_KIND = "supernet"


class Supernet(nn.Module):
    """Weights shared by all architectures of a space, and no other state."""

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        generator = torch.Generator().manual_seed(seed)
        for node in space.envelope():
            for spec in tensors(node):
                attach(self, f"{node.name}.{spec.name}", nn.Parameter(initial(spec, generator)))

    def forward(
        self, images: Tensor, architecture: Architecture, norm: Norm = BATCH, mode: Mode = BINARY
    ) -> Tensor:
        """Logits (batch, classes) of one sub-network, with batch statistics or given ones."""
        return execute(_blueprint(self.space, architecture), images, self.slices(), norm, mode)

    def extract(self, architecture: Architecture, statistics: Statistics) -> Network:
        """The sub-network as a separate network that equals the supernet bit for bit."""
        network = Network(self.space.draw(architecture))
        tensors_of = self.slices()
        own = {
            f"{node.name}.{name}": tensor
            for node in network.blueprint.nodes
            for name, tensor in tensors_of(node).items()
        }
        with torch.no_grad():
            for address, parameter in network.named_parameters():
                parameter.copy_(own[address])
        network.set_statistics(statistics)
        return network.to(next(self.parameters()).device)

    def slices(self) -> TensorsOf:
        """A function from a node of the space to its slices of the shared tensors."""
        shared = dict(self.named_parameters())  # once, since a lookup by address is slow

        def tensors_of(node: Node) -> Tensors:
            return {
                spec.name: _cut(shared[f"{node.name}.{spec.name}"], spec, node.groups)
                for spec in tensors(node)
            }

        return tensors_of


def save_supernet(supernet: Supernet, path: Path) -> None:
    """Write the shared weights atomically."""
    weights_file.write(path, _KIND, supernet.state_dict(), {"space": supernet.space.hash})


def load_supernet(space: Space, path: Path) -> Supernet:
    """The supernet in a file; raises UsageError if it is damaged or belongs to another space."""
    state, header = weights_file.read(path, _KIND)
    if header.get("space") != space.hash:
        raise UsageError(
            f"{path}: holds weights of space {header.get('space')}, but {space.name} of this run is "
            f"{space.hash}; train again"
        )
    supernet = Supernet(space)
    weights_file.load_strictly(supernet, state, path)
    return supernet


@lru_cache(maxsize=64)
def _blueprint(space: Space, architecture: Architecture) -> Blueprint:
    """The blueprint, cached for all batches of an evaluation."""
    return space.draw(architecture)


def _cut(shared: Tensor, spec: Spec, groups: int) -> Tensor:
    """The part of a shared tensor that a node uses: leading entries, and the centre of a kernel.

    It is contiguous, since sums over strided memory round differently: one flipped sign would make the
    extracted network differ from the supernet.
    """
    if shared.shape == spec.shape:
        return shared
    if len(spec.shape) == 4:
        return _cut_filters(shared, spec.shape, groups).contiguous()
    return shared[tuple(slice(size) for size in spec.shape)].contiguous()


def _cut_filters(shared: Tensor, shape: tuple[int, ...], groups: int) -> Tensor:
    """Filters (channels, cin / groups, kernel, kernel) of a dense shared tensor.

    Groups are a mask on the dense tensor: row c keeps input block `c mod groups`. So row c has the same
    output channel, norm entry and activation entry for any number of groups. Depthwise filters are not a
    choice and not dense; they are shared unchanged.
    """
    channels, fan_in, kernel, _ = shape
    edge = (shared.shape[-1] - kernel) // 2
    centre = slice(edge, edge + kernel)
    dense = shared[:channels, : fan_in * groups, centre, centre]
    if dense.shape[1] == fan_in:
        return dense
    blocks = dense.unflatten(1, (groups, fan_in)).unflatten(0, (-1, groups))
    # (rows of a group, group of the row, block, fan-in, kernel, kernel): keep group == block
    kept = blocks.diagonal(dim1=1, dim2=2).movedim(-1, 1)
    return torch.flatten(kept, 0, 1)
