"""Does NSGA-II reach a better front than random search with equal evaluations, on a run's supernet?

The supernet of a recipe is trained once. Both explorers search with every seed and start from the same
design, so seeds are pairs. The measure is the normalised hypervolume after half of the evaluations and after
all.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from analysis.shared.markdown import table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.archive.front import hypervolume_trace
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.evaluate.engine import Evaluator, InProcess
from evo_bnas.run import inputs
from evo_bnas.run.start import start
from evo_bnas.run.train import train
from evo_bnas.search import EXPLORERS
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.search.settings import SearchSettings
from evo_bnas.space.genes import Architecture

_TIE = 1e-9  # hypervolumes that differ by less are equal
_RESAMPLES = 10_000


class Cached:
    """An evaluator that scores every architecture once."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._scores: dict[Architecture, Score] = {}

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        for architecture in architectures:
            if architecture not in self._scores:
                (self._scores[architecture],) = self._evaluator([architecture])
        return [self._scores[architecture] for architecture in architectures]


def trace(problem: Problem, name: str, evaluator: Evaluator, evaluations: int, seed: int) -> list[float]:
    """Normalised hypervolume after every evaluation of a search."""
    settings = SearchSettings()
    with TemporaryDirectory() as folder, Journal(Path(folder) / "journal.jsonl", problem.space) as journal:
        search(
            problem,
            EXPLORERS[name](problem, settings.population),
            InProcess(evaluator),
            journal,
            evaluations=evaluations,
            batch=settings.batch,
            seed=seed,
        )
        volumes = hypervolume_trace(journal.archive.frame(), problem.objectives, problem.bounds())
    # If the space is exhausted before the budget, the hypervolume stays.
    return volumes + volumes[-1:] * (evaluations - len(volumes))


def comparison(nsga2: Sequence[float], random: Sequence[float]) -> dict[str, Any]:
    """The difference of two columns of hypervolumes, one value a seed.

    The interval is the 95 % percentile bootstrap interval of the mean difference (Efron, 1979).
    """
    differences = np.subtract(nsga2, random)
    draws = np.random.default_rng(0).choice(differences, (_RESAMPLES, len(differences)))
    return {
        "nsga2": list(nsga2),
        "random": list(random),
        "difference": float(differences.mean()),
        "interval": np.percentile(draws.mean(axis=1), [2.5, 97.5]).tolist(),
        "wins": int((differences > _TIE).sum()),
        "ties": int((np.abs(differences) <= _TIE).sum()),
    }


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--recipe", default="digits", help="(default %(default)s)")
    parser.add_argument("--set", nargs="+", default=(), metavar="KEY=VALUE", help="changes of the recipe")
    parser.add_argument("--seeds", type=int, default=10, help="searches of each (default %(default)s)")
    parser.add_argument("--evaluations", type=int, default=200, help="of each (default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """The comparison after half of the evaluations and after all."""
    run = start(options.recipe, parts.folder / "run", options.set)
    train(run)
    problem, evaluator = Problem(run.space, SearchSettings().objectives), Cached(inputs.evaluator(run))
    count = options.evaluations

    def traces(name: str) -> np.ndarray:
        return np.array(
            [
                parts.get(f"{name}-seed{seed}", trace, problem, name, evaluator, count, seed)
                for seed in range(options.seeds)
            ]
        )

    nsga2, random = traces("nsga2"), traces("random")
    return {
        str(after): comparison(nsga2[:, after - 1].tolist(), random[:, after - 1].tolist())
        for after in (count // 2, count)
    }


def render(result: Result) -> str:
    """One row for each number of evaluations."""
    columns = ["evaluations", "`nsga2`, median", "`random`, median", "mean difference [95 %]", "wins", "ties"]
    rows = []
    for evaluations, own in result.figures.items():
        low, high = own["interval"]
        rows.append(
            [
                evaluations,
                *(f"{np.median(own[name]):.4f}" for name in ("nsga2", "random")),
                f"{own['difference']:+.4f} [{low:+.4f}, {high:+.4f}]",
                f"{own['wins']} of {len(own['nsga2'])} seeds",
                f"{own['ties']}",
            ]
        )
    return table(columns, rows)


STUDY = Study(
    about=__doc__,
    section="NSGA-II against random search",
    minutes=10,
    measure=measure,
    render=render,
    options=options,
)
