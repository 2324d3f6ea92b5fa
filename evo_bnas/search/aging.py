"""Regularised evolution: the youngest networks are the population, so that every one dies in the end.

Real et al., "Regularized evolution for image classifier architecture search", AAAI 2019; for several
objectives its tournament goes by non-dominated rank, as in the MO-REA of Syne Tune.
"""

from collections.abc import Sequence

import numpy as np

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.search.dominance import constrained_ranks
from evo_bnas.search.explorer import Batch, Draft
from evo_bnas.search.operators import redraw
from evo_bnas.search.problem import Problem

_TRIES = 20  # children a draft, before the population counts as exhausted


class Aging:
    """One redrawn gene of the winner among a quarter of the `population` networks proposed last."""

    def __init__(self, problem: Problem, population: int) -> None:
        self._problem = problem
        self._population = population
        self._sizes = np.array(problem.space.sizes)

    def propose(
        self, archive: Archive, pending: Sequence[Proposal], n: int, rng: np.random.Generator
    ) -> list[Draft]:
        batch = Batch(self._problem, archive, n)
        batch.start(rng, size=self._population)
        alive = archive.scored[-self._population :]
        if alive:
            space = self._problem.space
            genes = np.array([space.parse(proposal.key).genes for proposal, _ in alive])
            rank = constrained_ranks(self._problem, [score for _, score in alive])
            for _ in range(_TRIES * n):
                if batch.full:
                    break
                # In random order, so that chance decides between equals.
                sample = rng.permutation(len(alive))[: max(2, self._population // 4)]
                parent = sample[rank[sample].argmin()]
                child = space.architecture(redraw(genes[[parent]], self._sizes, 0.0, rng)[0].tolist())
                batch.add(self._problem.repair(child, rng), "mutation")
        batch.fill(rng)
        return batch.drafts
