"""Evaluation on the workers of a Ray cluster: distribution, retries and timeouts.

Ray itself retries nothing. When a worker dies, all its calls fail, and only the engine knows which of them
was running and which were queued behind it.
"""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import RayError

from evo_bnas.archive.score import Score
from evo_bnas.cluster.calls import Call, CallTimes, TrainingTimes
from evo_bnas.cluster.pool import Slot, WorkerPool
from evo_bnas.cluster.session import Session
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.cluster.worker import CallResult, Request
from evo_bnas.evaluate.engine import Evaluator
from evo_bnas.space.genes import Architecture

_log = logging.getLogger(__name__)

_CALLS = 2  # in flight per worker: one runs and one is queued, so that no worker waits for the driver
_POLL_SECONDS = 1.0  # that a poll waits at most


class RayEngine:
    """Keeps every worker busy and returns each score once.

    An evaluation whose worker dies or times out is retried once, on another worker, in a call of its own with
    nothing queued behind it: so of several evaluations in a call the one that kills workers is found. If its
    worker is lost again, the evaluation has failed; the search may attempt it once more. Every lost worker is
    logged as a warning.

    Evaluations that train get the `folder` of their checkpoints: they have no timeout, and none is queued
    behind another. Raises UsageError if a worker has other versions or cannot write to the folder, and
    ClusterError if no worker starts or the cluster is lost.
    """

    def __init__(
        self, evaluator: Evaluator, session: Session, settings: EngineSettings, folder: Path | None = None
    ) -> None:
        self._session = session
        self._synchronous = settings.synchronous
        self._times = TrainingTimes() if folder else CallTimes(settings.deadline)
        self._calls_per_worker = 1 if folder else _CALLS
        self._queue: deque[Request] = deque()
        self._retries: deque[Request] = deque()
        self._retried: set[int] = set()  # ids of evaluations that have lost a worker
        self._scores: dict[int, Score] = {}  # not yet returned by `poll`
        self._order: deque[int] = deque()  # ids in order of submission, for a synchronous search
        self._pool = WorkerPool(evaluator, session, settings, folder)
        while not self._pool.up:
            session.check()
            self._pool.start_missing()
            self._receive()

    @property
    def capacity(self) -> int:
        if self._synchronous:
            return 0
        return self._calls_per_worker * max(len(self._pool.up), 1) * self._times.batch

    def submit(self, id: int, architecture: Architecture) -> None:
        (self._retries if id in self._retried else self._queue).append((id, architecture))
        if self._synchronous:
            self._order.append(id)

    def poll(self) -> list[tuple[int, Score]]:
        """All scores that have arrived, as one group; waits up to a second for the first.

        A synchronous search gets them in order of submission. Scores that are held back for that are lost
        with the head of the cluster, and their evaluations are repeated.
        """
        self._session.check()
        self._pool.start_missing()
        self._assign()
        self._receive()
        self._assign()  # so that workers are busy while the search records the scores
        return list(self._take_scores())

    def close(self) -> None:
        """Stop the workers, even in the middle of a call."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _assign(self) -> None:
        """Give every worker a call to run, and then a call to queue."""
        idle = [slot for slot in self._pool.up if not slot.calls]
        while idle and self._retries:
            self._call(idle.pop(), [self._retries.popleft()])
        self._call_each(idle)
        # Nothing is queued before the first call has been timed, since it might wait there for longer than
        # for the next idle worker; nor while there are retries, which need idle workers.
        if self._calls_per_worker > 1 and self._times.measured and not self._retries:
            busy = [slot for slot in self._pool.up if len(slot.calls) == 1]
            self._call_each([slot for slot in busy if not self._retrying(slot)])

    def _call_each(self, slots: Sequence[Slot]) -> None:
        """Call each of these workers, in shares that leave something for the last one."""
        for left, slot in zip(range(len(slots), 0, -1), slots, strict=True):
            count = min(self._times.batch, ceil(len(self._queue) / left))
            if count:
                self._call(slot, [self._queue.popleft() for _ in range(count)])

    def _call(self, slot: Slot, batch: list[Request]) -> None:
        slot.since = slot.since if slot.calls else monotonic()
        slot.calls.append(Call(slot.actor.evaluate.remote(batch), batch))

    def _retrying(self, slot: Slot) -> bool:
        """Whether a worker runs a retry, behind which nothing may be queued."""
        return slot.calls[0].batch[0][0] in self._retried

    def _receive(self) -> None:
        """Wait for an answer, take all that have arrived, and deal with late and lost workers."""
        refs = [ref for slot in self._pool.slots for ref in slot.refs]
        if not refs:
            sleep(_POLL_SECONDS)
            return
        ready, _ = ray.wait(refs, num_returns=1, timeout=_POLL_SECONDS)
        if ready:
            ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        answered = set(ready)
        for slot in list(self._pool.slots):
            if slot.starting is None:
                self._collect(slot, answered)
            elif slot.starting in answered:
                self._pool.accept(slot)
        self._pool.warn_if_empty()

    def _collect(self, slot: Slot, answered: set[Any]) -> None:
        """Take the results of a worker; give the worker up if it died or its call timed out."""
        while slot.calls and slot.calls[0].ref in answered:
            try:
                result: CallResult = ray.get(slot.calls[0].ref)
            except RayError as failure:
                self._give_up(slot, f"the worker on {slot.node} died ({type(failure).__name__})")
                return
            call = slot.calls.popleft()
            slot.since = monotonic()
            self._scores.update(result.scores)
            self._times.add(result.seconds, len(call.batch))
        if not slot.calls:
            return
        timeout = self._times.timeout(len(slot.calls[0].batch))
        if monotonic() - slot.since > timeout and self._session.is_up():
            self._pool.stop(slot)
            self._give_up(slot, f"took longer than {timeout:g} s on {slot.node} and was stopped")

    def _give_up(self, slot: Slot, reason: str) -> None:
        """Remove a lost worker; retry or fail its running evaluations, and put the queued ones back."""
        self._pool.slots.remove(slot)
        running, *queued = slot.calls
        for call in reversed(queued):
            self._queue.extendleft(reversed(call.batch))
        for id, architecture in running.batch:
            if id in self._retried:
                self._scores[id] = Score.failed(f"{architecture.key}: {reason}")
            else:
                self._retried.add(id)
                self._retries.append((id, architecture))
        failed = running.batch[0][0] in self._scores
        _log.warning("%s: %s%s", running.title, reason, "" if failed else "; retrying on another worker")

    def _take_scores(self) -> Iterator[tuple[int, Score]]:
        """Remove and yield the scores: as they came, or for a synchronous search in order of submission."""
        if not self._synchronous:
            scores, self._scores = self._scores, {}
            yield from scores.items()
            return
        while self._order and self._order[0] in self._scores:
            id = self._order.popleft()
            yield id, self._scores.pop(id)
