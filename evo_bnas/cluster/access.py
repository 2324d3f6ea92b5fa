"""Whether a run can have its workers, and the engine that uses them; imports Ray only if it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from evo_bnas.cluster.address import address_of
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Engine, Evaluator, InProcess
from evo_bnas.machine import cores


def need_ray(settings: EngineSettings, ranks: int = 1) -> None:
    """Raise UsageError where several workers or ranks cannot be: without Ray, or on too small a machine.

    Asked before a run begins. What another cluster has is known once it is connected to.
    """
    available = cores()
    for key, count, wanted in (
        ("engine.workers", settings.workers, settings.distributed),
        ("supernet.ranks", ranks, ranks > 1),
    ):
        if wanted and find_spec("ray") is None:
            if count == 1:
                what, instead = f"engine.address: {settings.address} needs", "leave engine.address out"
            else:
                what, instead = f"{key}: {count} need", "ask for 1"
            raise UsageError(f"{what} Ray; pip install 'evo-bnas[cluster]', or {instead}")
        if wanted and address_of(settings) == "local" and count * settings.cpus > available:
            raise UsageError(
                f"{key}: {count} of {settings.cpus:g} CPU do not fit on this machine, which has {available}; "
                "ask for fewer or a smaller engine.cpus, or name a cluster with engine.address"
            )


def need_share(settings: EngineSettings, device: str) -> None:
    """Raise UsageError where workers cannot be: Ray is not installed, or they have no share of a GPU."""
    need_ray(settings)
    if device == "cuda" and not settings.gpus:
        raise UsageError(
            "engine.gpus: scores of this run are computed on a GPU; give every worker a share, such as 0.25"
        )


@contextmanager
def open_engine(
    settings: EngineSettings, evaluator: Evaluator, work: int, device: str = "cpu", folder: Path | None = None
) -> Iterator[Engine]:
    """What a recipe asks for: this process, or workers on a cluster that are gone afterwards.

    `work` is how many evaluations there are to make: there are no more workers than that, and what is over
    needs no cluster. `device` is where scores are computed, cpu or cuda. An evaluator that trains keeps its
    checkpoints in `folder`, which all workers have to share; none of them then waits for the slowest. Raises
    UsageError where Ray, the cluster or resources on it are missing, or a worker cannot write to the folder.
    """
    settings = settings.at_most(work)
    if not (work and settings.distributed):
        yield InProcess(evaluator)
        return
    need_share(settings, device)
    from evo_bnas.cluster.engine import RayEngine  # Ray, a second
    from evo_bnas.cluster.session import connected

    if folder:
        settings = settings.model_copy(update={"synchronous": False})
    with connected(settings) as session, RayEngine(evaluator, session, settings, folder) as engine:
        yield engine
