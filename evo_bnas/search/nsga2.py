"""NSGA-II as a pure function of the archive.

Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 6(2), 2002. There are no
generations: in every call the best of all scored networks are the parents. So synchronous, asynchronous and
resumed searches run the same code, and there is no state to save.
"""

from collections.abc import Iterator

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.search.breeding import Breeding, Parents
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.problem import Problem

# Many children are known already; after this many rounds of mating the parents are nearly exhausted.
_ROUNDS = 10


class Nsga2(Explorer):
    """Selection by rank and crowding over the archive, tournaments, uniform crossover, redrawn genes.

    The first `population` proposals are spread over the cost; from then on that many parents survive.
    Networks beyond `max_error` or a limit on a measured cost are parents only while too few are within.
    """

    def __init__(self, problem: Problem, population: int) -> None:
        super().__init__(problem, start=population)
        self._population = population
        self._breeding = Breeding(problem)

    def _propose(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> Iterator[Candidate]:
        if not archive.scored:
            return
        parents = self.parents(archive, rng)
        for _ in range(_ROUNDS):
            for child in self._breeding.offspring(parents, 2 * batch.size, rng):
                yield Candidate(child, "mating")
        # In random order what is one gene from the front: the last networks that mating has missed.
        near = [other for member in parents.front for other in self._problem.space.neighbours(member)]
        for index in rng.permutation(len(near)):
            yield Candidate(near[index], "neighbour")

    def parents(self, archive: Archive, rng: np.random.Generator) -> Parents:
        """The survivors among all scored networks; failed evaluations have no objectives."""
        scored = archive.scored
        scores = [score for _, score in scored]
        return self._breeding.survivors(
            [proposal.architecture for proposal, _ in scored],
            self._problem.points(scores),
            self._problem.violation(scores),
            self._population,
            rng,
        )
