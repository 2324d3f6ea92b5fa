"""What to try next: explorers, from the archive of a search to its next proposals."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evo_bnas.search.explorer import Explorer
    from evo_bnas.search.problem import Problem

# pymoo takes a second to import; whoever reads the names only does not pay for it.


def _random(problem: "Problem", population: int) -> "Explorer":
    from evo_bnas.search.random import Random

    return Random(problem, population)


def _nsga2(problem: "Problem", population: int) -> "Explorer":
    from evo_bnas.search.nsga2 import Nsga2

    return Nsga2(problem, population)


EXPLORERS: "Mapping[str, Callable[[Problem, int], Explorer]]" = MappingProxyType(
    {"nsga2": _nsga2, "random": _random}
)
