"""Check how well the supernet of a run ranks networks: train some of them alone and compare the errors."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import pandas as pd

from evo_bnas.archive.archive import Archive
from evo_bnas.archive.journal import read
from evo_bnas.archive.ranking import MIN_NETWORKS
from evo_bnas.cluster.settings import EngineSettings
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import Evaluator
from evo_bnas.evaluate.supernet import SupernetEvaluator
from evo_bnas.network.objectives import EXACT
from evo_bnas.progress import Report, silent
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.network_training import short_training
from evo_bnas.run.results import RankingResults
from evo_bnas.run.scoring import score
from evo_bnas.search.design import spread
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture


def check_ranking(
    run: Run, networks: int = 24, *, epochs: int | None = None, seeds: int = 1, report: Report = silent
) -> RankingResults:
    """Score networks spread over the ops with the supernet, and train each of them alone from scratch.

    Trainings follow the recipe except for `epochs` and their seeds, which count from that of the run; they
    run in parallel if the recipe has workers. Every protocol has its own journal: the same call resumes
    after an interruption, and a call for more networks or seeds adds to what is there. Writes table and
    figure. Raises UsageError if the run has no supernet, or if fewer than 3 networks can be scored.
    """
    run.need_supernet()
    limits = {name: limit for name, limit in run.recipe.search.limits.items() if name in EXACT}
    problem = Problem(run.space, ("error", "ops"), limits)
    design = spread(problem, networks, run.recipe.seed)
    if len(design) < MIN_NETWORKS:
        raise UsageError(
            f"a ranking needs {MIN_NETWORKS} networks or more, and there are {len(design)}; ask for more, or "
            "loosen search.limits in a new run"
        )
    run.ranking.mkdir(exist_ok=True)
    with run.lock(run.ranking):
        supernet = inputs.evaluator(run)
        file = run.ranking / f"supernet-{supernet.weights}-{supernet.protocol.hash}.jsonl"
        scorer = _search_scores_first(run, supernet)
        estimated = _errors(score(run, design, scorer, EngineSettings(), file, "supernet", report))
        trained = {}
        for seed in range(run.recipe.seed, run.recipe.seed + seeds):
            alone = short_training(run, "scratch", epochs, seed)
            file = run.ranking / f"stand-alone-{alone.protocol_hash}.jsonl"
            stage = f"stand-alone, seed {seed}"
            trained[seed] = _errors(score(run, design, alone, run.recipe.engine, file, stage, report))
        rows = _rows(run, design, epochs or run.recipe.retrain.epochs, estimated, trained)
        if len(rows) < MIN_NETWORKS:
            raise UsageError(
                f"a ranking needs {MIN_NETWORKS} networks or more, and {len(rows)} of {len(design)} could be "
                f"scored; the reasons are in {run.ranking}; ask for more with --networks"
            )
        return RankingResults.write(run, pd.DataFrame(rows))


def _rows(
    run: Run,
    design: Sequence[Architecture],
    epochs: int,
    estimated: Mapping[str, float],
    trained: Mapping[int, Mapping[str, float]],
) -> list[dict[str, object]]:
    """The networks that the supernet and every seed could score, with their errors."""
    return [
        {
            "key": network.key,
            **run.space.costs(network),
            "epochs": epochs,
            "supernet_error": estimated[network.key],
            "error": fmean(errors[network.key] for errors in trained.values()),
            **{f"error_seed{seed}": errors[network.key] for seed, errors in trained.items()},
        }
        for network in design
        if all(network.key in errors for errors in (estimated, *trained.values()))
    ]


def _errors(archive: Archive) -> dict[str, float]:
    """The errors of all scored networks by key."""
    return {proposal.key: score.objectives["error"] for proposal, score in archive.scored}


def _search_scores_first(run: Run, evaluator: SupernetEvaluator) -> Evaluator:
    """An evaluator that reuses the scores of the search and computes only the others."""
    scored = read(run.journal_file, run.space).scored if run.journal_file.exists() else []
    now = (evaluator.weights, evaluator.protocol.hash)
    known = {proposal.key: own for proposal, own in scored if (own.weights, own.protocol) == now}
    return lambda architectures: [known.get(one.key) or evaluator([one])[0] for one in architectures]
