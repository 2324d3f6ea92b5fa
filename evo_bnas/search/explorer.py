"""The base of all explorers: pure functions from the archive to new candidates."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

# Known samples in a row after which sampling stops: the space is nearly exhausted.
_MISSES = 30


@dataclass(frozen=True, slots=True)
class Candidate:
    """An architecture that an explorer wants to be scored."""

    architecture: Architecture
    origin: str  # the rule that produced it
    predicted: float | None = None  # by a surrogate; lower is better


class Explorer(ABC):
    """Proposes architectures; a subclass adds one rule, `_propose`.

    The first `start` proposals of a search are the ends of the space and samples over the cost. What the
    rule leaves open is filled up with samples and then with neighbours of earlier proposals, unless `fill`
    is false. An explorer has no state: equal arguments, including that of the generator, give equal results.
    """

    def __init__(self, problem: Problem, start: int, *, fill: bool = True) -> None:
        self._problem = problem
        self._start = start
        self._fill = fill

    def propose(self, archive: Archive, n: int, rng: np.random.Generator) -> list[Candidate]:
        """At most `n` new architectures within the limits on exact costs, or none if all are proposed."""
        batch = Batch(self._problem, archive, n)
        if self._start:
            batch.start(self._start, rng)
        if batch.missing:
            for candidate in self._propose(archive, batch, rng):
                batch.add(candidate)
                if not batch.missing:
                    break
        if self._fill:
            batch.fill(rng)
        return batch.candidates

    @abstractmethod
    def _propose(self, archive: Archive, batch: "Batch", rng: np.random.Generator) -> Iterable[Candidate]:
        """Candidates for a batch, the best first, until enough are accepted.

        Those that are beyond a limit or proposed already are skipped.
        """


class Batch:
    """The candidates of one call: at most `size`, all new and within the limits on exact costs."""

    def __init__(self, problem: Problem, archive: Archive, size: int) -> None:
        self.size = size
        self.candidates: list[Candidate] = []
        self._problem = problem
        self._archive = archive
        self._own: set[Architecture] = set()

    @property
    def missing(self) -> int:
        """Number of candidates that can still be added."""
        return self.size - len(self.candidates)

    def accepts(self, architecture: Architecture) -> bool:
        """Whether an architecture is new and within the limits."""
        known = architecture in self._own or architecture in self._archive.architectures
        return not known and self._problem.feasible(architecture)

    def add(self, candidate: Candidate) -> bool:
        """Add a candidate if the batch is not full and accepts it; returns whether it did."""
        if not self.missing or not self.accepts(candidate.architecture):
            return False
        self._own.add(candidate.architecture)
        self.candidates.append(candidate)
        return True

    def start(self, proposals: int, rng: np.random.Generator) -> None:
        """Add the first proposals of a search: the ends of the space, then samples over the cost."""
        self.add(Candidate(self._problem.smallest(), "start"))
        self.add(Candidate(self._problem.largest(), "start"))
        self._sample(proposals - len(self._archive.proposals), "start", rng)

    def fill(self, rng: np.random.Generator) -> None:
        """Add samples, or, once these are all known, neighbours of earlier proposals."""
        self._sample(self.size, "random", rng)
        for proposal in self._archive.proposals:
            if not self.missing:
                return
            for neighbour in self._problem.space.neighbours(proposal.architecture):
                self.add(Candidate(neighbour, "neighbour"))

    def _sample(self, candidates: int, origin: str, rng: np.random.Generator) -> None:
        """Add samples until the batch has this many candidates, is full, or too many in a row are known."""
        misses = 0
        while misses < _MISSES and self.missing and len(self.candidates) < candidates:
            misses = 0 if self.add(Candidate(self._problem.sample(rng), origin)) else misses + 1
