"""Training of several networks in parallel, each by one worker of a cluster."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ray.util.queue import Queue

from evo_bnas.archive.score import Score
from evo_bnas.cluster.engine import RayEngine
from evo_bnas.cluster.session import connected, on_this_node
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import ClusterError
from evo_bnas.evaluate.engine import Evaluator
from evo_bnas.progress import Report
from evo_bnas.space.genes import Architecture


def train_in_parallel(
    trainer: Callable[[Report], Evaluator],
    networks: Sequence[Architecture],
    settings: EngineSettings,
    *,
    folder: Path,
    report: Report,
) -> None:
    """Train every network.

    `trainer` makes the evaluator that trains a network and reports its progress; `folder` holds checkpoints
    and results. Raises UsageError if the cluster or its resources are missing, or if a worker cannot write to
    the folder. Raises ClusterError if a training failed, after all others have ended.
    """
    with connected(settings) as session:
        progress = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": on_this_node()})
        scores: dict[int, Score] = {}
        with RayEngine(trainer(progress.put), session, settings, folder) as engine:
            for id, network in enumerate(networks):
                engine.submit(id, network)
            while len(scores) < len(networks):
                scores |= dict(engine.poll())
                for step in progress.get_nowait_batch(progress.qsize()):
                    report(step)
    failed = [score for score in scores.values() if score.status == "failed"]
    if failed:
        raise ClusterError(
            f"{len(failed)} of {len(networks)} networks could not be trained: {failed[0].reason}; finished "
            "networks are saved, and the same command resumes the others"
        )
