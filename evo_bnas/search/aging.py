"""Regularised evolution: the population is the youngest networks, so that every network leaves it in the end.

Real et al., "Regularized evolution for image classifier architecture search", AAAI 2019. Extended to several
objectives by a tournament over non-dominated ranks, as in MO-REA of Syne Tune.
"""

from collections.abc import Iterator

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.search.dominance import constrained_ranks
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.operators import redraw
from evo_bnas.search.problem import Problem

_ATTEMPTS = 20  # children per candidate, after which the population counts as exhausted


class Aging(Explorer):
    """Mutates one gene of the winner of a tournament among a quarter of the last `population` networks."""

    def __init__(self, problem: Problem, population: int) -> None:
        super().__init__(problem, start=population)
        self._population = population
        self._sizes = np.array(problem.space.sizes)

    def _propose(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> Iterator[Candidate]:
        alive = archive.scored[-self._population :]
        if not alive:
            return
        genes = np.array([proposal.architecture.genes for proposal, _ in alive])
        scores = [score for _, score in alive]
        rank = constrained_ranks(self._problem.points(scores), self._problem.violation(scores))
        for _ in range(_ATTEMPTS * batch.size):
            # In random order, so that ties are broken by chance.
            tournament = rng.permutation(len(alive))[: max(2, self._population // 4)]
            parent = tournament[rank[tournament].argmin()]
            child = redraw(genes[[parent]], self._sizes, 0.0, rng)[0].tolist()
            repaired = self._problem.repair(self._problem.space.architecture(child), rng)
            yield Candidate(repaired, "mutation")
