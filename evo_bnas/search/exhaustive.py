"""Every network of a small space."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.errors import UsageError
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.problem import Problem

MAX_NETWORKS = 20_000


class Exhaustive(Explorer):
    """The ends of the space, then all other networks within the limits in order of genes.

    Raises UsageError if the space has more than `MAX_NETWORKS` networks. `population` is ignored.
    """

    def __init__(self, problem: Problem, population: int) -> None:
        number, exact = problem.space.count()
        if number > MAX_NETWORKS:
            raise UsageError(
                f"{problem.space.name} has {'' if exact else 'about '}{number:,} networks, and exhaustive "
                f"search takes up to {MAX_NETWORKS:,}; choose another explorer"
            )
        super().__init__(problem, start=2, fill=False)

    def _propose(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> Iterable[Candidate]:
        return self._all

    @cached_property
    def _all(self) -> tuple[Candidate, ...]:
        return tuple(Candidate(network, "enumeration") for network in self._problem.space.enumerate())
