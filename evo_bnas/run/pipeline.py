"""The whole job of a run, stage by stage."""

from collections.abc import Callable

from evo_bnas.progress import Report, silent
from evo_bnas.run.confirm import confirm
from evo_bnas.run.folder import Run
from evo_bnas.run.results import Results
from evo_bnas.run.retrain import retrain
from evo_bnas.run.search import search
from evo_bnas.run.train import train


def run_all(run: Run, report: Report = silent, show: Callable[[object], None] = lambda _: None) -> Results:
    """Train, search, confirm, pick, retrain; skips stages that are done, and resumes an unfinished one.

    `run` comes from `start`. `show` is called with what each stage returns: the supernet, the outcome of the
    search, the confirmed networks, the pick, the retrained networks.
    """
    show(train(run, report))
    outcome = search(run, report)
    show(outcome)
    confirmed = confirm(run, outcome.results, report)
    show(confirmed)
    results = confirmed.results
    show(results.pick())
    show(retrain(run, report, results=results))
    return results
