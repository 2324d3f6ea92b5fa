"""How well the supernet of a run ranks networks: the same ones are trained alone, and the errors compared."""

from dataclasses import replace
from statistics import fmean

import pandas as pd

from evo_bnas import findings, workflow
from evo_bnas.cluster import open_engine
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Evaluator
from evo_bnas.evaluate.evaluators import SupernetEvaluator
from evo_bnas.progress import Report, silent
from evo_bnas.recipe import Engine
from evo_bnas.results.fidelity import LEAST
from evo_bnas.results.journal import Journal, read
from evo_bnas.retraining import stand_alone
from evo_bnas.run import Run
from evo_bnas.score import EXACT
from evo_bnas.search.design import Design, spread
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

Errors = dict[str, float]  # of the networks that could be scored, by key


def measure(
    run: Run, networks: int = 24, *, epochs: int | None = None, seeds: int = 1, report: Report = silent
) -> findings.Fidelity:
    """Score networks spread over the ops with the supernet and, each trained from scratch, alone.

    Trainings are as the recipe retrains, but for `epochs` and for their seeds, which count from that of the
    run; they run side by side where the recipe asks for workers. Each way to score has a journal of its own:
    the same call continues what was interrupted, and one for more networks or seeds adds to what is there.
    Writes table and picture. Raises UsageError where the run has no supernet, where there are fewer than 3
    networks to train, and where fewer have scores.
    """
    run.need_supernet()
    limits = {name: limit for name, limit in run.recipe.search.limits.items() if name in EXACT}
    problem = Problem(run.space, ("error", "ops"), limits)
    chosen = spread(problem, networks, run.recipe.seed)
    if len(chosen) < LEAST:
        raise UsageError(
            f"a ranking is judged by {LEAST} networks or more, and there are {len(chosen)}; "
            "ask for more, of a space and with search.limits that leave as many"
        )
    run.fidelity.mkdir(exist_ok=True)
    with run.lock(run.fidelity):
        supernet = workflow.evaluator(run)
        name = f"supernet-{supernet.weights}-{supernet.conditions.hash}"
        known = _search_first(run, supernet)
        estimated = _errors(run, problem, chosen, known, Engine(), name, "supernet", report)
        measured = {}
        for seed in range(run.recipe.seed, run.recipe.seed + seeds):
            alone = stand_alone(run, epochs, seed)
            name, stage = f"stand-alone-{alone.protocol}", f"stand-alone, seed {seed}"
            measured[seed] = _errors(run, problem, chosen, alone, run.recipe.engine, name, stage, report)
        rows = [
            {
                "key": one.key,
                **run.space.costs(one),
                "epochs": epochs or run.recipe.retrain.epochs,
                "supernet_error": estimated[one.key],
                "error": fmean(errors[one.key] for errors in measured.values()),
                **{f"error_seed{seed}": errors[one.key] for seed, errors in measured.items()},
            }
            for one in chosen
            if all(one.key in errors for errors in (estimated, *measured.values()))
        ]
        if len(rows) < LEAST:
            raise UsageError(
                f"a ranking is judged by {LEAST} networks or more, and {len(rows)} of {len(chosen)} could be "
                f"scored; {run.fidelity} tells why; ask for more with --networks"
            )
        return findings.draw_fidelity(run, pd.DataFrame(rows))


def _errors(
    run: Run,
    problem: Problem,
    chosen: list[Architecture],
    scorer: Evaluator,
    hands: Engine,
    name: str,
    stage: str,
    report: Report,
) -> Errors:
    """Score what the journal of this name has no scores of, as a search would; all of its errors."""
    asked, attempts = len(chosen), run.recipe.search.attempts
    with Journal(run.fidelity / f"{name}.jsonl") as book:
        left = book.archive.left(asked, attempts)
        with open_engine(hands, scorer, left, run.compute.device, run.folder) as engine:
            search(
                problem,
                Design(chosen),
                engine,
                book,
                evaluations=asked,
                batch=1,  # so that an interrupted call for many networks binds no later one for few
                seed=run.recipe.seed,
                attempts=attempts,
                report=lambda step: report(replace(step, stage=stage, unit="networks", figures="")),
            )
        return {proposal.key: score.objectives["error"] for proposal, score in book.archive.scored}


def _search_first(run: Run, scorer: SupernetEvaluator) -> Evaluator:
    """The supernet's scores: those of the search where it met a network, else new ones."""
    met = read(run.journal_file).scored if run.journal_file.exists() else []
    now = (scorer.weights, scorer.conditions.hash)
    known = {proposal.key: score for proposal, score in met if (score.weights, score.protocol) == now}
    return lambda architectures: [known.get(one.key) or scorer([one])[0] for one in architectures]
