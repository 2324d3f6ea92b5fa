"""Evaluations on a Ray cluster, or on one that is started here for the while."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from evo_bnas.cluster.address import address_of
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Engine, Evaluator, InProcess
from evo_bnas.recipe import Engine as Asked

# Read by Ray and by what it starts, so they stand before any module here imports it. It tells nobody that it
# is used, and its workers have the priority of this process: by default they give way to everything else on
# the machine.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_worker_niceness", "0")


def need_ray(asked: Asked, ranks: int = 1) -> None:
    """Raise UsageError where several workers or ranks cannot be: without Ray, or on too small a machine.

    Asked before a run begins. What another cluster has is known once it is connected to.
    """
    cores = os.cpu_count() or 1
    for key, count, wanted in (
        ("engine.workers", asked.workers, asked.distributed),
        ("supernet.ranks", ranks, ranks > 1),
    ):
        if wanted and find_spec("ray") is None:
            if count == 1:
                what, instead = f"engine.address: {asked.address} needs", "leave engine.address out"
            else:
                what, instead = f"{key}: {count} need", "ask for 1"
            raise UsageError(f"{what} Ray; pip install 'evo-bnas[cluster]', or {instead}")
        if wanted and address_of(asked) == "local" and count * asked.cpus > cores:
            raise UsageError(
                f"{key}: {count} of {asked.cpus:g} CPU do not fit on this machine, which has {cores}; ask "
                "for fewer, or for a smaller engine.cpus, or name a cluster with engine.address"
            )


def need_share(asked: Asked, device: str) -> None:
    """Raise UsageError where workers cannot be: Ray is not installed, or they have no share of a GPU."""
    need_ray(asked)
    if device == "cuda" and not asked.gpus:
        raise UsageError(
            "engine.gpus: scores of this run are computed on a GPU; give every worker a share, such as 0.25"
        )


@contextmanager
def open_engine(
    asked: Asked, evaluator: Evaluator, work: int, device: str = "cpu", folder: Path | None = None
) -> Iterator[Engine]:
    """What a recipe asks for: this process, or workers on a cluster that are gone afterwards.

    `work` is how many evaluations there are to make: there are no more workers than that, and what is over
    needs no cluster. `device` is where scores are computed, cpu or cuda. An evaluator that trains keeps its
    checkpoints in `folder`, which all workers have to share; none of them then waits for the slowest. Raises
    UsageError where Ray, the cluster or resources on it are missing, or a worker cannot write to the folder.
    """
    asked = asked.at_most(work)
    if not (work and asked.distributed):
        yield InProcess(evaluator)
        return
    need_share(asked, device)
    from evo_bnas.cluster.engine import RayEngine  # Ray, a second
    from evo_bnas.cluster.session import connected

    if folder:
        asked = asked.model_copy(update={"synchronous": False})
    with connected(asked) as session, RayEngine(evaluator, session, asked, folder) as engine:
        yield engine
