"""What each part of the surrogate search contributes: the search without it, on a table of known answers.

    python -m analysis.ablation --table nas-bench-macro_cifar10.json

Distinct evaluations until 0.99 and 0.999 of the true hypervolume and what is covered at the end, median and
quartiles over seeds. All variants have the same seeds, batches and budget.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from analysis import command
from analysis.regression import ridge
from analysis.search_efficiency import GOALS, Curve, Method, compare
from analysis.trial import Trial
from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.cli import console
from evo_bnas.errors import UsageError, suggestion
from evo_bnas.evaluate.table import Table, load_table
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.local_search import LocalSearch
from evo_bnas.search.multi_population import MultiPopulation
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogate import SurrogateSearch
from evo_bnas.search.surrogates import SURROGATES
from evo_bnas.space.table import TableSpace

_POPULATION = 20


class UniformStart(Explorer):
    """A search by surrogate whose first networks have uniformly drawn genes instead of spread-out costs."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, start=0, fill=False)
        self._explorer = SurrogateSearch(problem, _POPULATION)

    def propose(self, archive: Archive, n: int, rng: np.random.Generator) -> list[Candidate]:
        missing = _POPULATION - len(archive.proposals)
        if missing <= 0:
            return self._explorer.propose(archive, n, rng)
        return super().propose(archive, min(n, missing), rng)

    def _propose(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> Iterator[Candidate]:
        yield Candidate(self._problem.smallest(), "start")
        yield Candidate(self._problem.largest(), "start")
        while True:
            yield Candidate(self._problem.space.sample(rng), "start")


def _with(name: str) -> "Callable[[Problem, int], Explorer]":
    """The search with one surrogate, instead of a choice between two."""
    return lambda problem, _: SurrogateSearch(problem, _POPULATION, among={name: SURROGATES[name]})


# By what is changed: the explorer for a problem and a budget.
VARIANTS: Mapping[str, Callable[[Problem, int], Explorer]] = {
    "as it is": lambda problem, _: SurrogateSearch(problem, _POPULATION),
    "two populations": lambda problem, _: MultiPopulation(problem, _POPULATION),
    "uniform start": lambda problem, _: UniformStart(problem),
    "pair-linear only": _with("pair-linear"),
    "pair-bt only": _with("pair-bt"),
    "regression: ridge": lambda problem, _: SurrogateSearch(problem, _POPULATION, among={"ridge": ridge}),
    "regression: gp": _with("gp"),
    "polish for the last third": lambda problem, budget: LocalSearch(
        SurrogateSearch(problem, _POPULATION), problem, after=budget - budget // 3
    ),
}


class Variant:
    """A search as `compare` runs it, in batches."""

    def __init__(self, make: Callable[[Problem, int], Explorer], batch: int) -> None:
        self._make = make
        self._batch = batch

    def __call__(self, problem: Problem, space: TableSpace, evaluations: int, seed: int) -> Trial:
        explorer = self._make(problem, evaluations)
        table = Table(space.scores)
        archive = Archive()
        begin = perf_counter()
        while (known := len(archive.proposals)) < evaluations:
            rng = np.random.default_rng([seed, known])
            candidates = explorer.propose(archive, min(self._batch, evaluations - known), rng)
            if not candidates:
                break
            for id, candidate in enumerate(candidates, known):
                archive.add_proposal(
                    Proposal(id, candidate.architecture, candidate.origin, known, candidate.predicted)
                )
            for id, score in enumerate(table([c.architecture for c in candidates]), known):
                archive.add_score(id, score)
        seconds = perf_counter() - begin
        return Trial.of([proposal.key for proposal in archive.proposals], evaluations, seconds)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    command.run(_run, _parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("analysis.ablation", __doc__)
    parser.add_argument("--table", type=Path, required=True, help="CSV, or the JSON of NAS-Bench-Macro")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="names with commas between")
    parser.add_argument("--objectives", default="error,flops", help="names with commas")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=150)
    parser.add_argument("--batch", type=int, default=8)
    return parser


def _run(asked: argparse.Namespace) -> None:
    space, _ = load_table(asked.table)
    problem = Problem(space, tuple(name.strip() for name in asked.objectives.split(",")))
    methods: dict[str, Method] = {}
    for name in asked.variants.split(","):
        if name not in VARIANTS:
            raise UsageError(f"--variants: unknown variant {name!r}; {suggestion(name, VARIANTS)}")
        methods[name] = Variant(VARIANTS[name], asked.batch)
    curves = compare(methods, problem, space, asked.evaluations, asked.seeds)
    if asked.format == "table":
        columns = ["variant", *(f"evaluations to {goal}" for goal in GOALS), f"after {asked.evaluations}"]
        console.print_table(columns, [_row(curve, asked.evaluations) for curve in curves], left=["variant"])
    else:
        console.print_json(
            {
                "table": space.name,
                "objectives": list(problem.objectives),
                "seeds": asked.seeds,
                "evaluations": asked.evaluations,
                "variants": {
                    curve.name: {
                        **{
                            f"to_{goal}": [
                                value if np.isfinite(value) else None for value in curve.until(goal)
                            ]
                            for goal in GOALS
                        },
                        f"after_{asked.evaluations}": curve.after(asked.evaluations),
                    }
                    for curve in curves
                },
            }
        )


def _row(curve: Curve, evaluations: int) -> list[str]:
    cells = []
    for goal in GOALS:
        low, median, high = (
            f"{value:.0f}" if np.isfinite(value) else f">{evaluations}" for value in curve.until(goal)
        )
        cells.append(f"{median} ({low} to {high})")
    low, median, high = (f"{value:.4f}" for value in curve.after(evaluations))
    return [curve.name, *cells, f"{median} ({low} to {high})"]


if __name__ == "__main__":
    main()
