"""How many evaluations a search needs, on a table of known scores: this library, pymoo and Optuna.

The measure is the number of distinct evaluations until a fraction of the true hypervolume is covered; median
and quartiles over seeds.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.shared.curves import GOALS, Curve, until_cells
from analysis.shared.markdown import quartiles, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study, refuse_unknown
from analysis.shared.trial import Trial, searched
from evo_bnas.evaluate.table import load_table
from evo_bnas.search import EXPLORERS
from evo_bnas.search.local_search import LocalSearch
from evo_bnas.search.problem import Problem
from evo_bnas.space.table import TableSpace

_POPULATION, _BATCH = 20, 8


@dataclass(frozen=True, slots=True)
class Method:
    """A search of this library or of another one, and its budget."""

    label: str
    evaluations: int = 800  # distinct ones
    seeds: int | None = None  # at most; for methods that take long
    local_search: int = 0  # of the evaluations, at the end
    peer: bool = False


METHODS: Mapping[str, Method] = {
    "surrogate": Method("`surrogate`", evaluations=300, local_search=60),
    "nsga2": Method("`nsga2`"),
    "bins": Method("`bins`"),
    "random": Method("`random`, spread over the cost"),
    "aging": Method("`aging`"),
    "pymoo-nsga2-100": Method("pymoo NSGA-II, population 100 (default)", peer=True),
    "pymoo-nsga2-40": Method("pymoo NSGA-II, population 40", peer=True),
    "pymoo-nsga2-20": Method("pymoo NSGA-II, population 20", peer=True),
    "optuna-nsga2-50": Method("Optuna NSGA-II, population 50 (default)", peer=True),
    "optuna-nsga2-20": Method("Optuna NSGA-II, population 20", peer=True),
    "optuna-tpe": Method("Optuna TPE", evaluations=250, seeds=3, peer=True),
}
TWO, THREE = ("error", "flops"), ("error", "flops", "params")
COMPARED = {TWO: tuple(METHODS), THREE: ("surrogate", "nsga2", "random")}


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--table", type=Path, required=True, help="CSV, or the JSON of NAS-Bench-Macro")
    parser.add_argument("--methods", nargs="+", default=tuple(METHODS), help=f"default: {' '.join(METHODS)}")
    parser.add_argument("--seeds", type=int, default=10, help="searches of each method (default %(default)s)")
    parser.add_argument(
        "--evaluations", type=int, default=800, help="at most, of each search (default %(default)s)"
    )


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """The figures of every method, by objectives."""
    refuse_unknown("--methods", options.methods, METHODS)
    space, _ = load_table(options.table)
    return {
        ", ".join(objectives): {
            name: _figures(name, Problem(space, objectives), space, options, parts)
            for name in names
            if name in options.methods
        }
        for objectives, names in COMPARED.items()
    }


def _figures(
    name: str, problem: Problem, space: TableSpace, options: Namespace, parts: Parts
) -> dict[str, Any]:
    method = METHODS[name]
    evaluations = min(method.evaluations, options.evaluations)
    trials = [
        parts.get(
            f"{name}-{len(problem.objectives)}-seed{seed}", _trial, name, problem, space, evaluations, seed
        )
        for seed in range(min(options.seeds, method.seeds or options.seeds))
    ]
    return Curve([Trial(**trial) for trial in trials], problem, space).figures(evaluations)


def _trial(name: str, problem: Problem, space: TableSpace, evaluations: int, seed: int) -> Trial:
    method = METHODS[name]
    if method.peer:
        from analysis.shared.peers import PEERS  # Optuna, which only this needs

        return PEERS[name](problem, space, evaluations, seed)
    explorer = EXPLORERS[name](problem, _POPULATION)
    if method.local_search:
        explorer = LocalSearch(explorer, problem, after=max(evaluations - method.local_search, 0))
    return searched(problem, explorer, space, evaluations, _BATCH, seed)


def render(result: Result) -> str:
    """One table for each set of objectives."""
    columns = ["method", *(f"to {goal}" for goal in GOALS), "covered", "after", "calls per distinct", "seeds"]
    return "\n\n".join(
        f"Objectives {objectives}:\n\n"
        + table(
            columns,
            [
                [
                    METHODS[name].label,
                    *until_cells(own),
                    quartiles(own["covered"], "{:.4f}"),
                    f"{own['evaluations']}",
                    f"{own['calls_per_distinct']:.2f}",
                    f"{own['seeds']}",
                ]
                for name, own in by_method.items()
            ],
        )
        for objectives, by_method in result.figures.items()
    )


STUDY = Study(
    about=__doc__,
    section="Evaluations to the front",
    minutes=10,
    measure=measure,
    render=render,
    options=options,
)
