"""A run's folder: what was asked for, where it runs, one writer at a time, and where its files are."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import yaml
from filelock import FileLock, Timeout

from evo_bnas import recipe as recipes
from evo_bnas.data.prepare import prepare
from evo_bnas.durable import sync_folder, write_bytes
from evo_bnas.errors import UsageError
from evo_bnas.progress import Report, silent
from evo_bnas.recipe import Recipe
from evo_bnas.space import catalogue
from evo_bnas.space.genes import Space
from evo_bnas.yaml_file import Settings, dump, flatten, read, validate

OUT = Path("runs/out")  # where runs go that are given no folder
SUPERNET = "supernet.safetensors"  # the trained one, in the folder of its run

_RECIPE, _SPACE, _ENVIRONMENT = "recipe.yaml", "space.yaml", "environment.json"
_LOCK, _DATA = ".lock", "data"
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
_LINES = 3  # differences that a message names


class Compute(Settings):
    """How numbers are computed, decided once for a run: another device or thread count rounds otherwise."""

    device: Literal["cpu", "cuda"]
    precision: Literal["float32", "bfloat16"]  # of training; scores are always float32
    threads: int
    worker_threads: int | None = None  # of each of several workers or ranks; runs begun before had none
    backend: Literal["packed", "torch"] = "torch"  # of scores; runs of earlier versions had no choice

    @property
    def each(self) -> int:
        """Threads of an evaluation, wherever it is made, and of one of several trainings side by side."""
        return self.worker_threads or self.threads


class Environment(Settings):
    """What a run was made with."""

    compute: Compute
    space: str  # hash of the space
    versions: dict[str, str]
    commit: str | None  # of the checkout, with "-dirty" where it had changes
    platform: str
    cpu: str
    teacher: str | None = None  # fingerprint of its file, if a file teaches; earlier versions noted none
    data: str | None = None  # fingerprint of the images and their parts; earlier versions noted none


@dataclass(frozen=True)
class Run:
    """An existing run; `start` makes or continues one, `open` reads one."""

    folder: Path
    recipe: Recipe
    space: Space
    environment: Environment

    @classmethod
    def start(cls, recipe: Recipe, space: Space, folder: Path, report: Report = silent) -> "Run":
        """Create the folder of a run, its images decoded, or continue the run that is in it.

        Call it before `lock`: it takes the lock itself for as long as it writes. Raises UsageError where
        another process writes the run, where the run in the folder is another one, where the folder
        holds other files, where the device that is asked for is absent, or where something is wrong with the
        images: a run that cannot begin leaves no folder.
        """
        environment = None
        if not (folder / _RECIPE).exists():
            # Whatever may be refused comes before the first file.
            _check_free(folder)
            environment = _environment(recipe, space)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as failure:
            raise UsageError(f"{folder}: cannot be made: {failure.strerror}") from None
        with _locked(folder):
            if environment is None or (folder / _RECIPE).exists():
                return cls._continue(recipe, space, folder)
            with _undone(folder):
                images = prepare(recipe.data, recipe.seed, folder / _DATA, report)
            environment = environment.model_copy(update={"data": images.fingerprint})
            definition = yaml.safe_dump(space.definition(), sort_keys=False)
            write_bytes(folder / _SPACE, definition.encode())
            write_bytes(folder / _ENVIRONMENT, environment.model_dump_json(indent=2).encode())
            # The recipe comes last: a folder without one is no run yet and is begun anew.
            write_bytes(folder / _RECIPE, dump(recipe).encode())
            sync_folder(folder.parent)
        return cls(folder, recipe, space, environment)

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """The run in a folder, for reading; raises UsageError where there is none or a file does not fit."""
        if not (folder / _RECIPE).is_file():
            raise UsageError(f"{folder}: is no run: it has no {_RECIPE}")
        recipe = recipes.load(folder / _RECIPE)
        space_file = folder / _SPACE
        space = catalogue.build(Path(recipe.space).stem, read(space_file), str(space_file))
        environment = validate(Environment, read(folder / _ENVIRONMENT), str(folder / _ENVIRONMENT))
        if space.hash != environment.space:
            raise UsageError(
                f"{space_file}: was changed: the run was made with the space {environment.space}, "
                f"and this is {space.hash}"
            )
        return cls(folder, recipe, space, environment)

    @classmethod
    def _continue(cls, recipe: Recipe, space: Space, folder: Path) -> "Run":
        old = cls.open(folder)
        found = recipes.differences(old.recipe, recipe) or _space_differences(old.space, space)
        if found:
            more = f"; and {len(found) - _LINES} more" if len(found) > _LINES else ""
            raise UsageError(
                f"{folder}: holds another run: {'; '.join(found[:_LINES])}{more}\n"
                "choose another folder with --out, or go back to the old recipe"
            )
        if old.environment.compute.device == "cuda":
            _need_cuda(f"{folder}: the run was begun on a GPU")
        write_bytes(folder / _RECIPE, dump(recipe).encode())
        return cls(folder, recipe, old.space, old.environment)

    @contextmanager
    def lock(self, folder: Path | None = None) -> Iterator[None]:
        """Be the only writer of the run, or of one folder in it; raises UsageError where another is."""
        with _locked(folder or self.folder):
            yield

    @property
    def compute(self) -> Compute:
        return self.environment.compute

    @property
    def recipe_file(self) -> Path:
        return self.folder / _RECIPE

    @property
    def space_file(self) -> Path:
        return self.folder / _SPACE

    @property
    def environment_file(self) -> Path:
        return self.folder / _ENVIRONMENT

    def need_supernet(self) -> None:
        """Raise UsageError where the run has no trained supernet."""
        if not self.supernet_file.exists():
            raise UsageError(f"{self.folder}: has no trained supernet yet; run evo-bnas train {self.folder}")

    @property
    def data(self) -> Path:
        """Folder of the decoded images, where decoding takes time."""
        return self.folder / _DATA

    @property
    def supernet_file(self) -> Path:
        return self.folder / SUPERNET

    @property
    def checkpoint(self) -> Path:
        """Folder of unfinished training."""
        return self.folder / "checkpoint"

    @property
    def journal_file(self) -> Path:
        return self.folder / "journal.jsonl"

    @property
    def front_csv(self) -> Path:
        return self.folder / "front.csv"

    @property
    def front_png(self) -> Path:
        return self.folder / "front.png"

    @property
    def rounds_csv(self) -> Path:
        """What an explorer's model was worth in each round of the search."""
        return self.folder / "rounds.csv"

    @property
    def latency_file(self) -> Path:
        """What the largest network of the space takes, where the search measures latency."""
        return self.folder / "latency.json"

    @property
    def fidelity(self) -> Path:
        """Folder of the journals of `evo-bnas fidelity`, one a protocol."""
        return self.folder / "fidelity"

    @property
    def fidelity_csv(self) -> Path:
        """Errors of the supernet beside those of networks trained alone."""
        return self.folder / "fidelity.csv"

    @property
    def fidelity_png(self) -> Path:
        return self.folder / "fidelity.png"

    @property
    def picks(self) -> Path:
        return self.folder / "picks"

    def pick_folder(self, name: str) -> Path:
        """Where a picked network, its weights and its card are."""
        return self.picks / name


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # The kernel frees this lock when its process ends, however it ends.
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise UsageError(
            f"{folder}: another process is writing here; wait for it, or choose another folder with --out"
        ) from None
    except OSError as failure:
        raise UsageError(f"{folder}: cannot be written: {failure.strerror}") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _undone(folder: Path) -> Iterator[None]:
    """Remove the folder again, if it holds nothing else yet, where its run is refused."""
    try:
        yield
    except UsageError:
        shutil.rmtree(folder / _DATA, ignore_errors=True)
        (folder / _LOCK).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
        raise


def _check_free(folder: Path) -> None:
    """Raise UsageError where a new run would mix with other files."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        # What a run that was killed while it began may have left.
        begun = path.name.removeprefix(".").removesuffix(".new") in (_RECIPE, _SPACE, _ENVIRONMENT)
        if not begun and path.name not in (_LOCK, _DATA):
            raise UsageError(f"{folder}: holds {path.name} and no run; choose an empty folder with --out")


def _space_differences(old: Space, new: Space) -> list[str]:
    if old.hash == new.hash:
        return []
    before, after = flatten(old.definition()), flatten(new.definition())
    return [
        f"space {key}: {before.get(key, 'unset')} in the run, {after.get(key, 'unset')} in the recipe"
        for key in before | after
        if before.get(key) != after.get(key)
    ]


def _environment(recipe: Recipe, space: Space) -> Environment:
    return Environment(
        compute=_decide(recipe),
        space=space.hash,
        versions={"python": platform.python_version()} | _versions(),
        commit=_commit(),
        platform=platform.platform(),
        cpu=processor(),
        teacher=_fingerprint(recipe.supernet.teacher_file),
    )


def _decide(recipe: Recipe) -> Compute:
    engine, backend = recipe.engine, recipe.evaluate.backend
    device: Literal["cpu", "cuda"] = "cpu"
    if engine.device == "cuda":
        _need_cuda("engine.device: cuda is asked for")
        device = "cuda"
    elif engine.device == "auto" and _sees_cuda():
        device = "cuda"
    precision = engine.precision
    if precision == "auto":
        precision = "bfloat16" if device == "cuda" else "float32"
    if backend == "auto":
        backend = "torch" if device == "cuda" else "packed"
    threads = engine.threads or _cores()
    several = engine.distributed or recipe.supernet.ranks > 1
    of_worker = threads if engine.threads or not several else max(1, int(engine.cpus))
    return Compute(
        device=device, precision=precision, threads=threads, worker_threads=of_worker, backend=backend
    )


def _fingerprint(teacher: Path | None) -> str | None:
    if teacher is None:
        return None
    from evo_bnas.binary import weights_file  # torch

    return weights_file.fingerprint(teacher)


def _sees_cuda() -> bool:
    import torch  # a second

    return torch.cuda.is_available()


def _need_cuda(why: str) -> None:
    if not _sees_cuda():
        raise UsageError(f"{why}, but torch sees none on this machine; a run with `device: cpu` needs none")


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    """The commit of the checkout that this code runs from, if any."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None  # installed: a repository further up is somebody else's
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return answer.stdout.strip() or None


def processor() -> str:
    """The model of the processor, as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
