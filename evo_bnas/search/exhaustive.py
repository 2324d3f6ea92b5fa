"""Every network of a small space."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.errors import UsageError
from evo_bnas.search.explorer import Batch, Draft
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

MOST = 20_000


class Exhaustive:
    """The ends of the space, then everything within the limits in order of genes.

    Raises UsageError for a space of more than `MOST` networks. `population` means nothing here.
    """

    def __init__(self, problem: Problem, population: int) -> None:
        number, exact = problem.space.count()
        if number > MOST:
            raise UsageError(
                f"{problem.space.name} has {'' if exact else 'about '}{number:,} networks, and exhaustive "
                f"search takes up to {MOST:,}; choose another explorer"
            )
        self._problem = problem

    def propose(
        self, archive: Archive, pending: Sequence[Proposal], n: int, rng: np.random.Generator
    ) -> list[Draft]:
        batch = Batch(self._problem, archive, n)
        batch.start(rng, size=2)
        for architecture in self._everything:
            if batch.full:
                break
            batch.add(architecture, "enumeration")
        return batch.drafts

    @cached_property
    def _everything(self) -> tuple[Architecture, ...]:
        return tuple(self._problem.space.enumerate())
