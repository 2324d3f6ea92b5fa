"""How well a few measured latencies predict others, and how far two measurements of one network are apart.

Networks of different shapes, spread over ops as a search samples them, are all measured, and then all
measured again. A model of the latency is fitted to the first measurement of some networks, as explorers fit
it, and judged by the first measurement of the others; beside it, the same regression sees ops alone. Median
and quartiles over random splits.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.shared.markdown import percent, quartiles, table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.archive.ranking import MIN_NETWORKS
from evo_bnas.errors import UsageError
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.packed.latency import LatencyMeter
from evo_bnas.search.cost_model import fit
from evo_bnas.search.features import cost_column, features
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogates.cross_validation import kendall
from evo_bnas.space.catalogue import load
from evo_bnas.space.genes import Architecture, Space

SPACES = ("elastic-8", "nb201-binary-8", "binary-cell-8", "elastic-resnet-32")
_DRAWS = 20  # for each network; several draws may have the same shape
_QUARTILES = (25, 50, 75)


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--spaces", nargs="+", default=SPACES, help="default: " + " ".join(SPACES))
    parser.add_argument("--networks", type=int, default=120, help="of each space (default %(default)s)")
    parser.add_argument("--fitted", type=int, nargs="+", default=(20, 60), help="of these; default: 20 60")
    parser.add_argument("--splits", type=int, default=6, help="into fitted and others (default %(default)s)")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Quality of the estimates, and how far repeated measurements differ, by space."""
    for fitted in options.fitted:
        if not MIN_NETWORKS <= fitted <= options.networks - MIN_NETWORKS:
            raise UsageError(
                f"--fitted {fitted}: fit at least {MIN_NETWORKS} of the {options.networks} networks, "
                f"and leave at least {MIN_NETWORKS} to predict"
            )
    if options.splits < 1:
        raise UsageError(f"--splits {options.splits}: needs 1 split or more")
    figures = {}
    for space in map(load, options.spaces):
        networks = different_shapes(space, options.networks)
        ms = np.array(parts.get(space.name, measured_twice, list(networks.values())))
        problem = Problem(space, ("error", "latency_ms"))
        rows = features(problem, list(networks))
        seen = {
            "model": rows,
            f"{problem.sampling_cost} alone": rows[:, [cost_column(problem)]],
        }
        figures[space.name] = repeated(ms) | {
            "predicted": [
                {"fitted": fitted, "from": name} | held_out(part, ms[0], fitted, options.splits)
                for fitted in options.fitted
                for name, part in seen.items()
            ]
        }
    return figures


def different_shapes(space: Space, n: int) -> dict[Architecture, Blueprint]:
    """`n` networks of different shapes; raises UsageError if random draws do not give that many."""
    rng = np.random.default_rng(0)
    by_shape: dict[str, tuple[Architecture, Blueprint]] = {}
    for _ in range(_DRAWS * n):
        network = space.sample_cost_uniform(rng)
        blueprint = space.draw(network)
        by_shape.setdefault(blueprint.shape_key, (network, blueprint))
        if len(by_shape) == n:
            return dict(by_shape.values())
    raise UsageError(
        f"--networks {n}: {space.name} gave {len(by_shape)} different shapes in {_DRAWS * n} draws; "
        f"choose at most {len(by_shape)}"
    )


def measured_twice(blueprints: Sequence[Blueprint]) -> list[list[float]]:
    """Latencies in ms, (2, n); all networks are measured before the first one is measured again."""
    return [[meter(blueprint) for blueprint in blueprints] for meter in (LatencyMeter(), LatencyMeter())]


def held_out(rows: np.ndarray, ms: np.ndarray, fitted: int, splits: int) -> dict[str, list[float]]:
    """Quartiles over splits of tau and of the median relative error of what features (n, d) predict."""
    taus, errors = np.zeros((2, splits))
    for split in range(splits):
        order = np.random.default_rng([split, fitted]).permutation(len(ms))
        seen, unseen = order[:fitted], order[fitted:]
        estimated = fit(rows[seen], ms[seen]).estimate(rows[unseen])
        taus[split] = kendall(estimated, ms[unseen])
        errors[split] = np.median(np.abs(estimated / ms[unseen] - 1))
    return {
        "tau": np.percentile(taus, _QUARTILES).tolist(),
        "error": np.percentile(errors, _QUARTILES).tolist(),
    }


def repeated(ms: np.ndarray) -> dict[str, Any]:
    """How far two rows of latencies (2, n) are apart: the longer over the shorter, less 1."""
    apart = ms.max(axis=0) / ms.min(axis=0) - 1
    return {
        "ms": [float(ms.min()), float(ms.max())],
        "apart": {"median": float(np.median(apart)), "most": float(apart.max())},
    }


def render(result: Result) -> str:
    """One row for each space and number of fitted networks."""
    columns = ["space", "networks fitted", "tau", "median error", "with ops alone: tau", "median error",
               "two measurements apart: median", "most"]  # fmt: skip
    rows = []
    for space, own in result.figures.items():
        for fitted in result.options["fitted"]:
            cells = [space, f"{fitted} of {result.options['networks']}"]
            for prediction in own["predicted"]:
                if prediction["fitted"] == fitted:
                    cells += [quartiles(prediction["tau"]), percent(prediction["error"][1], 1)]
            rows.append([*cells, *(percent(apart, 1) for apart in own["apart"].values())])
    return table(columns, rows)


STUDY = Study(
    about=__doc__,
    section="How well measured latencies predict others",
    minutes=15,
    measure=measure,
    render=render,
    options=options,
    timing=True,
)
