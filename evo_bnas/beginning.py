"""How a run begins: whatever may be refused is refused before the first file is written.

Nothing here needs torch, but for the file of a teacher, so a mistake in a recipe is answered at once.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evo_bnas import recipe
from evo_bnas.cluster import need_ray, need_share
from evo_bnas.cluster.address import need_answer
from evo_bnas.errors import UsageError
from evo_bnas.progress import Report, silent
from evo_bnas.recipe import Recipe
from evo_bnas.results.archive import Archive
from evo_bnas.results.journal import read
from evo_bnas.run import OUT, SUPERNET, Run
from evo_bnas.search import EXPLORERS
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Space


def start(
    name: str | Path, out: Path | None = None, overrides: Sequence[str] = (), report: Report = silent
) -> Run:
    """Begin the run of a recipe, or take up the one that is in its folder.

    The folder is `runs/out/<recipe>` unless `out` says otherwise. Raises UsageError, with nothing
    written, where the recipe, its images, its space, its limits, its teacher or its warm start are wrong,
    or where it cannot have its workers and ranks.
    """
    wanted = recipe.load(name, overrides)
    folder = out or OUT / Path(name).stem
    _check_hands(wanted, folder)
    space = recipe.fitted_space(wanted)
    asked = wanted.search
    EXPLORERS[asked.explorer](Problem(space, asked.objectives, asked.limits), asked.population)
    earlier_archives(asked.warm_start, space)
    if wanted.supernet.teacher_file is not None and not (folder / SUPERNET).exists():
        _check_teacher(wanted.supernet.teacher_file, space)
    run = Run.start(wanted, space, folder, report)
    if wanted.engine.distributed:
        need_share(wanted.engine, run.compute.device)
    return run


def resume(folder: Path, hands: Sequence[str]) -> Run:
    """The run in a folder, for this once with other `hands`, such as `engine.workers=2`.

    Raises UsageError where there is no run, where there are no such hands, or where they change what the
    run is.
    """
    run = Run.open(folder)
    wanted = recipe.load(run.recipe_file, hands)
    if found := recipe.differences(run.recipe, wanted):
        raise UsageError(f"{folder}: {found[0]}; begin another run with the recipe and --out")
    _check_hands(wanted, folder)
    return replace(run, recipe=wanted)


def earlier_archives(names: Sequence[str], space: Space) -> list[Archive]:
    """The archives of earlier runs; raises UsageError where one is of another space, or has none."""
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
        archives.append(read(earlier.journal_file))
    return archives


def _check_hands(wanted: Recipe, folder: Path) -> None:
    """Raise UsageError where a run cannot have its workers and ranks.

    Ranks, and the answer of a cluster that is wanted later, matter until the supernet is trained: what comes
    after it asks for a cluster at once, and not at all where nothing is left to do.
    """
    trained = (folder / SUPERNET).exists()
    ranks = 1 if trained else wanted.supernet.ranks
    need_ray(wanted.engine, ranks)
    if not trained and (wanted.engine.distributed or ranks > 1):
        need_answer(wanted.engine)


def _check_teacher(path: Path, space: Space) -> None:
    from evo_bnas.train.teacher import load_teacher  # torch

    try:
        load_teacher(path, space)
    except UsageError as failure:
        raise UsageError(f"supernet.teacher: {failure}") from None
