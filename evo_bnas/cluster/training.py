"""Training on several ranks of a Ray cluster: the driver keeps the checkpoint, whatever becomes of them."""

import logging
import os
import pickle
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any

# Read when Ray Train begins: restarts are the driver's business, so nobody else has to watch the nodes.
os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"

import ray
import torch
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from pyarrow.fs import FSSpecHandler, PyFileSystem
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer, get_device
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from torch import Tensor, nn

from evo_bnas.cluster.session import Session, connected
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.data.dataset import Images
from evo_bnas.errors import ClusterError, UsageError
from evo_bnas.progress import Progress, Report, silent
from evo_bnas.supernet.supernet import Supernet
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.ranks import Ranks
from evo_bnas.train.teacher import Teacher

_log = logging.getLogger(__name__)

_TICK = 0.5  # seconds that the driver waits for news before it looks at the cluster
_FUTILE = 3  # failures in a row without a checkpoint between them, after which it is given up

_State = tuple[int, dict[str, Tensor]]  # of a checkpoint: steps done, tensors


@dataclass(frozen=True, slots=True)
class Lesson:
    """What every rank learns."""

    learn: Callable[..., None]  # `train_supernet` with its settings
    supernet: Supernet
    images: Images
    teacher: Teacher | None
    threads: int  # of each rank

    def to(self, device: torch.device) -> "Lesson":
        """The same on a device; supernet and teacher move there."""
        teacher = self.teacher.to(device) if isinstance(self.teacher, nn.Module) else self.teacher
        return replace(
            self, supernet=self.supernet.to(device), images=self.images.to(device), teacher=teacher
        )


def train_on_ranks(
    lesson: Lesson,
    ranks: int,
    settings: EngineSettings,
    *,
    device: str,
    checkpoint: Checkpoint,
    report: Report,
) -> None:
    """Bring the checkpoint of a training to its end.

    The first rank sends it to this process, which alone writes: nodes share no disk. When a rank is lost,
    all begin again from the last checkpoint, and end with the weights of an undisturbed training. Raises
    UsageError where there is no room for all ranks, ClusterError where they are lost time and again.
    """
    if ranks > len(lesson.images):
        raise UsageError(f"supernet.ranks: {ranks} share {len(lesson.images)} images; ask for fewer")
    gpus = 1 if device == "cuda" else 0  # NCCL wants one for each rank
    if not (settings.cpus or gpus):
        raise UsageError("engine.cpus: 0: ranks that compute on CPUs need some; ask for 1")
    place = settings.model_copy(update={"workers": ranks, "gpus": gpus})
    with connected(place) as session:
        if session.slots(place) < ranks:
            raise UsageError(
                f"supernet.ranks: the cluster at {session.head} has no room for {ranks} of {settings.cpus:g} "
                f"CPU and {gpus} GPU each; ask for fewer, or start nodes that have it"
            )
        resources = {"CPU": settings.cpus, "GPU": gpus}
        scaling = ScalingConfig(num_workers=ranks, use_gpu=gpus > 0, resources_per_worker=resources)
        shared = ray.put(lesson.to(torch.device("cpu")))
        begun, futile = checkpoint.read(), 0
        while failure := _attempt(session, scaling, shared, begun, checkpoint, report):
            before, begun = begun, checkpoint.read()
            futile = 0 if begun[0] > before[0] else futile + 1
            if futile == _FUTILE:
                raise ClusterError(
                    f"training ended {_FUTILE} times without getting on: {_cause(failure)}; the same "
                    f"command goes on from step {begun[0]}"
                )
            _log.warning("%s; training goes on from step %d", _cause(failure), begun[0])


def _attempt(
    session: Session,
    scaling: ScalingConfig,
    lesson: Any,
    begun: _State,
    checkpoint: Checkpoint,
    report: Report,
) -> TrainingFailedError | None:
    """Train from a state on, and note what the ranks say; why it ended early, if it did."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    news = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
    trainer = TorchTrainer(
        _rank,
        train_loop_config={"lesson": lesson, "begun": ray.put(begun), "news": news},
        scaling_config=scaling,
        run_config=RunConfig(
            name="ranks",
            # What Ray would store is kept here.
            storage_path="none",
            storage_filesystem=PyFileSystem(FSSpecHandler(MemoryFileSystem())),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),  # type: ignore[call-arg]
        ),
    )
    ended: Future[TrainingFailedError | None] = Future()

    def fit() -> None:
        try:
            trainer.fit()
        except TrainingFailedError as failure:
            ended.set_result(failure)
        except BaseException as failure:
            ended.set_exception(failure)
        else:
            ended.set_result(None)

    # In the main thread Ray Train would take Ctrl-C for itself.
    Thread(target=fit, daemon=True).start()
    while not (ended.done() and news.empty()):
        session.check()
        try:
            message = news.get(timeout=_TICK)
        except Empty:
            continue
        if isinstance(message, Progress):
            report(message)
        else:
            checkpoint.write(*pickle.loads(message))
    news.shutdown()
    return ended.result()


def _rank(given: dict[str, Any]) -> None:
    """What every rank does."""
    lesson: Lesson = ray.get(given["lesson"]).to(get_device())
    torch.set_num_threads(lesson.threads)
    ranks = Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size())
    news = given["news"] if ranks.rank == 0 else None
    lesson.learn(
        lesson.supernet,
        lesson.images,
        teacher=lesson.teacher,
        checkpoint=_Sent(ray.get(given["begun"]), news),
        report=silent if news is None else news.put,
        ranks=ranks,
    )


class _Sent(Checkpoint):
    """The driver's checkpoint as the ranks have it: all read it, and the one with a queue sends another."""

    def __init__(self, begun: _State, news: Queue | None) -> None:
        super().__init__(Path("the driver's checkpoint"))
        self._begun = begun
        self._news = news

    def read(self) -> _State:
        return self._begun

    def write(self, step: int, state: Any) -> None:
        if self._news is not None:  # an empty queue is false
            # As bytes: the queue is a process of its own, and need not load torch.
            self._news.put(pickle.dumps((step, {name: tensor.cpu() for name, tensor in state.items()})))


def _cause(failure: TrainingFailedError) -> str:
    """Why the ranks ended, in a line: what one of them raised tells less than that another is gone."""
    failures = getattr(failure, "worker_failures", {})
    # Of a rank that is gone Ray speaks, of all else it passes on what the rank raised.
    gone = sorted(rank for rank, error in failures.items() if type(error).__module__.startswith("ray."))
    if gone:
        return f"lost rank {', '.join(map(str, gone))} of {len(failures)}"
    return " ".join(str(next(iter(failures.values()), failure)).split())
