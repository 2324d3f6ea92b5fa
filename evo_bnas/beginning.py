"""How a run begins: whatever may be refused is refused before the first file is written.

Nothing here needs torch, but for the file of a teacher, so a mistake in a recipe is answered at once.
"""

from collections.abc import Sequence
from pathlib import Path

from evo_bnas import recipe
from evo_bnas.errors import UsageError
from evo_bnas.results.archive import Archive
from evo_bnas.results.journal import read
from evo_bnas.run import OUT, SUPERNET, Run
from evo_bnas.search import EXPLORERS
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Space


def start(name: str | Path, out: Path | None = None, overrides: Sequence[str] = ()) -> Run:
    """Begin the run of a recipe, or take up the one that is in its folder.

    The folder is `runs/out/<recipe>` unless `out` says otherwise. Raises UsageError, with nothing
    written, where the recipe, its space, its limits, its teacher or its warm start are wrong.
    """
    wanted = recipe.load(name, overrides)
    space = recipe.fitted_space(wanted)
    asked = wanted.search
    EXPLORERS[asked.explorer](Problem(space, asked.objectives, asked.limits), asked.population)
    earlier_archives(asked.warm_start, space)
    folder = out or OUT / Path(name).stem
    if wanted.supernet.teacher_file is not None and not (folder / SUPERNET).exists():
        _check_teacher(wanted.supernet.teacher_file, space)
    return Run.start(wanted, space, folder)


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


def _check_teacher(path: Path, space: Space) -> None:
    from evo_bnas.train.teacher import load_teacher  # torch

    try:
        load_teacher(path, space)
    except UsageError as failure:
        raise UsageError(f"supernet.teacher: {failure}") from None
