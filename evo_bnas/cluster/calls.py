"""Calls to workers: how many evaluations go into one, and when it times out."""

from collections import deque
from dataclasses import dataclass
from math import inf
from statistics import median
from typing import Any

from evo_bnas.cluster.worker import Request

_CALL_SECONDS = 0.1  # that a call should take: the driver handles about a thousand calls per second
_MAX_BATCH = 32  # evaluations in a call
_RECENT = 16  # calls whose times decide the size of the next
_MIN_TIMEOUT = 600.0  # seconds, without a deadline
_TIMEOUT_FACTOR = 10  # times the slowest evaluation so far, without a deadline


@dataclass(eq=False)
class Call:
    """Evaluations that are sent to a worker together."""

    ref: Any  # Ray's reference of the result
    batch: list[Request]

    @property
    def title(self) -> str:
        first = self.batch[0][1].key
        return first if len(self.batch) == 1 else f"{first} and {len(self.batch) - 1} more"


class CallTimes:
    """Times of evaluations, from which the size and the timeout of calls follow."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._seconds: deque[float] = deque(maxlen=_RECENT)  # per evaluation, call by call
        self._slowest = 0.0

    def add(self, seconds: float, evaluations: int) -> None:
        """Note how long a call took."""
        self._seconds.append(seconds / evaluations)
        self._slowest = max(self._slowest, self._seconds[-1])

    @property
    def measured(self) -> bool:
        """Whether any call has been timed."""
        return bool(self._seconds)

    @property
    def batch(self) -> int:
        """Evaluations in the next call."""
        if not self._seconds:
            return 1
        return max(1, min(_MAX_BATCH, int(_CALL_SECONDS / max(median(self._seconds), 1e-6))))

    def timeout(self, evaluations: int) -> float:
        """Seconds after which a call is stopped."""
        if self._deadline:
            return self._deadline * evaluations
        return max(_MIN_TIMEOUT, _TIMEOUT_FACTOR * self._slowest * evaluations)


class TrainingTimes(CallTimes):
    """Calls that train: one network each, without a timeout, since trainings take hours."""

    def __init__(self) -> None:
        super().__init__(None)

    @property
    def batch(self) -> int:
        return 1

    def timeout(self, evaluations: int) -> float:
        return inf
