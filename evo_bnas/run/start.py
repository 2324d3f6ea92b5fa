"""Start or resume a run: everything that can be refused is refused before the first file is written.

Except for a teacher's file, this needs no torch, so a mistake in a recipe is reported at once.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evo_bnas import recipe as recipes
from evo_bnas.archive.archive import Archive
from evo_bnas.archive.journal import read
from evo_bnas.cluster.access import check_worker_resources, check_workers
from evo_bnas.cluster.address import reachable_address
from evo_bnas.data.source import describe
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.progress import Report, silent
from evo_bnas.recipe import Recipe
from evo_bnas.run.folder import OUT, SUPERNET, Run
from evo_bnas.search import EXPLORERS
from evo_bnas.search.problem import Problem
from evo_bnas.space import catalogue
from evo_bnas.space.genes import Space


def start(
    name: str | Path, out: Path | None = None, overrides: Sequence[str] = (), report: Report = silent
) -> Run:
    """Start the run of a recipe, or resume the one in its folder.

    The folder is `out`, by default `runs/out/<recipe>`. Raises UsageError, with nothing written, if the
    recipe, its images, its space, its limits, its teacher, its warm start or its resources are wrong.
    """
    recipe = recipes.load(name, overrides)
    folder = out or OUT / Path(name).stem
    _check_resources(recipe, folder)
    space = fitted_space(recipe)
    search = recipe.search
    EXPLORERS[search.explorer](Problem(space, search.objectives, search.limits), search.population)
    earlier_archives(search.warm_start, space)
    if recipe.supernet.teacher_file is not None and not (folder / SUPERNET).exists():
        _check_teacher(recipe.supernet.teacher_file, space)
    run = Run.create(recipe, space, folder, report)
    if recipe.engine.distributed:
        check_worker_resources(recipe.engine, run.compute.device)
    return run


def resume(folder: Path, resources: Sequence[str] = ()) -> Run:
    """The run in a folder, with other resources for this command, such as `engine.workers=2`.

    Raises UsageError if the folder holds no run, if workers or ranks are not available, or if an override
    would change the results of the run.
    """
    run = Run.open(folder)
    if not resources:
        return run
    recipe = recipes.load(run.recipe_file, resources)
    if differing := recipes.differences(run.recipe, recipe):
        raise UsageError(f"{folder}: {differing[0]}; start another run with the recipe and --out")
    _check_resources(recipe, folder)
    return replace(run, recipe=recipe)


def fitted_space(recipe: Recipe) -> Space:
    """The space of a recipe, fitted to the images of its data set.

    Raises UsageError if there is no such space, if it is made for images of another size, or if a limit on
    an exact cost excludes every network.
    """
    image, classes = describe(recipe.data)
    shipped = catalogue.load(recipe.space)
    try:
        space = shipped.fit(image, classes)
    except ValueError as failure:
        others = [other.name for other in catalogue.taking(image, classes)]
        way_out = suggestion(shipped.name, others) if others else f"set data.size, such as {shipped.sides[1]}"
        raise UsageError(f"data {recipe.data.name}: {failure}; {way_out}") from None
    for limits in (recipe.search.limits, recipe.pick.limits):
        space.check_limits(limits)
    return space


def earlier_archives(names: Sequence[str], space: Space) -> list[Archive]:
    """The archives of earlier runs, for a warm start.

    Raises UsageError if one of them searched another space, or has not searched yet.
    """
    archives = []
    for name in names:
        earlier = Run.open(Path(name) if Path(name).is_dir() else OUT / name)
        if earlier.space.hash != space.hash:
            raise UsageError(
                f"search.warm_start: {name} searched the space {earlier.space.name}, which differs from the "
                f"{space.name} of this run; name a run of the same space"
            )
        if not earlier.journal_file.exists():
            raise UsageError(f"search.warm_start: {name} has not searched yet; run evo-bnas search {name}")
        archives.append(read(earlier.journal_file, space))
    return archives


def _check_resources(recipe: Recipe, folder: Path) -> None:
    """Raise UsageError if the workers and ranks of a run are not available.

    Ranks are needed only until the supernet is trained. Later stages connect to the cluster themselves, and
    only if there is work left.
    """
    trained = (folder / SUPERNET).exists()
    ranks = 1 if trained else recipe.supernet.ranks
    check_workers(recipe.engine, ranks)
    if not trained and (recipe.engine.distributed or ranks > 1):
        reachable_address(recipe.engine)


def _check_teacher(path: Path, space: Space) -> None:
    from evo_bnas.train.teacher import load_teacher  # torch

    try:
        load_teacher(path, space)
    except UsageError as failure:
        raise UsageError(f"supernet.teacher: {failure}") from None
