"""The objectives of a search. A new exact objective is one entry of `OBJECTIVES`.

An exact objective is a function of `Cost`. A measured one also needs an evaluator that returns it. Recipes,
limits, bounds, tables, figures, network cards and the options of `evo-bnas pick` follow from the entry.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import add, attrgetter
from types import MappingProxyType

from evo_bnas.network.cost import Cost


@dataclass(frozen=True, slots=True)
class Objective:
    """A quantity of a network, to be minimised."""

    unit: str
    title: str  # heading of its column in tables
    option: str  # its option of `evo-bnas pick`, which takes an upper limit
    example: str  # of such a limit
    meaning: str
    of: Callable[[Cost], float] | None = None  # computes an exact objective; None if it is measured
    join: Callable[[float, float], float] = add  # the value of a network from the values of its two parts

    @property
    def exact(self) -> bool:
        """Whether it follows from the blueprint alone, without an evaluation."""
        return self.of is not None


def _counted(
    name: str,
    unit: str,
    meaning: str,
    *,
    example: str = "20k",
    title: str = "",
    option: str = "",
    join: Callable[[float, float], float] = add,
) -> Objective:
    return Objective(unit, title or name, option or f"--{name}", example, meaning, attrgetter(name), join)


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        "error": Objective("fraction", "top-1", "--error", "5%", "top-1 error on the search split"),
        "ops": _counted("ops", "ops", "flops + bops / 64"),
        "bops": _counted("bops", "MACs", "MACs with 1-bit weight and 1-bit input"),
        "flops": _counted("flops", "MACs", "all other MACs"),
        "params": _counted("params", "weights", "number of weights"),
        "size_bits": _counted(
            "size_bits",
            "bits",
            "1 bit per binary weight, 8 or 32 bits per real weight",
            example="200kB",
            title="size",
            option="--size",
        ),
        "peak_activation_bytes": _counted(
            "peak_activation_bytes",
            "bytes",
            "peak memory of activations for one image",
            example="64kB",
            title="memory",
            option="--memory",
            join=max,
        ),
        "latency_ms": Objective(
            "ms", "latency_ms", "--latency", "2ms", "time for one image on one thread of this machine"
        ),
    }
)
EXACT = tuple(name for name, objective in OBJECTIVES.items() if objective.exact)


def exact_objectives(cost: Cost) -> dict[str, float]:
    """The value of every exact objective."""
    return {name: objective.of(cost) for name, objective in OBJECTIVES.items() if objective.of}
