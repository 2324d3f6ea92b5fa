"""A design: a list of networks, fixed before anything is measured, that represents a whole space."""

from collections.abc import Iterator, Sequence

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

# Of this many samples the closest to the wanted cost is taken. Samples of a problem keep to its limits, which
# takes longer the tighter they are, so there are fewer of them.
_SAMPLES, _SAMPLES_WITHIN_LIMITS = 32, 4


class Design(Explorer):
    """Proposes given networks in their order."""

    def __init__(self, problem: Problem, networks: Sequence[Architecture]) -> None:
        super().__init__(problem, start=0, fill=False)
        self._networks = networks

    def _propose(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> Iterator[Candidate]:
        return (Candidate(network, "design") for network in self._networks)


def spread(problem: Problem, n: int, seed: int) -> list[Architecture]:
    """Distinct networks within the limits, spread evenly over the log of the cost; the ends come first.

    A longer list begins with the shorter one, since every network depends only on those before it. Fewer than
    `n` if no other network is close.
    """

    def log_cost(architecture: Architecture) -> float:
        return float(np.log(problem.costs(architecture)[problem.sampling_cost]))

    networks = list(dict.fromkeys([problem.smallest(), problem.largest()]))[:n]
    low, high = log_cost(problem.smallest()), log_cost(problem.largest())
    while len(networks) < n:
        index = len(networks) - 1
        wanted = low + (high - low) * _van_der_corput(index)
        rng = np.random.default_rng([seed, index])
        samples = [problem.space.sample_cost_uniform(rng, problem.sampling_cost) for _ in range(_SAMPLES)]
        new = [sample for sample in samples if sample not in networks and problem.feasible(sample)]
        if not new:
            samples = [problem.sample(rng) for _ in range(_SAMPLES_WITHIN_LIMITS)]
            new = [sample for sample in samples if sample not in networks] or _near(problem, networks)
        if not new:
            break
        distances = [abs(log_cost(network) - wanted) for network in new]
        networks.append(new[int(np.argmin(distances))])
    return networks


def _van_der_corput(index: int) -> float:
    """The points 1/2, 1/4, 3/4, 1/8, … of index 1 and more: the first few of them are spread over (0, 1).

    Van der Corput, "Verteilungsfunktionen", 1935.
    """
    return int(f"{index:b}"[::-1], 2) / (1 << index.bit_length())


def _near(problem: Problem, networks: Sequence[Architecture]) -> list[Architecture]:
    """Other networks within the limits that are one gene from one of these."""
    neighbours = (other for network in networks for other in problem.space.neighbours(network))
    return [other for other in dict.fromkeys(neighbours) if other not in networks and problem.feasible(other)]
