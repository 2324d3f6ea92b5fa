"""Evaluations on the slots of a Ray cluster: who has what, what is late, what is lost.

A slot is one actor. Ray retries nothing: when an actor dies, all its calls fail, and only this module knows
which of them ran and which merely waited behind it.
"""

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import RayError

from evo_bnas.archive.score import Score
from evo_bnas.cluster.session import Session
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.cluster.worker import Answer, Hello, Item, Worker, versions
from evo_bnas.errors import ClusterError, UsageError
from evo_bnas.evaluate.engine import Evaluator
from evo_bnas.space.genes import Architecture

_log = logging.getLogger(__name__)

_CALLS = 2  # in flight per worker: one runs, one waits, so that no worker waits for the driver
_CALL_SECONDS = 0.1  # what a call should take: a driver answers about a thousand a second
_MOST = 32  # evaluations of one call
_REMEMBERED = 16  # calls whose times tell how many evaluations fit into one
_TICK = 1.0  # seconds that a poll waits at most
_PATIENCE = 600.0  # seconds before an evaluation is late, where nothing is known of its time
_SLOWER = 10  # times the slowest evaluation so far
_FAILED_STARTS = 3  # while no worker is up, after which they are taken to be unable to start
_QUIET = 10.0  # seconds without any worker after which that is said


@dataclass(eq=False)
class _Call:
    """Evaluations that travel together."""

    ref: Any
    batch: list[Item]

    @property
    def title(self) -> str:
        first = self.batch[0][1].key
        return first if len(self.batch) == 1 else f"{first} and {len(self.batch) - 1} more"


@dataclass(eq=False)
class _Slot:
    """An actor with its calls, the running one first."""

    actor: Any
    hello: Any  # reference of its first answer; None once it is up
    node: str = "a node"
    calls: deque[_Call] = field(default_factory=deque)
    since: float = 0.0  # when the first call began

    @property
    def refs(self) -> list[Any]:
        return [call.ref for call in self.calls] if self.hello is None else [self.hello]


class RayEngine:
    """Keeps every slot busy and returns each score once.

    The death of a worker is forgiven once to each evaluation that it may have died of; these are then called
    one by one, on other actors, so that no innocent is called guilty. What loses its worker again has
    failed, and the search may try it once more. Every such event is logged as a warning. Evaluations that
    train name the `folder` of their checkpoints: they take as long as they take, and none waits behind one.
    Raises UsageError where workers are of another version or cannot write to the folder, and ClusterError
    where none starts or the cluster is lost.
    """

    def __init__(
        self, evaluator: Evaluator, session: Session, settings: EngineSettings, folder: Path | None = None
    ) -> None:
        self._session = session
        self._settings = settings
        self._folder = folder.absolute() if folder else None  # workers stand in another one
        self._calls = 1 if folder else _CALLS
        slots = session.slots(settings)
        if slots < settings.workers:
            _log.warning(
                "the cluster has room for %d of %d workers; others start when nodes join",
                slots,
                settings.workers,
            )
        try:
            self._evaluator = ray.put(evaluator)
        except RayError as failure:
            why = str(failure).strip().splitlines()[0]
            raise ClusterError(f"weights and images do not fit into the object store: {why}") from None
        self._actor: Any = ray.remote(Worker).options(
            num_cpus=settings.cpus, num_gpus=settings.gpus, max_restarts=0, max_task_retries=0
        )
        self._waiting: deque[Item] = deque()
        self._suspects: deque[Item] = deque()  # called when a worker is idle, with nothing behind them
        self._forgiven: set[int] = set()
        self._scores: dict[int, Score] = {}  # not handed over yet
        self._order: deque[int] = deque()  # of submission
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)  # of an evaluation, call by call
        self._slowest = 0.0
        self._failed_starts = 0
        self._quiet_since: float | None = monotonic()
        self._slots: list[_Slot] = []
        while not self._up:
            self._session.check()
            self._staff()
            self._look()

    @property
    def capacity(self) -> int:
        return 0 if self._settings.synchronous else self._calls * max(len(self._up), 1) * self._size

    def submit(self, id: int, architecture: Architecture) -> None:
        (self._suspects if id in self._forgiven else self._waiting).append((id, architecture))
        if self._settings.synchronous:
            self._order.append(id)

    def poll(self) -> list[tuple[int, Score]]:
        """All scores that are there, as one group; waits a second for the first."""
        # What is scored here and not handed over is what waits for its turn in synchronous mode: should the
        # head be lost, that is made again.
        self._session.check()
        self._staff()
        self._fill()
        self._look()
        self._fill()  # workers go on while the search writes down what is returned
        return list(self._handed_over())

    def close(self) -> None:
        """End the workers, with whatever they do."""
        for slot in self._slots if self._session.answers() else []:
            ray.kill(slot.actor)
        self._slots = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _up(self) -> list[_Slot]:
        return [slot for slot in self._slots if slot.hello is None]

    @property
    def _size(self) -> int:
        """Evaluations of one call."""
        if not self._seconds or self._folder:
            return 1
        return max(1, min(_MOST, int(_CALL_SECONDS / max(median(self._seconds), 1e-6))))

    def _limit(self, count: int) -> float:
        """Seconds of a call of so many evaluations."""
        if self._folder:
            return inf
        if self._settings.deadline:
            return self._settings.deadline * count
        return max(_PATIENCE, _SLOWER * self._slowest * count)

    def _staff(self) -> None:
        """Begin a worker for each that is missing; Ray lets those wait that no node has room for."""
        while len(self._slots) < self._settings.workers and self._session.answers():
            actor = self._actor.remote(self._evaluator)
            self._slots.append(_Slot(actor, actor.hello.remote(self._folder)))

    def _fill(self) -> None:
        """Give every worker something to do, then something to do next."""
        idle = [slot for slot in self._up if not slot.calls]
        while idle and self._suspects:
            self._call(idle.pop(), [self._suspects.popleft()])
        self._deal(idle)
        # Before anything is measured, what waits behind a call may wait longer than for another worker; and
        # suspects need workers that have nothing else to do.
        if self._calls > 1 and self._seconds and not self._suspects:
            self._deal([slot for slot in self._up if len(slot.calls) == 1 and not self._suspected(slot)])

    def _deal(self, slots: Sequence[_Slot]) -> None:
        for left, slot in zip(range(len(slots), 0, -1), slots, strict=True):
            if batch := self._next(left):
                self._call(slot, batch)

    def _call(self, slot: _Slot, batch: list[Item]) -> None:
        slot.since = slot.since if slot.calls else monotonic()
        slot.calls.append(_Call(slot.actor.evaluate.remote(batch), batch))

    def _suspected(self, slot: _Slot) -> bool:
        """Whether a worker may die of what it does: then nothing waits there that could be blamed for it."""
        return slot.calls[0].batch[0][0] in self._forgiven

    def _next(self, idle: int) -> list[Item]:
        """What one of so many idle workers gets, so that all of them get something."""
        count = min(self._size, ceil(len(self._waiting) / idle))
        return [self._waiting.popleft() for _ in range(count)]

    def _look(self) -> None:
        """Wait for an answer, take all that are there, and see to what is late or lost."""
        refs = [ref for slot in self._slots for ref in slot.refs]
        if not refs:
            sleep(_TICK)
            return
        ready, _ = ray.wait(refs, num_returns=1, timeout=_TICK)
        if ready:
            ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        answered = set(ready)
        for slot in list(self._slots):
            if slot.hello is None:
                self._collect(slot, answered)
            elif slot.hello in answered:
                self._welcome(slot)
        self._note_silence()

    def _collect(self, slot: _Slot, answered: set[Any]) -> None:
        while slot.calls and slot.calls[0].ref in answered:
            try:
                answer: Answer = ray.get(slot.calls[0].ref)
            except RayError as failure:
                self._lose(slot, f"the worker on {slot.node} died ({type(failure).__name__})")
                return
            call = slot.calls.popleft()
            slot.since = monotonic()
            self._scores.update(answer.scores)
            self._seconds.append(answer.seconds / len(call.batch))
            self._slowest = max(self._slowest, self._seconds[-1])
        if not slot.calls:
            return
        limit = self._limit(len(slot.calls[0].batch))
        if monotonic() - slot.since > limit and self._session.answers():
            ray.kill(slot.actor)
            self._lose(slot, f"took longer than {limit:g} s on {slot.node}, and was ended")

    def _lose(self, slot: _Slot, why: str) -> None:
        """Strike off a worker that is gone, and have its evaluations made elsewhere."""
        self._slots.remove(slot)
        running, *behind = slot.calls
        for call in reversed(behind):
            self._waiting.extendleft(reversed(call.batch))
        for id, architecture in running.batch:
            if id in self._forgiven:
                self._scores[id] = Score.failed(f"{architecture.key}: {why}")
            else:
                self._forgiven.add(id)
                self._suspects.append((id, architecture))
        failed = running.batch[0][0] in self._scores
        _log.warning("%s: %s%s", running.title, why, "" if failed else "; it is tried on another worker")

    def _welcome(self, slot: _Slot) -> None:
        """See that a worker that is up is of the driver's kind; raises UsageError where it is not."""
        try:
            hello: Hello = ray.get(slot.hello)
        except RayError as failure:
            self._slots.remove(slot)
            if self._up or not self._session.answers():
                return
            self._failed_starts += 1
            if self._failed_starts == _FAILED_STARTS:
                cause = str(failure).strip().splitlines()[-1]
                raise ClusterError(f"workers do not start: {cause.strip()}") from None
            return
        for name, own in versions().items():
            if (found := hello.versions.get(name, "none")) != own:
                raise UsageError(
                    f"{hello.node} has {name} {found}, and this process has {own}; "
                    "install the same version on every node"
                )
        if self._folder and not hello.left_in(self._folder):
            raise UsageError(
                f"{hello.node} does not write to {self._folder} as it is here; put the run on a file system "
                "that all nodes share, or ask for workers on this one"
            )
        self._failed_starts = 0
        slot.node, slot.hello = hello.node, None

    def _note_silence(self) -> None:
        """Say it once when there has been no worker for a while."""
        if self._up:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = monotonic()
        elif monotonic() - self._quiet_since > _QUIET:
            self._quiet_since = inf
            _log.warning(
                "no worker is up: %d wait for %g CPU and %g GPU each on the cluster at %s",
                self._settings.workers,
                self._settings.cpus,
                self._settings.gpus,
                self._session.head,
            )

    def _handed_over(self) -> Iterable[tuple[int, Score]]:
        """Scores as they came; those of a synchronous search in order of submission."""
        if not self._settings.synchronous:
            found, self._scores = self._scores, {}
            yield from found.items()
            return
        while self._order and self._order[0] in self._scores:
            id = self._order.popleft()
            yield id, self._scores.pop(id)
