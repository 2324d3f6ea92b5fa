"""The workers of a search or of parallel trainings: started, checked, and replaced when they are lost."""

import logging
from collections import deque
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import ray
from ray.exceptions import RayError

from evo_bnas.cluster.calls import Call
from evo_bnas.cluster.session import Session
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.cluster.worker import Worker, WorkerInfo, versions
from evo_bnas.errors import ClusterError, UsageError
from evo_bnas.evaluate.engine import Evaluator

_log = logging.getLogger(__name__)

_MAX_FAILED_STARTS = 3  # in a row while no worker is up, after which workers are taken to be unable to start
_WARN_SECONDS = 10.0  # without any worker, after which a warning is logged


@dataclass(eq=False)
class Slot:
    """The place of one worker: its actor and its calls, the running one first."""

    actor: Any
    starting: Any  # reference of the worker's info; None once the worker is up
    node: str = "a node"
    calls: deque[Call] = field(default_factory=deque)
    since: float = 0.0  # when the first call began to run

    @property
    def refs(self) -> list[Any]:
        """References of the answers that the driver waits for."""
        return [call.ref for call in self.calls] if self.starting is None else [self.starting]


class WorkerPool:
    """As many workers as the settings ask for, or as the cluster has room for.

    Logs a warning if there is not room for all of them. Raises UsageError if there is room for none, and
    ClusterError if the evaluator does not fit into the object store.
    """

    def __init__(
        self, evaluator: Evaluator, session: Session, settings: EngineSettings, folder: Path | None
    ) -> None:
        self._session = session
        self._settings = settings
        self._folder = folder.absolute() if folder else None  # workers have another working directory
        room = session.room(settings)
        if room < settings.workers:
            _log.warning(
                "the cluster has room for %d of %d workers; the others start when nodes join",
                room,
                settings.workers,
            )
        try:
            self._evaluator = ray.put(evaluator)
        except RayError as failure:
            reason = str(failure).strip().splitlines()[0]
            raise ClusterError(f"weights and images do not fit into the object store: {reason}") from None
        self._actor: Any = ray.remote(Worker).options(
            num_cpus=settings.cpus, num_gpus=settings.gpus, max_restarts=0, max_task_retries=0
        )
        self._failed_starts = 0
        self._no_worker_since: float | None = monotonic()
        self.slots: list[Slot] = []

    @property
    def up(self) -> list[Slot]:
        """The slots whose workers are ready."""
        return [slot for slot in self.slots if slot.starting is None]

    def start_missing(self) -> None:
        """Start a worker for each that is missing; Ray keeps those waiting that no node has room for."""
        while len(self.slots) < self._settings.workers and self._session.is_up():
            actor = self._actor.remote(self._evaluator)
            self.slots.append(Slot(actor, actor.info.remote(self._folder)))

    def accept(self, slot: Slot) -> None:
        """Check a worker that has started, or remove one that could not start.

        Raises UsageError if the worker has other versions or cannot write to the folder, and ClusterError if
        workers fail to start again and again.
        """
        try:
            info: WorkerInfo = ray.get(slot.starting)
        except RayError as failure:
            self._failed_to_start(slot, failure)
            return
        for name, own in versions().items():
            if (other := info.versions.get(name, "none")) != own:
                raise UsageError(
                    f"{info.node} has {name} {other}, but this process has {own}; "
                    "install the same version on every node"
                )
        if self._folder and not info.shares(self._folder):
            raise UsageError(
                f"{info.node} cannot write to this machine's {self._folder}; put the run on a file system "
                "that all nodes share, or use workers on this machine only"
            )
        self._failed_starts = 0
        slot.node, slot.starting = info.node, None

    def stop(self, slot: Slot) -> None:
        """Stop a worker, even in the middle of a call."""
        ray.kill(slot.actor)

    def close(self) -> None:
        """Stop all workers."""
        for slot in self.slots if self._session.is_up() else []:
            self.stop(slot)
        self.slots = []

    def warn_if_empty(self) -> None:
        """Log a warning, once, if no worker has been up for a while."""
        if self.up:
            self._no_worker_since = None
        elif self._no_worker_since is None:
            self._no_worker_since = monotonic()
        elif monotonic() - self._no_worker_since > _WARN_SECONDS:
            self._no_worker_since = inf
            _log.warning(
                "no worker is up: %d wait for %g CPU and %g GPU each on the cluster at %s",
                self._settings.workers,
                self._settings.cpus,
                self._settings.gpus,
                self._session.head,
            )

    def _failed_to_start(self, slot: Slot, failure: RayError) -> None:
        self.slots.remove(slot)
        if self.up or not self._session.is_up():
            return
        self._failed_starts += 1
        if self._failed_starts == _MAX_FAILED_STARTS:
            cause = str(failure).strip().splitlines()[-1].strip()
            raise ClusterError(f"workers do not start: {cause}") from None
