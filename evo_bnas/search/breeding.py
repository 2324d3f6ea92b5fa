"""Survival and mating of architectures: the two halves of NSGA-II.

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

from evo_bnas.search.operators import Redraw, by_rank_and_crowding
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture


@dataclass(frozen=True, slots=True)
class Parents:
    """What survived, ready to mate."""

    members: list[Architecture]
    population: Any  # of pymoo, which is untyped; the same ones in the same order, with rank and crowding

    @property
    def front(self) -> list[Architecture]:
        """Those that no other dominates."""
        ranks = self.population.get("rank")
        return [member for member, rank in zip(self.members, ranks, strict=True) if rank == 0]


class Breeding:
    """pymoo's survival and selection, with operators for genes that are categories."""

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
        F: np.ndarray,
        most: int,
        rng: np.random.Generator,
        behind: Sequence[Architecture] = (),
    ) -> Parents:
        """The `most` best by rank and crowding of objectives F (n, objectives).

        Where these are fewer, the first ones of `behind` follow, each ranked after all before it.
        """
        everything = [*architectures, *behind]
        population = Population.new(
            X=np.array([architecture.genes for architecture in everything]), place=np.arange(len(everything))
        )
        best, last = population[: len(architectures)], population[len(architectures) :]
        best.set("F", F)
        best = self._survival.do(self._matrix, best, n_survive=most, random_state=rng)
        last = last[: most - len(best)]
        last.set("rank", most + np.arange(len(last)), "crowding", np.zeros(len(last)))
        merged = Population.merge(best, last)
        return Parents([everything[place] for place in merged.get("place")], merged)

    def offspring(self, parents: Parents, n: int, rng: np.random.Generator) -> list[Architecture]:
        """`n` children within the limits, or one more; some may be equal to each other or to parents."""
        matings = (n + 1) // 2  # each has two children
        pairs = self._selection.do(
            self._matrix, parents.population, matings, n_parents=2, to_pop=False, random_state=rng
        )
        children = self._crossover.do(self._matrix, parents.population, pairs, random_state=rng)
        children = self._mutation.do(self._matrix, children, random_state=rng)
        space = self._problem.space
        return [self._problem.repair(space.architecture(genes), rng) for genes in children.get("X")]
