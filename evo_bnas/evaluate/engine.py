"""Who evaluates: a search hands architectures to an engine and collects scores when they come."""

from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Protocol

from evo_bnas.archive.score import Score
from evo_bnas.space.genes import Architecture

# Scores hold the error and every exact objective. What it raises is the failure of that evaluation.
Evaluator = Callable[[Sequence[Architecture]], list[Score]]


class Engine(Protocol):
    """Takes architectures by proposal id and returns each score once, in any order."""

    @property
    def capacity(self) -> int:
        """How many to keep under way; 0 for a synchronous search, which asks when nothing is pending.

        A synchronous engine returns scores in order of submission, whoever made them.
        """

    def submit(self, id: int, architecture: Architecture) -> None:
        """Take an architecture to be scored."""

    def poll(self) -> list[tuple[int, Score]]:
        """What has been scored since the last call; may wait for it, and may be empty."""


class InProcess:
    """Evaluates here, one architecture a poll, in order of submission."""

    capacity = 0

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._waiting: deque[tuple[int, Architecture]] = deque()

    def submit(self, id: int, architecture: Architecture) -> None:
        self._waiting.append((id, architecture))

    def poll(self) -> list[tuple[int, Score]]:
        if not self._waiting:
            return []
        id, architecture = self._waiting.popleft()
        return [(id, attempt(self._evaluator, architecture))]


def attempt(evaluator: Evaluator, architecture: Architecture) -> Score:
    """The score of one architecture; what the evaluator raises is the reason of a failed one."""
    begin = perf_counter()
    try:
        (score,) = evaluator([architecture])
    except Exception as failure:
        return Score.failed(f"{type(failure).__name__}: {failure}", seconds=perf_counter() - begin)
    return score
