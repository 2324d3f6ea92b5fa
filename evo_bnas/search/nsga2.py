"""NSGA-II as a pure function of the archive.

Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 6(2), 2002. There is
no generation: whenever it is asked, the best of all that was scored are the parents. So synchronous,
asynchronous and resumed searches are the same code, and there is no state to save.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.core.population import Population
from pymoo.core.problem import Problem as Matrix
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from evo_bnas.results.archive import Archive, Proposal
from evo_bnas.search.explorer import Batch, Draft
from evo_bnas.search.operators import Redraw, by_rank_and_crowding
from evo_bnas.search.problem import Problem

# Children are often known already; after so many rounds of mating the parents are nearly exhausted.
_ROUNDS = 10


class Nsga2:
    """Rank and crowding over the archive, then tournament, uniform crossover and redrawn genes.

    The first `population` proposals are a design over the cost; from then on that many parents survive.
    """

    def __init__(self, problem: Problem, population: int) -> None:
        space = problem.space
        self._problem = problem
        self._population = population
        self._matrix = Matrix(
            n_var=len(space.genes),
            n_obj=len(problem.objectives),
            xl=0,
            xu=np.array(space.sizes) - 1,
            vtype=int,
        )
        self._survival = RankAndCrowding()
        self._selection = TournamentSelection(func_comp=by_rank_and_crowding)
        self._crossover = UniformCrossover(prob=0.9)
        self._mutation = Redraw()

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

    def _parents(self, archive: Archive, rng: np.random.Generator) -> Any:
        objectives = self._problem.objectives
        space = self._problem.space
        scored = archive.scored  # failed evaluations have no numbers and never reach pymoo
        everything = Population.new(
            X=np.array([space.parse(proposal.key).genes for proposal, _ in scored]),
            F=np.array([[score.objectives[name] for name in objectives] for _, score in scored], dtype=float),
        )
        return self._survival.do(self._matrix, everything, n_survive=self._population, random_state=rng)

    def _mate(self, parents: Any, batch: Batch, n: int, rng: np.random.Generator) -> None:
        for _ in range(_ROUNDS):
            if batch.full:
                return
            pairs = self._selection.do(self._matrix, parents, n, n_parents=2, to_pop=False, random_state=rng)
            children = self._crossover.do(self._matrix, parents, pairs, random_state=rng)
            children = self._mutation.do(self._matrix, children, random_state=rng)
            for genes in children.get("X"):
                child = self._problem.space.architecture(genes)
                batch.add(self._problem.repair(child, rng), "mating")

    def _explore_front(self, parents: Any, batch: Batch, rng: np.random.Generator) -> None:
        """What is one gene from the front, in random order: the last that mating has missed."""
        if batch.full:
            return
        space = self._problem.space
        front = parents[parents.get("rank") == 0].get("X")
        near = [other for genes in front for other in space.neighbours(space.architecture(genes))]
        for index in rng.permutation(len(near)):
            batch.add(near[index], "neighbour")
