"""The operations that spaces choose from, by their names in keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from evo_bnas.network.node import Op


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation; blocks and cells add the signs, norms, activations and shortcuts around it."""

    op: Op | None  # conv has 1-bit weights and inputs; None computes nothing
    kernel: int = 1
    dilation: int = 1
    groups: int = 1

    @property
    def parameter_free(self) -> bool:
        """Whether it has no weights; a supernet favours such operations too early."""
        return self.op != "conv"


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "b1": Operation("conv", 1),
        "b3": Operation("conv", 3),
        "b5": Operation("conv", 5),
        "b3g4": Operation("conv", 3, groups=4),
        "b5g4": Operation("conv", 5, groups=4),
        "d3": Operation("conv", 3, dilation=2),
        "d5": Operation("conv", 5, dilation=2),
        "avg3": Operation("pool_avg", 3),
        "max3": Operation("pool_max", 3),
        "skip": Operation(None),
        "none": Operation(None),
    }
)
