"""NSGA-II as a pure function of the archive.

Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 6(2), 2002. There is
no generation: whenever it is asked, the best of all that was scored are the parents. So synchronous,
asynchronous and resumed searches are the same code, and there is no state to save.
"""

from collections.abc import Sequence

import numpy as np

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.search.breeding import Breeding, Parents
from evo_bnas.search.explorer import Batch, Draft
from evo_bnas.search.problem import Problem

# Children are often known already; after so many rounds of mating the parents are nearly exhausted.
_ROUNDS = 10


class Nsga2:
    """Rank and crowding over the archive, then tournament, uniform crossover and redrawn genes.

    The first `population` proposals are a design over the cost; from then on that many parents survive.
    Networks above the greatest error, or beyond a limit on a measured cost, are parents only while too few
    are acceptable: Deb's constrained dominance, section VI of the paper.
    """

    def __init__(self, problem: Problem, population: int) -> None:
        self._problem = problem
        self._population = population
        self._breeding = Breeding(problem)

    def propose(
        self, archive: Archive, pending: Sequence[Proposal], n: int, rng: np.random.Generator
    ) -> list[Draft]:
        batch = Batch(self._problem, archive, n)
        batch.start(rng, size=self._population)
        if archive.scored and not batch.full:
            parents = self._parents(archive, rng)
            self._mate(parents, batch, n, rng)
            self._explore_front(parents, batch, rng)
        batch.fill(rng)
        return batch.drafts

    def _parents(self, archive: Archive, rng: np.random.Generator) -> Parents:
        parse, objectives = self._problem.space.parse, self._problem.objectives
        scored = archive.scored  # failed evaluations have no numbers and never reach pymoo
        kept = [row for row in scored if self._problem.acceptable(row[1])]
        rest = [row for row in scored if not self._problem.acceptable(row[1])]
        rest.sort(key=lambda row: self._problem.violation(row[1]))
        return self._breeding.survivors(
            [parse(proposal.key) for proposal, _ in kept],
            np.array([[score.objectives[name] for name in objectives] for _, score in kept], dtype=float),
            self._population,
            rng,
            behind=[parse(proposal.key) for proposal, _ in rest],
        )

    def _mate(self, parents: Parents, batch: Batch, n: int, rng: np.random.Generator) -> None:
        for _ in range(_ROUNDS):
            if batch.full:
                return
            for child in self._breeding.offspring(parents, 2 * n, rng):
                batch.add(child, "mating")

    def _explore_front(self, parents: Parents, batch: Batch, rng: np.random.Generator) -> None:
        """What is one gene from the front, in random order: the last that mating has missed."""
        if batch.full:
            return
        near = [other for member in parents.front for other in self._problem.space.neighbours(member)]
        for index in rng.permutation(len(near)):
            batch.add(near[index], "neighbour")
