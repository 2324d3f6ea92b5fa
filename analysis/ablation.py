"""What each part of the surrogate search contributes: the search without it, on a table of known scores.

Distinct evaluations until a fraction of the true hypervolume is covered, and what is covered at the end;
median and quartiles over seeds. All variants have the same seeds, batches and budget.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.shared.curves import GOALS, Curve, until_cells
from analysis.shared.markdown import quartiles, table
from analysis.shared.parts import Parts
from analysis.shared.regression import ridge
from analysis.shared.result import Result
from analysis.shared.study import Study, refuse_unknown
from analysis.shared.trial import Trial, searched
from evo_bnas.archive.archive import Archive
from evo_bnas.evaluate.table import load_table
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.local_search import LocalSearch
from evo_bnas.search.multi_population import MultiPopulation
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogate import SurrogateSearch
from evo_bnas.search.surrogates import SURROGATES

_POPULATION, _BATCH = 20, 8


class UniformStart(SurrogateSearch):
    """A surrogate search whose first networks have uniformly drawn genes instead of spread-out costs."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, _POPULATION)

    def propose(self, archive: Archive, n: int, rng: np.random.Generator) -> list[Candidate]:
        missing = _POPULATION - len(archive.proposals)
        if missing <= 0:
            return super().propose(archive, n, rng)
        batch = Batch(self._problem, archive, min(n, missing))
        for end in (self._problem.smallest(), self._problem.largest()):
            batch.add(Candidate(end, "start"))
        while batch.missing:
            batch.add(Candidate(self._problem.space.sample(rng), "start"))
        return batch.candidates


def _only(name: str) -> Callable[[Problem, int], Explorer]:
    """The search with one surrogate, instead of a choice between two."""
    return lambda problem, _: SurrogateSearch(problem, _POPULATION, among={name: SURROGATES[name]})


# By what is changed: the explorer for a problem and a budget.
VARIANTS: Mapping[str, Callable[[Problem, int], Explorer]] = {
    "default": lambda problem, _: SurrogateSearch(problem, _POPULATION),
    "two populations": lambda problem, _: MultiPopulation(problem, _POPULATION),
    "uniform start": lambda problem, _: UniformStart(problem),
    "pair-linear only": _only("pair-linear"),
    "pair-bt only": _only("pair-bt"),
    "regression: ridge": lambda problem, _: SurrogateSearch(problem, _POPULATION, among={"ridge": ridge}),
    "regression: Gaussian process": _only("gp"),
    "local search in the last third": lambda problem, budget: LocalSearch(
        SurrogateSearch(problem, _POPULATION), problem, after=budget - budget // 3
    ),
}


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--table", type=Path, required=True, help="CSV, or the JSON of NAS-Bench-Macro")
    parser.add_argument("--variants", nargs="+", default=tuple(VARIANTS), help="default: all")
    parser.add_argument("--objectives", nargs="+", default=("error", "flops"), help="default: error flops")
    parser.add_argument("--seeds", type=int, default=10, help="searches of each (default %(default)s)")
    parser.add_argument("--evaluations", type=int, default=120, help="of each (default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """The figures of every variant."""
    refuse_unknown("--variants", options.variants, VARIANTS)
    space, _ = load_table(options.table)
    problem = Problem(space, tuple(options.objectives))
    budget = options.evaluations

    def trial(name: str, seed: int) -> Trial:
        return searched(problem, VARIANTS[name](problem, budget), space, budget, _BATCH, seed)

    figures = {}
    for name in options.variants:
        trials = [parts.get(f"{name}-seed{seed}", trial, name, seed) for seed in range(options.seeds)]
        figures[name] = Curve([Trial(**own) for own in trials], problem, space).figures(budget)
    return figures


def render(result: Result) -> str:
    """One row for each variant."""
    columns = ["variant", *(f"to {goal}" for goal in GOALS), f"covered after {result.options['evaluations']}"]
    return table(
        columns,
        [
            [name, *until_cells(own), quartiles(own["covered"], "{:.4f}")]
            for name, own in result.figures.items()
        ],
    )


STUDY = Study(
    about=__doc__,
    section="What each part of the surrogate search contributes",
    minutes=3,
    measure=measure,
    render=render,
    options=options,
)
