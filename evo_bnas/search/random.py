"""Random search over the cost: the baseline of every comparison."""

from collections.abc import Iterable

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.problem import Problem


class Random(Explorer):
    """Both ends of the space, then samples spread evenly over the cost.

    Uniform genes hardly ever give a cheap network, which would make a weaker baseline. The first `population`
    proposals equal those of the other explorers with the same seed.
    """

    def __init__(self, problem: Problem, population: int) -> None:
        super().__init__(problem, start=population)

    def _propose(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> Iterable[Candidate]:
        return ()  # all come from the start and the fill
