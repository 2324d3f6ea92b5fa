"""Survival and mating of architectures, the two halves of NSGA-II.

Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 6(2), 2002.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymoo.core.population import Population
from pymoo.core.problem import Problem as Matrix
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from evo_bnas.search.dominance import constrained_ranks
from evo_bnas.search.operators import Redraw, by_rank_and_crowding
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture


@dataclass(frozen=True, slots=True)
class Parents:
    """Survivors, ready to mate."""

    members: list[Architecture]
    population: Any  # the same in pymoo, which is untyped, with rank and crowding

    @property
    def front(self) -> list[Architecture]:
        """The members that no other member dominates."""
        ranks = self.population.get("rank")
        return [member for member, rank in zip(self.members, ranks, strict=True) if rank == 0]


class Breeding:
    """pymoo's survival and selection, with operators for categorical genes."""

    def __init__(self, problem: Problem) -> None:
        space = problem.space
        self._problem = problem
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

    def survivors(
        self,
        architectures: Sequence[Architecture],
        points: np.ndarray,
        violation: np.ndarray,
        size: int,
        rng: np.random.Generator,
    ) -> Parents:
        """The `size` best by constrained dominance and crowding, or all if there are fewer.

        Architectures without violation (n,) survive by rank and crowding of their points (n, objectives). If
        they are too few, those of the smallest violation follow, each ranked after all before it.
        """
        rank = constrained_ranks(points, violation)
        order = np.argsort(rank, kind="stable")
        # Whole ranks, since crowding decides within the last one; pymoo is slow for large populations.
        order = order[rank[order] <= rank[order[:size]].max(initial=0)]
        within = np.count_nonzero(violation[order] == 0)
        order = np.concatenate([order[:within], order[within:size]])
        population = Population.new(X=np.array([architectures[i].genes for i in order]), index=order)
        best, rest = population[:within], population[within:]
        best.set("F", points[order[:within]])
        rest.set("rank", size + np.arange(len(rest)), "crowding", np.zeros(len(rest)))
        best = self._survival.do(self._matrix, best, n_survive=size, random_state=rng)
        survivors = Population.merge(best, rest)
        return Parents([architectures[index] for index in survivors.get("index")], survivors)

    def offspring(self, parents: Parents, n: int, rng: np.random.Generator) -> list[Architecture]:
        """At least `n` children within the limits, one more if `n` is odd; they may repeat known networks."""
        matings = (n + 1) // 2  # each has two children
        pairs = self._selection.do(
            self._matrix, parents.population, matings, n_parents=2, to_pop=False, random_state=rng
        )
        children = self._crossover.do(self._matrix, parents.population, pairs, random_state=rng)
        children = self._mutation.do(self._matrix, children, random_state=rng)
        space = self._problem.space
        return [self._problem.repair(space.architecture(genes), rng) for genes in children.get("X")]
