"""The folder of a run: its recipe, its space, its environment, and where its files are."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evo_bnas import recipe as recipes
from evo_bnas.data.prepare import prepare
from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import sync_folder, write_bytes
from evo_bnas.files.lock import LOCK, locked
from evo_bnas.files.yaml_file import dump, flatten, read, validate
from evo_bnas.progress import Report, silent
from evo_bnas.recipe import Recipe
from evo_bnas.run.environment import FORMAT, Compute, Environment, environment_of, need_cuda
from evo_bnas.space import catalogue
from evo_bnas.space.genes import Space

OUT = Path("runs/out")  # default place of runs
SUPERNET = "supernet.safetensors"  # the trained one, in the folder of its run

RECIPE = "recipe.yaml"
_SPACE, _ENVIRONMENT, _DATA = "space.yaml", "environment.json", "data"
_LINES = 3  # differences that a message names


@dataclass(frozen=True)
class Run:
    """A run in its folder: `create` makes or resumes one, `open` reads one."""

    folder: Path
    recipe: Recipe
    space: Space
    environment: Environment

    @classmethod
    def create(cls, recipe: Recipe, space: Space, folder: Path, report: Report = silent) -> "Run":
        """Create the folder of a run and decode its images, or resume the run in the folder.

        It takes the lock of the folder while it writes. Raises UsageError if another process writes to the
        run, if the folder holds a different run or other files, if the device is missing, or if something
        is wrong with the images. A new run that is refused leaves no folder.
        """
        environment = None
        if not (folder / RECIPE).exists():
            # Everything that can be refused is checked before the first file is written.
            _check_empty(folder)
            environment = environment_of(recipe, space)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as failure:
            raise UsageError(f"{folder}: cannot be created: {failure.strerror}") from None
        with locked(folder):
            if environment is None or (folder / RECIPE).exists():
                return cls._resume(recipe, space, folder)
            with _removed_if_refused(folder):
                images = prepare(recipe.data, recipe.seed, folder / _DATA, report)
            numbers = {name: len(part) for name, part in images.splits._asdict().items()}
            found = {"data": images.fingerprint, "images": numbers}
            environment = environment.model_copy(update=found)
            definition = yaml.safe_dump(space.definition(), sort_keys=False)
            write_bytes(folder / _SPACE, definition.encode())
            write_bytes(folder / _ENVIRONMENT, environment.model_dump_json(indent=2).encode())
            # The recipe comes last: a folder without one does not count as a run and is started again.
            write_bytes(folder / RECIPE, dump(recipe).encode())
            sync_folder(folder.parent)
        return cls(folder, recipe, space, environment)

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """The run in a folder, for reading.

        Raises UsageError if there is none, if another version wrote it, or if its files do not match.
        """
        if not (folder / RECIPE).is_file():
            raise UsageError(f"{folder}: is not a run: it has no {RECIPE}")
        written = read(folder / _ENVIRONMENT)
        _check_format(folder, written)
        environment = validate(Environment, written, str(folder / _ENVIRONMENT))
        recipe = recipes.load(folder / RECIPE)
        space_file = folder / _SPACE
        space = catalogue.build(Path(recipe.space).stem, read(space_file), str(space_file))
        if space.hash != environment.space:
            raise UsageError(
                f"{space_file}: was changed: the run was made with the space {environment.space}, "
                f"and this is {space.hash}"
            )
        return cls(folder, recipe, space, environment)

    @classmethod
    def _resume(cls, recipe: Recipe, space: Space, folder: Path) -> "Run":
        old = cls.open(folder)
        differing = recipes.differences(old.recipe, recipe) or _space_differences(old.space, space)
        if differing:
            more = f"; and {len(differing) - _LINES} more" if len(differing) > _LINES else ""
            raise UsageError(
                f"{folder}: holds a different run: {'; '.join(differing[:_LINES])}{more}\n"
                "choose another folder with --out, or go back to the old recipe"
            )
        if old.environment.compute.device == "cuda":
            need_cuda(f"{folder}: the run was started on a GPU")
        write_bytes(folder / RECIPE, dump(recipe).encode())
        return cls(folder, recipe, old.space, old.environment)

    def lock(self, folder: Path | None = None) -> AbstractContextManager[None]:
        """Be the only writer of the run, or of one folder in it; raises UsageError if another process is."""
        return locked(folder or self.folder)

    @property
    def compute(self) -> Compute:
        return self.environment.compute

    @property
    def recipe_file(self) -> Path:
        return self.folder / RECIPE

    @property
    def space_file(self) -> Path:
        return self.folder / _SPACE

    @property
    def environment_file(self) -> Path:
        return self.folder / _ENVIRONMENT

    def need_supernet(self) -> None:
        """Raise UsageError if the run has no trained supernet."""
        if not self.supernet_file.exists():
            raise UsageError(f"{self.folder}: has no trained supernet yet; run evo-bnas train {self.folder}")

    @property
    def data(self) -> Path:
        """Folder of the decoded images; absent if decoding takes no time."""
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

    def rung_file(self, epochs: int) -> Path:
        """The journal of the networks that were trained for this many epochs to confirm them."""
        return self.folder / "confirm" / f"epochs-{epochs}.jsonl"

    @property
    def trained_csv(self) -> Path:
        """The networks that were trained to the end, with their errors on the test split."""
        return self.folder / "trained.csv"

    @property
    def front_csv(self) -> Path:
        return self.folder / "front.csv"

    @property
    def front_png(self) -> Path:
        return self.folder / "front.png"

    @property
    def rounds_csv(self) -> Path:
        """Quality of the surrogate in each round of the search."""
        return self.folder / "rounds.csv"

    @property
    def latency_file(self) -> Path:
        """Latency of the largest network of the space; absent unless it is an objective."""
        return self.folder / "latency.json"

    @property
    def ranking(self) -> Path:
        """Folder of the journals of `evo-bnas ranking`, one per protocol."""
        return self.folder / "ranking"

    @property
    def ranking_csv(self) -> Path:
        """Errors of the supernet beside those of networks trained alone."""
        return self.folder / "ranking.csv"

    @property
    def ranking_png(self) -> Path:
        return self.folder / "ranking.png"

    @property
    def picks(self) -> Path:
        return self.folder / "picks"

    def pick_folder(self, name: str) -> Path:
        """Where a picked network, its weights and its card are."""
        return self.picks / name


@contextmanager
def _removed_if_refused(folder: Path) -> Iterator[None]:
    """Remove a folder that holds nothing else if its run is refused."""
    try:
        yield
    except UsageError:
        shutil.rmtree(folder / _DATA, ignore_errors=True)
        (folder / LOCK).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
        raise


def _check_format(folder: Path, environment: dict[str, Any]) -> None:
    """Raise UsageError if another version of evo-bnas wrote the run and this one cannot resume it."""
    if (written := environment.get("format", 1)) != FORMAT:
        version = environment.get("versions", {}).get("evo-bnas", "an unknown version")
        raise UsageError(
            f"{folder}: was written by evo-bnas {version} in run format {written}, and this version reads "
            f"format {FORMAT}; start a new run with --out, or install evo-bnas {version}"
        )


def _check_empty(folder: Path) -> None:
    """Raise UsageError if a new run would mix with other files."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        # A run that was killed while it started may have left these.
        started = path.name.removeprefix(".").removesuffix(".new") in (RECIPE, _SPACE, _ENVIRONMENT)
        if not started and path.name not in (LOCK, _DATA):
            raise UsageError(f"{folder}: holds {path.name} but not a run; choose an empty folder with --out")


def _space_differences(old: Space, new: Space) -> list[str]:
    if old.hash == new.hash:
        return []
    before, after = flatten(old.definition()), flatten(new.definition())
    return [
        f"space {key}: {before.get(key, 'unset')} in the run, {after.get(key, 'unset')} in the recipe"
        for key in before | after
        if before.get(key) != after.get(key)
    ]
