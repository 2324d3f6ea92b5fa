"""The last phase of a search: neighbours of the front.

A local search around the front closes the gap that a surrogate leaves where it is wrong; on small spaces
one-gene moves alone are hard to beat (White et al., arXiv 2005.02960).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.search.dominance import constrained_front
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture


class LocalSearch(Explorer):
    """Another explorer for the first `after` proposals charged to the budget, then neighbours of the front.

    If the front has no new neighbour, the other explorer proposes again.
    """

    def __init__(self, explorer: Explorer, problem: Problem, after: int) -> None:
        super().__init__(problem, start=0, fill=False)
        self._explorer = explorer
        self._after = after

    def _propose(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> Iterator[Candidate]:
        before = self._after - archive.charged
        if before > 0:
            yield from self._explorer.propose(archive, min(batch.size, before), rng)
            return
        yield from self._neighbours(archive, batch, rng)
        if not batch.candidates:
            yield from self._explorer.propose(archive, batch.size, rng)

    def _neighbours(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> Iterator[Candidate]:
        """One new neighbour of each network of the front in turn."""
        space = self._problem.space
        front = constrained_front(self._problem, archive)
        around = [_shuffled(space.neighbours(network), rng) for network in front]
        while any(around):
            for neighbours in around:
                while neighbours:
                    neighbour = neighbours.pop()
                    if batch.accepts(neighbour):
                        yield Candidate(neighbour, "local search")
                        break


def _shuffled(networks: Sequence[Architecture], rng: np.random.Generator) -> list[Architecture]:
    return [networks[index] for index in rng.permutation(len(networks))]
