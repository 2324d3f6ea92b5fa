"""The data set that `evo-bnas check` is given: that of a recipe or run, or a folder or file of images."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from evo_bnas import recipe as recipes
from evo_bnas.data.detect import reader_of
from evo_bnas.data.settings import DataSettings
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.files.yaml_file import validate
from evo_bnas.run.folder import RECIPE

_SUFFIXES = (".yaml", ".yml")


class DatasetChoice(NamedTuple):
    """A data set, and what a recipe would do with it."""

    settings: DataSettings
    seed: int = 0
    space: str | None = None


def choose_dataset(target: str, options: Mapping[str, object]) -> DatasetChoice:
    """The data set of a folder, file, recipe or run, with some keys of its `data` section changed.

    Raises UsageError if there is no such target, or if a key does not apply to its reader.
    """
    typed = ", ".join(f"--{key.replace('_', '-')}" for key in options)
    path = Path(target).expanduser()
    if (path / RECIPE).is_file():
        path = path / RECIPE
    if path.exists() and path.suffix not in _SUFFIXES:
        content = {"name": reader_of(path), "path": target, **options}
        return DatasetChoice(validate(DataSettings, content, typed))
    if path.suffix not in _SUFFIXES and target not in recipes.names():
        raise UsageError(
            f"{target}: there is no such folder or file, and no recipe of this name; "
            f"{suggestion(target, recipes.names())}"
        )
    recipe = recipes.load(path)
    settings = validate(DataSettings, {**recipe.data.model_dump(), **options}, typed)
    return DatasetChoice(settings, recipe.seed, recipe.space)
