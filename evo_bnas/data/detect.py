"""Which images are meant: those of a recipe or run, or those in a folder or file, whatever reads these."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from evo_bnas import recipe
from evo_bnas.data import cifar, files
from evo_bnas.data.readers import idx
from evo_bnas.data.settings import Data
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.yaml_file import validate

_RECIPES = (".yaml", ".yml")
_RUN = "recipe.yaml"  # in the folder of a run


class Asked(NamedTuple):
    """A data set, and what a recipe would do with it."""

    settings: Data
    seed: int = 0
    space: str | None = None


def asked(target: str, options: Mapping[str, object]) -> Asked:
    """The data set of a folder or file, or else of a recipe or run, with some keys of `data` changed.

    Raises UsageError where there is no such thing, and where a key says nothing to the reader.
    """
    typed = ", ".join(f"--{key.replace('_', '-')}" for key in options)
    path = Path(target).expanduser()
    if (path / _RUN).is_file():
        path = path / _RUN
    if path.exists() and path.suffix not in _RECIPES:
        return Asked(validate(Data, {"name": _reader(path), "path": target, **options}, typed))
    if path.suffix not in _RECIPES and target not in recipe.names():
        raise UsageError(
            f"{target}: there is no such folder or file, and no recipe of this name; "
            f"{suggestion(target, recipe.names())}"
        )
    found = recipe.load(path)
    settings = validate(Data, {**found.data.model_dump(), **options}, typed)
    return Asked(settings, found.seed, found.space)


def _reader(path: Path) -> str:
    """The name of the reader of what lies there; of class folders, where nothing else is found."""
    if path.suffix == ".parquet":
        return "parquet"
    if path.is_file():
        if cifar.archive(path, cifar.TEN) is None:
            raise UsageError(f"{path}: is no parquet file and no archive of CIFAR; give a folder of images")
        return "cifar100" if cifar.HUNDRED.stem in path.name else "cifar10"
    if files.below(path, (".parquet",)):
        return "parquet"
    if idx.holds(path):
        return "idx"
    return next(
        (variant.name for variant in (cifar.TEN, cifar.HUNDRED) if cifar.archive(path, variant)), "folder"
    )
