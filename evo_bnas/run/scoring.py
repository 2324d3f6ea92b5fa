"""Score given networks into a journal: those to be confirmed, and those that measure a ranking."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evo_bnas.archive.archive import Archive
from evo_bnas.archive.journal import Journal
from evo_bnas.cluster.access import open_engine
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.evaluate.engine import Evaluator
from evo_bnas.progress import Report
from evo_bnas.run.folder import Run
from evo_bnas.search.design import Design
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture


def score(
    run: Run,
    networks: Sequence[Architecture],
    evaluator: Evaluator,
    settings: EngineSettings,
    file: Path,
    stage: str,
    report: Report,
) -> Archive:
    """Score what the journal does not hold yet; returns all that it holds, also other networks."""
    problem = Problem(run.space, ("error", "ops"))
    max_attempts = run.recipe.search.max_attempts
    file.parent.mkdir(parents=True, exist_ok=True)
    with Journal(file, run.space) as journal:
        new = sum(network not in journal.archive.architectures for network in networks)
        evaluations = journal.archive.charged + new
        left = journal.archive.remaining(evaluations, max_attempts)
        with open_engine(settings, evaluator, left, run.compute.device, run.folder) as engine:
            search(
                problem,
                Design(problem, networks),
                engine,
                journal,
                evaluations=evaluations,
                batch=1,  # so that an interrupted call for many networks does not bind a later one for few
                seed=run.recipe.seed,
                max_attempts=max_attempts,
                report=lambda step: report(replace(step, stage=stage, unit="networks", figures="")),
            )
        return journal.archive
