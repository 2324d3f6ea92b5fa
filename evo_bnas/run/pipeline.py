"""The whole job of a run, stage by stage."""

from collections.abc import Callable

from evo_bnas.progress import Report, silent
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results
from evo_bnas.run.retrain import retrain
from evo_bnas.run.search import search
from evo_bnas.run.train import train


def run_all(run: Run, report: Report = silent, show: Callable[[object], None] = lambda _: None) -> Results:
    """Train, search, pick, retrain; stages that are done are skipped, and an unfinished one is resumed.

    `run` comes from `start`. `show` is called with what each stage returns: the supernet, the outcome of the
    search, the pick, the retrained networks.
    """
    show(train(run, report))
    outcome = search(run, report)
    show(outcome)
    results = outcome.results
    picked = results.pick()
    show(picked)
    show(retrain(run, report, picked.order[: run.recipe.retrain.networks], results))
    return results
