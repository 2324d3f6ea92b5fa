"""Check that workers are available, and open the engine that uses them; imports Ray only if it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from evo_bnas.cluster.address import address_of
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Engine, Evaluator, InProcess
from evo_bnas.machine import cores


def check_workers(settings: EngineSettings, ranks: int = 1) -> None:
    """Raise UsageError if workers or ranks need Ray and it is not installed, or exceed this machine.

    Call it before a run starts. The size of a remote cluster is checked once it is connected.
    """
    available = cores()
    for key, count, needs_ray in (
        ("engine.workers", settings.workers, settings.distributed),
        ("supernet.ranks", ranks, ranks > 1),
    ):
        if needs_ray and find_spec("ray") is None:
            if count == 1:
                what, way_out = f"engine.address: {settings.address} needs", "leave engine.address out"
            else:
                what, way_out = f"{key}: {count} need", f"set {key} to 1"
            raise UsageError(f"{what} Ray; pip install 'evo-bnas[cluster]', or {way_out}")
        if needs_ray and address_of(settings) == "local" and count * settings.cpus > available:
            raise UsageError(
                f"{key}: {count} with {settings.cpus:g} CPU each do not fit on the {available} cores "
                f"of this machine; reduce {key} or engine.cpus, or name a cluster with engine.address"
            )


def check_worker_resources(settings: EngineSettings, device: str) -> None:
    """Raise UsageError if workers are not available, or compute on a GPU (`device` cuda) without a share."""
    check_workers(settings)
    if device == "cuda" and not settings.gpus:
        raise UsageError("engine.gpus: this run computes on a GPU; give every worker a share, such as 0.25")


@contextmanager
def open_engine(
    settings: EngineSettings, evaluator: Evaluator, work: int, device: str = "cpu", folder: Path | None = None
) -> Iterator[Engine]:
    """The engine of a recipe: this process, or workers on a cluster that end with the block.

    `work` is the number of evaluations left: no more workers than that are started, and none for 0. `device`
    is where evaluations compute, cpu or cuda. An evaluator that trains keeps its checkpoints in `folder`,
    which all workers must share; workers are then never synchronised. Raises UsageError if Ray, the cluster
    or its resources are missing, or if a worker cannot write to the folder.
    """
    settings = settings.at_most(work)
    if not (work and settings.distributed):
        yield InProcess(evaluator)
        return
    check_worker_resources(settings, device)
    from evo_bnas.cluster.engine import RayEngine  # Ray, a second
    from evo_bnas.cluster.session import connected

    if folder:
        settings = settings.model_copy(update={"synchronous": False})
    with connected(settings) as session, RayEngine(evaluator, session, settings, folder) as engine:
        yield engine
