"""Engines: a search submits architectures to an engine and collects their scores."""

from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Protocol

from evo_bnas.archive.score import Score
from evo_bnas.space.genes import Architecture

# Returns one score per architecture, with the error and every exact objective; an exception it raises makes
# the evaluation fail.
Evaluator = Callable[[Sequence[Architecture]], list[Score]]


class Engine(Protocol):
    """Scores submitted architectures; each score is returned once, in any order."""

    @property
    def capacity(self) -> int:
        """How many evaluations to keep in flight; 0 for a synchronous engine.

        A synchronous engine gets a new batch when nothing is in flight, and returns scores in order of
        submission, no matter which worker made them.
        """

    def submit(self, id: int, architecture: Architecture) -> None:
        """Add an evaluation under the id of its proposal."""

    def poll(self) -> list[tuple[int, Score]]:
        """Scores by id since the last call; may block for some time, and may be empty."""


class InProcess:
    """A synchronous engine that evaluates in this process, one architecture in each poll."""

    capacity = 0

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._queue: deque[tuple[int, Architecture]] = deque()

    def submit(self, id: int, architecture: Architecture) -> None:
        self._queue.append((id, architecture))

    def poll(self) -> list[tuple[int, Score]]:
        if not self._queue:
            return []
        id, architecture = self._queue.popleft()
        return [(id, evaluate(self._evaluator, architecture))]


def evaluate(evaluator: Evaluator, architecture: Architecture) -> Score:
    """The score of one architecture; an exception of the evaluator is the reason of a failed score."""
    start = perf_counter()
    try:
        (score,) = evaluator([architecture])
    except Exception as failure:
        return Score.failed(f"{type(failure).__name__}: {failure}", seconds=perf_counter() - start)
    return score
