"""Objectives: what networks are judged by. A new one is one entry of `OBJECTIVES`.

An exact objective is a property of `Cost`. A measured one, other than the error, is returned by the evaluator
as well. Recipes, limits, tables, figures and the options of `evo-bnas pick` follow from the entry.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import add, attrgetter
from types import MappingProxyType

from evo_bnas.network.cost import Cost


@dataclass(frozen=True, slots=True)
class Objective:
    """A quantity of a network; all are minimised."""

    unit: str
    title: str  # heading of its column
    option: str  # of `evo-bnas pick`
    meaning: str
    of: Callable[[Cost], float] | None = None  # counts an exact objective; None if it is measured
    join: Callable[[float, float], float] = add  # combines the values of two parts of a network

    @property
    def exact(self) -> bool:
        """Whether it is counted from the blueprint, before anything is evaluated."""
        return self.of is not None


def _counted(
    name: str,
    unit: str,
    meaning: str,
    *,
    title: str = "",
    option: str = "",
    join: Callable[[float, float], float] = add,
) -> Objective:
    return Objective(unit, title or name, option or f"--{name}", meaning, attrgetter(name), join)


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        "error": Objective("fraction", "top-1", "--error", "top-1 error on the search split"),
        "ops": _counted("ops", "ops", "flops + bops / 64"),
        "bops": _counted("bops", "MACs", "MACs with 1-bit weight and 1-bit input"),
        "flops": _counted("flops", "MACs", "all other MACs"),
        "params": _counted("params", "weights", "number of weights"),
        "size_bits": _counted(
            "size_bits", "bits", "1 per binary weight, 8 or 32 per real one", title="size", option="--size"
        ),
        "peak_activation_bytes": _counted(
            "peak_activation_bytes",
            "bytes",
            "most memory live at once",
            title="memory",
            option="--memory",
            join=max,
        ),
        "latency_ms": Objective("ms", "latency_ms", "--latency", "of one image on one thread of this host"),
    }
)
EXACT = tuple(name for name, objective in OBJECTIVES.items() if objective.exact)


def exact_objectives(cost: Cost) -> dict[str, float]:
    """Every objective that needs no evaluation."""
    return {name: objective.of(cost) for name, objective in OBJECTIVES.items() if objective.of}
