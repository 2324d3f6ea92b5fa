"""What every explorer is: a pure function from the archive to new proposals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

# Samples in a row that were all proposed before: then the space is nearly exhausted.
_MISSES = 30


@dataclass(frozen=True, slots=True)
class Draft:
    """An architecture that an explorer wants to be scored."""

    architecture: Architecture
    origin: str
    predicted: float | None = None


class Explorer(Protocol):
    """Equal arguments, generator state included, give equal drafts: an explorer remembers nothing."""

    def propose(
        self, archive: Archive, pending: Sequence[Proposal], n: int, rng: np.random.Generator
    ) -> list[Draft]:
        """At most `n` architectures within the limits that were never proposed; none when all were."""


class Batch:
    """The drafts of one call: at most `n`, each within the limits and never proposed before."""

    def __init__(self, problem: Problem, archive: Archive, n: int) -> None:
        self.drafts: list[Draft] = []
        self._problem = problem
        self._archive = archive
        self._n = n
        self._keys = set(archive.keys)

    @property
    def full(self) -> bool:
        return len(self.drafts) >= self._n

    def add(self, architecture: Architecture, origin: str, predicted: float | None = None) -> bool:
        """Draft an architecture, unless the batch is full, or it is known or beyond the limits."""
        if self.full or architecture.key in self._keys or not self._problem.feasible(architecture):
            return False
        self._keys.add(architecture.key)
        self.drafts.append(Draft(architecture, origin, predicted))
        return True

    def start(self, rng: np.random.Generator, size: int) -> None:
        """Draft of a search's first `size` proposals: the ends of the space, then samples over the cost."""
        self.add(self._problem.smallest(), "start")
        self.add(self._problem.largest(), "start")
        self._sample(rng, "start", size)

    def fill(self, rng: np.random.Generator) -> None:
        """Draft samples, and where these are nothing new any more, what is one gene from any proposal."""
        self._sample(rng, "random", self._n + len(self._archive.keys))
        for proposal in self._archive.proposals:
            if self.full:
                return
            for neighbour in self._problem.space.neighbours(self._problem.space.parse(proposal.key)):
                self.add(neighbour, "neighbour")

    def _sample(self, rng: np.random.Generator, origin: str, size: int) -> None:
        """Draft samples until the search has `size` proposals, or too many in a row were known."""
        misses = 0
        while misses < _MISSES and not self.full and len(self._keys) < size:
            misses = 0 if self.add(self._problem.sample(rng), origin) else misses + 1
