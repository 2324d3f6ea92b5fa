"""Random search over the cost, with which every other explorer is to be compared."""

from collections.abc import Sequence

import numpy as np

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.search.explorer import Batch, Draft
from evo_bnas.search.problem import Problem


class Random:
    """Both ends of the space, then samples spread evenly over the cost.

    Uniform genes would hardly ever give a cheap network and make a weaker opponent. Its first `population`
    proposals are those that other explorers start from at the same seed.
    """

    def __init__(self, problem: Problem, population: int) -> None:
        self._problem = problem
        self._population = population

    def propose(
        self, archive: Archive, pending: Sequence[Proposal], n: int, rng: np.random.Generator
    ) -> list[Draft]:
        batch = Batch(self._problem, archive, n)
        batch.start(rng, size=self._population)
        batch.fill(rng)
        return batch.drafts
