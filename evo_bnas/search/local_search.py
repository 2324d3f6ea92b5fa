"""The last phase of a search: what is one gene from the front.

A local search around the front closes the gap that a surrogate leaves where it is wrong; on small spaces
one-gene moves alone are hard to beat (White et al., arXiv 2005.02960).
"""

from collections.abc import Sequence

import numpy as np

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.search.dominance import constrained_ranks
from evo_bnas.search.explorer import Batch, Draft, Explorer
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture


class LocalSearch:
    """Another explorer for the first `after` proposals of its own, then neighbours of the front.

    Where the front has no new neighbour it is the other explorer again.
    """

    def __init__(self, explorer: Explorer, problem: Problem, after: int) -> None:
        self._explorer = explorer
        self._problem = problem
        self._after = after

    def propose(
        self, archive: Archive, pending: Sequence[Proposal], n: int, rng: np.random.Generator
    ) -> list[Draft]:
        left = self._after - archive.asked
        if left > 0:
            return self._explorer.propose(archive, pending, min(n, left), rng)
        batch = Batch(self._problem, archive, n)
        self._polish(batch, archive, rng)
        return batch.drafts or self._explorer.propose(archive, pending, n, rng)

    def _polish(self, batch: Batch, archive: Archive, rng: np.random.Generator) -> None:
        """Draft unknown neighbours of the front, one of each of its networks in turn."""
        scored = archive.scored
        if not scored:
            return
        space = self._problem.space
        rank = constrained_ranks(self._problem, [score for _, score in scored])
        best = [space.parse(scored[index][0].key) for index in np.flatnonzero(rank == rank.min())]
        around = [_shuffled(space.neighbours(network), rng) for network in best]
        while any(around) and not batch.full:
            for near in around:
                while near and not batch.add(near.pop(), "polish") and not batch.full:
                    pass


def _shuffled(networks: Sequence[Architecture], rng: np.random.Generator) -> list[Architecture]:
    return [networks[index] for index in rng.permutation(len(networks))]
