"""A design: a list of networks, chosen before anything is measured, that stands for a whole space."""

from collections.abc import Sequence

import numpy as np

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.search.explorer import Draft
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

# Of so many samples the one that is nearest to the wanted cost is taken; those of a problem keep to limits
# however tight, which takes the longer the tighter they are.
_DRAWS, _SURE_DRAWS = 32, 4


class Design:
    """An explorer that proposes given networks in their order."""

    def __init__(self, networks: Sequence[Architecture]) -> None:
        self._networks = networks

    def propose(
        self, archive: Archive, pending: Sequence[Proposal], n: int, rng: np.random.Generator
    ) -> list[Draft]:
        new = [network for network in self._networks if network.key not in archive.keys]
        return [Draft(network, "design") for network in new[:n]]


def spread(problem: Problem, n: int, seed: int) -> list[Architecture]:
    """Distinct networks within the limits, spread evenly over the log of the cost; the ends come first.

    A longer list begins with the shorter one, since every network depends on those before it alone. Fewer
    than `n` where the space has no more near by.
    """

    def height(architecture: Architecture) -> float:
        return float(np.log(problem.costs(architecture)[problem.sampling_cost]))

    found = list(dict.fromkeys([problem.smallest(), problem.largest()]))[:n]
    low, high = height(problem.smallest()), height(problem.largest())
    while len(found) < n:
        index = len(found) - 1
        wanted = low + (high - low) * _van_der_corput(index)
        rng = np.random.default_rng([seed, index])
        draws = [problem.space.sample_cost_uniform(rng, problem.sampling_cost) for _ in range(_DRAWS)]
        new = [draw for draw in draws if draw not in found and problem.feasible(draw)]
        if not new:
            draws = [problem.sample(rng) for _ in range(_SURE_DRAWS)]
            new = [draw for draw in draws if draw not in found] or _beside(problem, found)
        if not new:
            break
        off = [abs(height(one) - wanted) for one in new]
        found.append(new[int(np.argmin(off))])
    return found


def _van_der_corput(index: int) -> float:
    """The points 1/2, 1/4, 3/4, 1/8, … of index 1 and more: any first few of them are spread over (0, 1).

    Van der Corput, "Verteilungsfunktionen", 1935.
    """
    return int(f"{index:b}"[::-1], 2) / (1 << index.bit_length())


def _beside(problem: Problem, found: Sequence[Architecture]) -> list[Architecture]:
    """Networks within the limits that are not found yet and one gene from one that is."""
    neighbours = (near for one in found for near in problem.space.neighbours(one))
    return [near for near in dict.fromkeys(neighbours) if near not in found and problem.feasible(near)]
