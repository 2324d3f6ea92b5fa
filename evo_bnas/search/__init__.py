"""Explorers: which architectures to score next, given the archive of a search."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evo_bnas.search.explorer import Explorer
    from evo_bnas.search.problem import Problem


def _explorer(module: str, name: str) -> "Callable[[Problem, int], Explorer]":
    # pymoo takes a second to import, which listing the names should not.
    def build(problem: "Problem", population: int) -> "Explorer":
        explorer: Explorer = getattr(import_module(f"{__name__}.{module}"), name)(problem, population)
        return explorer

    return build


EXPLORERS: "dict[str, Callable[[Problem, int], Explorer]]" = {
    "nsga2": _explorer("nsga2", "Nsga2"),
    "aging": _explorer("aging", "Aging"),
    "bins": _explorer("bins", "Bins"),
    "exhaustive": _explorer("exhaustive", "Exhaustive"),
    "multi-population": _explorer("multi_population", "MultiPopulation"),
    "random": _explorer("random", "Random"),
    "surrogate": _explorer("surrogate", "SurrogateSearch"),
}

# Explorers with a surrogate.
WITH_SURROGATE = ("multi-population", "surrogate")
