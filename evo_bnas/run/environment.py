"""What a run is made with: device, threads, versions. Decided once, when it starts."""

import platform
from typing import Literal

from pydantic import Field

from evo_bnas.errors import UsageError
from evo_bnas.files.yaml_file import Settings
from evo_bnas.machine import commit, cores, processor, versions
from evo_bnas.recipe import Recipe
from evo_bnas.space.genes import Space

FORMAT: Literal[3] = 3  # of a run's folder; raised when this version cannot resume what an earlier one wrote

_PACKAGES = (
    "evo-bnas",
    "torch",
    "numpy",
    "pymoo",
    "moocore",
    "scikit-learn",
    "scipy",
    "safetensors",
    "numba",
)


class Compute(Settings):
    """How numbers are computed: another device or number of threads rounds differently."""

    device: Literal["cpu", "cuda"]
    precision: Literal["float32", "bfloat16"]  # of training; scores are always float32
    threads: int
    worker_threads: int  # of an evaluation on any process, and of each of several parallel trainings
    backend: Literal["packed", "torch"]  # of scores


class Environment(Settings):
    """What a run is made with."""

    format: Literal[3] = FORMAT
    compute: Compute
    space: str  # hash of the space
    versions: dict[str, str]
    commit: str | None  # of the checkout, with "-dirty" after changes
    platform: str
    cpu: str
    teacher: str | None = None  # fingerprint of the teacher's file
    data: str | None = None  # fingerprint of the images and their parts
    images: dict[str, int] = Field(default_factory=dict)  # number in each split


def environment_of(recipe: Recipe, space: Space) -> Environment:
    """The environment of a new run; raises UsageError if the recipe needs a GPU and there is none."""
    return Environment(
        compute=_compute(recipe),
        space=space.hash,
        versions=versions(_PACKAGES),
        commit=commit(),
        platform=platform.platform(),
        cpu=processor(),
        teacher=_fingerprint(recipe),
    )


def need_cuda(why: str) -> None:
    """Raise UsageError, beginning with `why`, if torch finds no GPU."""
    if not sees_cuda():
        raise UsageError(
            f"{why}, but torch finds no GPU on this machine; set engine.device: cpu in a new run"
        )


def sees_cuda() -> bool:
    """Whether torch finds a GPU."""
    import torch  # a second

    return torch.cuda.is_available()


def _compute(recipe: Recipe) -> Compute:
    engine, backend = recipe.engine, recipe.evaluate.backend
    device: Literal["cpu", "cuda"] = "cpu"
    if engine.device == "cuda":
        need_cuda("engine.device: the recipe needs cuda")
        device = "cuda"
    elif engine.device == "auto" and sees_cuda():
        device = "cuda"
    precision = engine.precision
    if precision == "auto":
        precision = "bfloat16" if device == "cuda" else "float32"
    if backend == "auto":
        backend = "torch" if device == "cuda" else "packed"
    threads = engine.threads or cores()
    parallel = engine.distributed or recipe.supernet.ranks > 1
    worker_threads = threads if engine.threads or not parallel else max(1, int(engine.cpus))
    return Compute(
        device=device, precision=precision, threads=threads, worker_threads=worker_threads, backend=backend
    )


def _fingerprint(recipe: Recipe) -> str | None:
    teacher = recipe.supernet.teacher_file
    if teacher is None:
        return None
    from evo_bnas.files import weights_file  # torch

    return weights_file.fingerprint(teacher)
