"""Networks that are trained side by side on a cluster, each by one worker."""

from collections.abc import Callable, Sequence
from pathlib import Path

import ray
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evo_bnas.archive.score import Score
from evo_bnas.cluster.engine import RayEngine
from evo_bnas.cluster.session import connected
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
    """Have every network trained.

    `trainer` gives what trains a network and says how far it is; in the folder are its checkpoints and what
    comes of it. Raises UsageError where the cluster or resources on it are missing or a worker cannot write
    to the folder, and ClusterError where a network could not be trained, once all others are.
    """
    with connected(settings) as session:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        news = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        scores: dict[int, Score] = {}
        with RayEngine(trainer(news.put), session, settings, folder) as engine:
            for id, network in enumerate(networks):
                engine.submit(id, network)
            while len(scores) < len(networks):
                scores |= dict(engine.poll())
                for step in news.get_nowait_batch(news.qsize()):
                    report(step)
    failed = [score for score in scores.values() if score.status == "failed"]
    if failed:
        raise ClusterError(
            f"{len(failed)} of {len(networks)} networks could not be trained: {failed[0].reason}; what is "
            "done is kept, and the same command goes on"
        )
