"""How well each surrogate ranks unseen networks, by the number of networks that it is fitted to.

Kendall's tau on other networks of a table, median and quartiles over seeds; all surrogates see the same
networks. Beside them: a regression of the error, and the more expensive network as the better one.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.shared.markdown import quartiles, table
from analysis.shared.parts import Parts
from analysis.shared.regression import ridge
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.table import load_table
from evo_bnas.search.features import cost_column, features
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogates import SURROGATES
from evo_bnas.search.surrogates.cross_validation import kendall
from evo_bnas.search.surrogates.model import Sample, Surrogate

_UNSEEN = 600
_COST_ALONE = "cost alone"

COMPARED: Mapping[str, Surrogate] = {**SURROGATES, "ridge (regression)": ridge}


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--table", type=Path, required=True, help="CSV, or the JSON of NAS-Bench-Macro")
    parser.add_argument(
        "--objectives", nargs="+", default=("error", "flops"), help="the first cost is `cost alone`"
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=(20, 30, 60, 100, 200, 400), help="networks that are seen"
    )
    parser.add_argument("--seeds", type=int, default=5, help="(default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Quartiles of tau by surrogate, one entry for each size."""
    space, scores = load_table(options.table)
    problem = Problem(space, tuple(options.objectives))
    networks = list(space.enumerate())
    if max(options.sizes) + _UNSEEN > len(networks):
        raise UsageError(
            f"--sizes {max(options.sizes)}: the other {_UNSEEN} networks are missing, since "
            f"{options.table.name} has {len(networks)}; choose sizes of at most {len(networks) - _UNSEEN}"
        )
    error = np.array([score.objectives["error"] for score in scores(networks)])
    whole = Sample(features(problem, networks), error, np.zeros(len(error)), np.zeros(len(error), dtype=bool))
    taus = {
        size: parts.get(f"{size}", _taus, whole, cost_column(problem), size, options.seeds)
        for size in options.sizes
    }
    return {
        name: [np.percentile(taus[size][name], (25, 50, 75)).tolist() for size in options.sizes]
        for name in (_COST_ALONE, *COMPARED)
    }


def _taus(whole: Sample, cost: int, size: int, seeds: int) -> dict[str, list[float]]:
    """Tau for each seed, by surrogate."""
    taus: dict[str, list[float]] = {name: [] for name in (_COST_ALONE, *COMPARED)}
    for seed in range(seeds):
        order = np.random.default_rng([seed, size]).permutation(len(whole))
        seen, unseen = whole.rows(order[:size]), whole.rows(order[size : size + _UNSEEN])
        taus[_COST_ALONE].append(kendall(-unseen.features[:, cost], unseen.error))
        for name, surrogate in COMPARED.items():
            model = surrogate(seen, np.random.default_rng(seed))
            taus[name].append(kendall(model.score(unseen.features), unseen.error))
    return taus


def render(result: Result) -> str:
    """One row for each surrogate."""
    columns = ["surrogate", *(f"{size} networks" for size in result.options["sizes"])]
    return table(columns, [[name, *map(quartiles, by_size)] for name, by_size in result.figures.items()])


STUDY = Study(
    about=__doc__,
    section="How well surrogates rank unseen networks",
    minutes=5,
    measure=measure,
    render=render,
    options=options,
)
