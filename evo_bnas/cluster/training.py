"""Training on several ranks of a Ray cluster. Only the driver keeps the checkpoint, so ranks may be lost."""

import logging
import os
import pickle
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any

# Ray Train reads this when it is imported. Nothing needs to watch the nodes: the driver restarts the ranks.
os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"

import ray
import torch
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from pyarrow.fs import FSSpecHandler, PyFileSystem
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer, get_device
from ray.util.queue import Empty, Queue
from torch import Tensor

from evo_bnas.cluster.session import Session, connected, on_this_node
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import ClusterError, UsageError
from evo_bnas.progress import Progress, Report, silent
from evo_bnas.train.checkpoint import Checkpoint
from evo_bnas.train.ranks import Ranks
from evo_bnas.train.supernet import SupernetTraining

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5  # that the driver waits for a message before it checks the cluster
_MAX_FAILURES = 3  # in a row without a new checkpoint between them

_State = tuple[int, dict[str, Tensor]]  # of a checkpoint: finished steps, tensors


def train_on_ranks(
    training: SupernetTraining,
    checkpoint: Checkpoint,
    report: Report,
    *,
    ranks: int,
    threads: int,
    engine: EngineSettings,
) -> None:
    """Train on `ranks` processes of `threads` threads each, until the checkpoint holds the last step.

    The first rank sends its checkpoints to this process, which writes them: nodes need no shared disk. When a
    rank is lost, all ranks restart from the last checkpoint and end with the weights of an uninterrupted
    training. Raises UsageError if there is no room for all ranks, and ClusterError if ranks fail again and
    again without progress.
    """
    if ranks > len(training.images):
        raise UsageError(
            f"supernet.ranks: {ranks} ranks cannot share {len(training.images)} images; use fewer"
        )
    gpus = 1 if training.images.device.type == "cuda" else 0  # NCCL needs one per rank
    if not (engine.cpus or gpus):
        raise UsageError("engine.cpus: 0: ranks that compute on CPUs need at least 1")
    engine = engine.model_copy(update={"workers": ranks, "gpus": gpus})
    with connected(engine) as session:
        scaling = _scaling(session, engine)
        shared = {"training": ray.put(training.to(torch.device("cpu"))), "threads": threads}
        state, failures = checkpoint.read(), 0
        while failure := _attempt(session, scaling, shared, state, checkpoint, report):
            last_step, state = state[0], checkpoint.read()
            failures = 0 if state[0] > last_step else failures + 1
            if failures == _MAX_FAILURES:
                raise ClusterError(
                    f"training failed {_MAX_FAILURES} times without progress: {_cause(failure)}; the same "
                    f"command resumes from step {state[0]}"
                )
            _log.warning("%s; training resumes from step %d", _cause(failure), state[0])


def _scaling(session: Session, engine: EngineSettings) -> ScalingConfig:
    """The resources of the ranks; raises UsageError if the cluster has no room for all of them."""
    ranks = engine.workers
    if session.room(engine) < ranks:
        raise UsageError(
            f"supernet.ranks: the cluster at {session.head} has no room for {ranks} ranks of "
            f"{engine.cpus:g} CPU and {engine.gpus:g} GPU each; use fewer, or start nodes that have room"
        )
    resources = {"CPU": engine.cpus, "GPU": engine.gpus}
    return ScalingConfig(num_workers=ranks, use_gpu=engine.gpus > 0, resources_per_worker=resources)


def _attempt(
    session: Session,
    scaling: ScalingConfig,
    shared: dict[str, Any],
    state: _State,
    checkpoint: Checkpoint,
    report: Report,
) -> TrainingFailedError | None:
    """Train from a state to the end; returns the failure if the training ends early.

    Meanwhile the checkpoints and the progress that the first rank sends are written and reported.
    """
    messages = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": on_this_node()})
    result = _start(
        TorchTrainer(
            _train_rank,
            train_loop_config={**shared, "state": ray.put(state), "messages": messages},
            scaling_config=scaling,
            run_config=RunConfig(
                name="ranks",
                # In memory: Ray has nothing to store, since the driver keeps the checkpoint.
                storage_path="none",
                storage_filesystem=PyFileSystem(FSSpecHandler(MemoryFileSystem())),
                failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),  # type: ignore[call-arg]
            ),
        )
    )
    while not (result.done() and messages.empty()):
        session.check()
        try:
            message = messages.get(timeout=_POLL_SECONDS)
        except Empty:
            continue
        if isinstance(message, Progress):
            report(message)
        else:
            checkpoint.write(*pickle.loads(message))
    messages.shutdown()
    return result.result()


def _start(trainer: TorchTrainer) -> Future[TrainingFailedError | None]:
    """Start a training; the result is its failure, if it fails."""
    result: Future[TrainingFailedError | None] = Future()

    def fit() -> None:
        try:
            trainer.fit()
        except TrainingFailedError as failure:
            result.set_result(failure)
        except BaseException as failure:
            result.set_exception(failure)
        else:
            result.set_result(None)

    # In the main thread, Ray Train would install its own handler for Ctrl-C.
    Thread(target=fit, daemon=True).start()
    return result


def _train_rank(config: dict[str, Any]) -> None:
    """What every rank runs."""
    training: SupernetTraining = ray.get(config["training"]).to(get_device())
    torch.set_num_threads(config["threads"])
    ranks = Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size())
    messages = config["messages"] if ranks.rank == 0 else None
    training.run(
        _RankCheckpoint(ray.get(config["state"]), messages),
        silent if messages is None else messages.put,
        ranks,
    )


class _RankCheckpoint(Checkpoint):
    """The checkpoint of a rank: read from the driver's state, and sent to the driver by the first rank."""

    def __init__(self, state: _State, messages: Queue | None) -> None:
        super().__init__(Path("the driver's checkpoint"))
        self._state = state
        self._messages = messages

    def read(self) -> _State:
        return self._state

    def write(self, step: int, state: Any) -> None:
        if self._messages is not None:  # not `if self._messages`: an empty queue is false
            # As bytes, so that the process of the queue need not import torch.
            self._messages.put(pickle.dumps((step, {name: tensor.cpu() for name, tensor in state.items()})))


def _cause(failure: TrainingFailedError) -> str:
    """Why the ranks failed, in one line: lost ranks if there are any, otherwise what the first one raised."""
    failures = getattr(failure, "worker_failures", {})
    # Ray reports a lost rank by an exception of its own, everything else by what the rank raised. A lost rank
    # makes the others fail too.
    lost = sorted(rank for rank, error in failures.items() if type(error).__module__.startswith("ray."))
    if lost:
        return f"lost rank {', '.join(map(str, lost))} of {len(failures)}"
    return " ".join(str(next(iter(failures.values()), failure)).split())
