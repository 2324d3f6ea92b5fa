"""How well short trainings rank networks, and which way to use them picks best.

Networks are trained as a user trains them in the end: with weights of the supernet, on all images but the
test split. Their test errors are the truth for the supernet's estimates, for trainings of one and of three
epochs, for all of these together, and for ops alone. The truth is written as a table, as `standalone_table`
writes it.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from analysis.shared import small_images
from analysis.shared.error_table import ErrorTable
from analysis.shared.markdown import table
from analysis.shared.parts import Parts
from analysis.shared.result import Result
from analysis.shared.study import Study
from evo_bnas.archive.expected import expected_errors
from evo_bnas.archive.pick import pick
from evo_bnas.archive.ranking import Estimate, agreement, between_seeds
from evo_bnas.evaluate.supernet import correctly_classified, error_of
from evo_bnas.files.shipped import shipped
from evo_bnas.progress import silent
from evo_bnas.run import inputs
from evo_bnas.run.folder import Run
from evo_bnas.run.network_training import NetworkTraining, short_training
from evo_bnas.run.start import start
from evo_bnas.run.train import train
from evo_bnas.search.design import spread
from evo_bnas.search.halving import nearest_to_front
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

_RUNGS = (1, 3)  # epochs
_POOL, _POOLS = 16, 300  # networks of a simulated search, and how many are simulated
_FIRST, _LATER = 8, 3  # networks of the rungs in a simulated halving
_LOOP = 6  # networks that a loop trains for 3 epochs, in about as many epochs
_START = 3  # of these


def options(parser: ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--images", type=Path, required=True, help="folder of CIFAR-10")
    parser.add_argument("--networks", type=int, default=48, help="(default %(default)s)")
    parser.add_argument("--seeds", type=int, default=2, help="final trainings (default %(default)s)")
    parser.add_argument("--set", nargs="+", default=(), metavar="KEY=VALUE", help="changes of the recipe")
    parser.add_argument("--out", type=Path, default=shipped("tables"), help="folder of the table")


def measure(options: Namespace, parts: Parts) -> dict[str, Any]:
    """Train the networks, then compare."""
    recipe = small_images.recipe(options.images, parts.folder)
    run = start(recipe, parts.folder / "run", list(options.set))
    train(run)
    networks = spread(Problem(run.space, ("error", "ops")), options.networks, seed=0)
    rows = pd.DataFrame([parts.get(network.key, _row, run, network, options.seeds) for network in networks])
    file = ErrorTable(options.out / "cifar10-16-finetuned.csv", run.space, options.seeds)
    file.open(_protocol(run))
    finals = {file.options(one): list(own) for one, own in zip(networks, rows["finals"], strict=True)}
    file.write(networks, finals)
    return {"networks": len(rows), "rankings": rankings(rows), "ways": ways(rows, small_images.BUDGETS)}


def _row(run: Run, network: Architecture, seeds: int) -> dict[str, Any]:
    """All that is measured of one network."""
    (score,) = inputs.evaluator(run)([network])
    row = {"key": network.key, "ops": run.space.costs(network)["ops"]}
    row |= {"error": score.objectives["error"], "correct": score.correct}
    for epochs in _RUNGS:
        (score,) = short_training(run, "supernet", epochs, run.recipe.seed)([network])
        row |= {f"error_{epochs}": score.objectives["error"], f"correct_{epochs}": score.correct}
    return row | {"finals": [_final(run, network, seed) for seed in range(seeds)]}


def _final(run: Run, network: Architecture, seed: int) -> float:
    """The test error after the final training."""
    images = inputs.images(run)
    training = NetworkTraining(run, run.recipe.retrain, seed)
    built = training.untrained(network, images.train)
    both = images.train.join(images.search)
    for checkpoint in training.train(built, f"final-{seed}-{network.key}", both, silent):
        checkpoint.remove()
    batch = run.recipe.evaluate.batch
    return error_of(correctly_classified(built.eval(), images.test, images.test.y, batch))


def _protocol(run: Run) -> dict[str, Any]:
    return {
        "space": run.space.name,
        "space_hash": run.space.hash,
        "genes": [gene.name for gene in run.space.genes],
        "data": inputs.images(run).card().model_dump(mode="json"),
        "errors": "fraction of wrong answers on the test part, which no training saw",
        "training": run.recipe.retrain.model_dump(mode="json", by_alias=True),
        "supernet": run.recipe.supernet.model_dump(mode="json"),
    }


def rankings(rows: pd.DataFrame) -> dict[str, Any]:
    """Tau of each predictor with the truth, over all networks and in bands of equal ops."""
    truth = np.array([fmean(own) for own in rows["finals"]])
    predictors = {
        "supernet": rows["error"],
        **{f"{epochs} epochs" if epochs > 1 else "1 epoch": rows[f"error_{epochs}"] for epochs in _RUNGS},
        "all together": expected_errors(rows, [_rung(rows, epochs) for epochs in _RUNGS])[-1].mean,
    }
    figures = {}
    for name, errors in predictors.items():
        compared = agreement(np.asarray(errors, dtype=float), truth, rows["ops"])
        figures[name] = [_values(compared.estimated.tau), _values(compared.estimated.tau_in_bands)]
    figures["ops alone"] = [_values(compared.ops.tau), _values(compared.ops.tau_in_bands)]
    return {"predictors": figures, "between_seeds": between_seeds(np.array(rows["finals"].tolist()).T)}


def ways(rows: pd.DataFrame, budgets: Sequence[float]) -> dict[str, list[float]]:
    """The mean regret of each way to pick, by budget, over random pools of the networks."""
    rng = np.random.default_rng(0)
    truth = {key: fmean(own) for key, own in zip(rows["key"], rows["finals"], strict=True)}
    regrets: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    for _ in range(_POOLS):
        pool = rows.iloc[rng.permutation(len(rows))[:_POOL]].reset_index(drop=True)
        for name, way in WAYS.items():
            estimates = expected_errors(pool, way(pool))[-1]
            judged = pool.assign(expected=estimates.mean, deviation=estimates.deviation, status="ok")
            own = []
            for budget in budgets:
                within = pool[pool["ops"] <= budget]
                best = min((truth[key] for key in within["key"]), default=np.nan)
                chosen = truth[pick(judged, {"ops": budget}).key] if len(within) else np.nan
                own.append(chosen - best)
            regrets[name].append(own)
    return {name: np.nanmean(own, axis=0).tolist() for name, own in regrets.items()}


def _none(pool: pd.DataFrame) -> list[pd.DataFrame]:
    return []


def _halving(pool: pd.DataFrame) -> list[pd.DataFrame]:
    """As `evo_bnas.run.confirm`: fewer networks for longer."""
    rungs: list[pd.DataFrame] = []
    for number, epochs in zip((_FIRST, _LATER), _RUNGS, strict=True):
        rungs.append(_rung(_best(pool, rungs, number), epochs))
    return rungs


def _loop(pool: pd.DataFrame) -> list[pd.DataFrame]:
    """One network after the other for 3 epochs, each the best by what is known after the one before.

    The supernet's estimate is a feature of the model, as in OMNI and in the lower level of NSGANetV2.
    """
    known = _best(pool, [], _START)
    while len(known) < _LOOP:
        rows = _best(pool, [_rung(known, _RUNGS[-1])], len(known) + 1)
        known = pd.concat([known, rows[~rows["key"].isin(known["key"])].head(1)])
    return [_rung(known, _RUNGS[-1])]


def _wide(pool: pd.DataFrame) -> list[pd.DataFrame]:
    """All networks for 1 epoch."""
    return [_rung(pool, _RUNGS[0])]


WAYS: Mapping[str, Callable[[pd.DataFrame], list[pd.DataFrame]]] = MappingProxyType(
    {"not confirmed": _none, "halving": _halving, "loop with a model": _loop, "all for 1 epoch": _wide}
)


def _best(pool: pd.DataFrame, rungs: Sequence[pd.DataFrame], number: int) -> pd.DataFrame:
    expected = expected_errors(pool, rungs)[-1].mean
    return pool.iloc[nearest_to_front(np.column_stack([expected, pool["ops"]]), number)]


def _rung(rows: pd.DataFrame, epochs: int) -> pd.DataFrame:
    measured = {"error": rows[f"error_{epochs}"], "correct": rows[f"correct_{epochs}"]}
    return rows[["key", "ops"]].assign(**measured)


def _values(estimate: Estimate) -> list[float | None]:
    return [estimate.value, estimate.low, estimate.high]


def render(result: Result) -> str:
    """A table of rank correlations, and one of regrets."""
    figures = result.figures
    taus = [
        [
            name,
            *("-" if value is None else f"{value:.2f} [{low:.2f}, {high:.2f}]" for value, low, high in own),
        ]
        for name, own in figures["rankings"]["predictors"].items()
    ]
    budgets = [f"{budget:,.0f} ops" for budget in small_images.BUDGETS]
    regrets = [[name, *(f"{100 * value:.2f}" for value in own)] for name, own in figures["ways"].items()]
    agreed = figures["rankings"]["between_seeds"]
    return (
        f"Kendall's tau with the test error after the final training, {figures['networks']} networks, with "
        f"95 % intervals over networks"
        + ("" if agreed is None else f"; two final trainings agree with tau {agreed:.2f}")
        + f".\n\n{table(['ranked by', 'tau', 'tau in bands of equal ops'], taus)}\n\n"
        f"Mean regret in points of a pick among {_POOL} of these networks, over {_POOLS} random choices of "
        f"the {_POOL}; every way but the first trains for {_POOL} to {3 * _LOOP} epochs in all."
        f"\n\n{table(['way to confirm', *budgets], regrets)}"
    )


STUDY = Study(
    about=__doc__,
    section="What short trainings add",
    minutes=60,
    measure=measure,
    render=render,
    options=options,
)
