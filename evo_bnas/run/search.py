"""The second stage: search with the trained supernet."""

from dataclasses import asdict

import pandas as pd

from evo_bnas.archive.archive import Archive
from evo_bnas.archive.journal import Journal
from evo_bnas.cluster.access import open_engine
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.supernet import SupernetEvaluator
from evo_bnas.files.atomic import write_bytes
from evo_bnas.progress import Report, silent
from evo_bnas.run import doubts, inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.outcomes import SearchOutcome
from evo_bnas.run.results import Results, worst
from evo_bnas.run.start import earlier_archives
from evo_bnas.search import EXPLORERS, WITH_SURROGATE, warm_start
from evo_bnas.search.local_search import LocalSearch
from evo_bnas.search.loop import search as search_loop
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogate_quality import SurrogateQuality, surrogate_qualities


def search(run: Run, report: Report = silent) -> SearchOutcome:
    """Search with the trained supernet until the budget is spent; raises UsageError if there is none."""
    run.need_supernet()
    settings = run.recipe.search
    with run.lock(), Journal(run.journal_file, run.space) as journal:
        scorer = inputs.evaluator(run)
        _check_same_scores(run, journal.archive, scorer)
        valid, prior = warm_start.divide(
            earlier_archives(settings.warm_start, run.space), scorer.weights, scorer.protocol.hash
        )
        warm_start.record(journal, valid)
        if "latency_ms" in settings.objectives:
            from evo_bnas.run import profile  # Numba, a second

            profile.measure_largest(run)
        problem = Problem(
            run.space, settings.objectives, settings.limits, settings.max_error, prior, worst(run)
        )
        explorer = EXPLORERS[settings.explorer](problem, settings.population)
        if settings.local_search:
            explorer = LocalSearch(explorer, problem, after=settings.evaluations - settings.local_search)
        left = journal.archive.remaining(settings.evaluations, settings.max_attempts)
        with open_engine(run.recipe.engine, scorer, left, scorer.protocol.device) as engine:
            reason = search_loop(
                problem,
                explorer,
                engine,
                journal,
                evaluations=settings.evaluations,
                batch=settings.batch,
                seed=run.recipe.seed,
                max_attempts=settings.max_attempts,
                seconds=settings.seconds,
                patience=settings.patience,
                report=report,
            )
        results = Results(run, journal.archive)
        results.write()
        rounds = _write_rounds(run, problem, journal.archive)
        return SearchOutcome(reason, rounds, results, doubts.of_search(results))


def _check_same_scores(run: Run, archive: Archive, scorer: SupernetEvaluator) -> None:
    for _, score in archive.scored:
        for what, found, now in (
            ("weights", score.weights, scorer.weights),
            ("protocol", score.protocol, scorer.protocol.hash),
        ):
            if found != now:
                raise UsageError(
                    f"{run.journal_file}: holds scores of {what} {found}, but the run now has {now}; "
                    "restore the old file, or search in another folder with --out"
                )


def _write_rounds(run: Run, problem: Problem, archive: Archive) -> list[SurrogateQuality]:
    """Write and return the quality of the surrogate in every round."""
    if run.recipe.search.explorer not in WITH_SURROGATE:
        return []
    rounds = list(surrogate_qualities(problem, archive))
    if rounds:
        rows = [asdict(quality) | {"trusted": quality.trusted} for quality in rounds]
        write_bytes(run.rounds_csv, pd.DataFrame(rows).to_csv(index=False).encode())
    return rounds
