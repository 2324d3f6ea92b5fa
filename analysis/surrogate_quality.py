"""How well each surrogate ranks networks that it has not seen, against the number that it has.

    python -m analysis.surrogate_quality --table nas-bench-macro_cifar10.json

Kendall's tau on 600 other networks of a table, median and quartiles over seeds; all surrogates see the same
networks. Beside them stand a regression of the error, and the dearer network as the better one.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import process_time

import numpy as np

from analysis import command
from analysis.regression import ridge
from evo_bnas.cli import console
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.table import load_table
from evo_bnas.search.features import cost_column, features
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogates import SURROGATES
from evo_bnas.search.surrogates.cross_validation import kendall
from evo_bnas.search.surrogates.model import Sample, Surrogate

SIZES = (20, 30, 60, 100, 200, 400)
_UNSEEN = 600
_QUARTILES = (25, 50, 75)

COMPARED: Mapping[str, Surrogate] = {**SURROGATES, "ridge (regression)": ridge}


def taus(
    whole: Sample, cost: int, size: int, seeds: int, among: Mapping[str, Surrogate]
) -> dict[str, tuple[list[float], float]]:
    """By surrogate: tau for each seed, and the mean processor time of a fit in seconds."""
    found: dict[str, list[float]] = {name: [] for name in ["cost alone", *among]}
    seconds = dict.fromkeys(found, 0.0)
    for seed in range(seeds):
        order = np.random.default_rng([seed, size]).permutation(len(whole))
        seen, unseen = whole.rows(order[:size]), whole.rows(order[size : size + _UNSEEN])
        found["cost alone"].append(kendall(-unseen.features[:, cost], unseen.error))
        for name, surrogate in among.items():
            begin = process_time()
            model = surrogate(seen, np.random.default_rng(seed))
            seconds[name] += (process_time() - begin) / seeds
            found[name].append(kendall(model.score(unseen.features), unseen.error))
    return {name: (values, seconds[name]) for name, values in found.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    command.run(_run, _parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("analysis.surrogate_quality", __doc__)
    parser.add_argument("--table", type=Path, required=True, help="CSV, or the JSON of NAS-Bench-Macro")
    parser.add_argument("--objectives", default="error,flops", help="their first cost is `cost alone`")
    parser.add_argument("--seeds", type=int, default=5)
    return parser


def _run(asked: argparse.Namespace) -> None:
    space, table = load_table(asked.table)
    problem = Problem(space, tuple(name.strip() for name in asked.objectives.split(",")))
    networks = list(space.enumerate())
    error = np.array([score.objectives["error"] for score in table(networks)])
    whole = Sample(features(problem, networks), error, np.zeros(len(error)), np.zeros(len(error), dtype=bool))
    sizes = [size for size in SIZES if size + _UNSEEN <= len(whole)]
    if not sizes:
        raise UsageError(f"{asked.table}: {len(whole)} networks; at least {SIZES[0] + _UNSEEN} are needed")
    found = {size: taus(whole, cost_column(problem), size, asked.seeds, COMPARED) for size in sizes}
    names = list(found[sizes[0]])
    if asked.format == "table":
        rows = [[name, *(_cell(found[size][name][0]) for size in sizes)] for name in names]
        console.print_table(["tau", *(f"of {size}" for size in sizes)], rows, left=["tau"])
    else:
        console.print_json(
            {
                "table": space.name,
                "seeds": asked.seeds,
                "sizes": sizes,
                "surrogates": {
                    name: {
                        "tau_quartiles": [_quartiles(found[size][name][0]) for size in sizes],
                        "fit_seconds": [found[size][name][1] for size in sizes],
                    }
                    for name in names
                },
            }
        )


def _quartiles(values: Sequence[float]) -> list[float]:
    return [float(value) for value in np.percentile(values, _QUARTILES)]


def _cell(values: Sequence[float]) -> str:
    low, median, high = _quartiles(values)
    return f"{median:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
