"""Searches of other libraries on a table of known scores, set up as their documentation does it."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import optuna
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem as Matrix
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling

from analysis.shared.trial import Trial
from evo_bnas.search.problem import Problem
from evo_bnas.space.table import TableSpace

# None of them avoids duplicates. A search is stopped after this many calls for each distinct evaluation.
_MAX_CALLS = 10


def pymoo_nsga2(problem: Problem, space: TableSpace, evaluations: int, seed: int, population: int) -> Trial:
    """pymoo's NSGA-II for integers: SBX and PM, rounded."""
    calls: list[str] = []

    class Genes(Matrix):  # type: ignore[misc]  # pymoo is untyped
        def __init__(self) -> None:
            super().__init__(
                n_var=len(space.genes),
                n_obj=len(problem.objectives),
                xl=0,
                xu=np.array(space.sizes) - 1,
                vtype=int,
            )

        def _evaluate(self, X: np.ndarray, out: dict[str, Any], *_: Any, **__: Any) -> None:
            keys = [space.architecture(genes).key for genes in X.tolist()]
            calls.extend(keys)
            out["F"] = np.array([[space.scores[key][name] for name in problem.objectives] for key in keys])

    algorithm = NSGA2(
        pop_size=population,
        sampling=IntegerRandomSampling(),
        crossover=SBX(vtype=float, repair=RoundingRepair()),
        mutation=PM(vtype=float, repair=RoundingRepair()),
    )
    algorithm.setup(Genes(), termination=("n_eval", _MAX_CALLS * evaluations), seed=seed)
    while algorithm.has_next() and len(set(calls)) < evaluations:
        algorithm.next()
    return Trial.of(calls, evaluations)


def optuna_sampler(
    problem: Problem,
    space: TableSpace,
    evaluations: int,
    seed: int,
    sampler: Callable[..., optuna.samplers.BaseSampler],
) -> Trial:
    """An Optuna sampler over categorical genes."""
    calls: list[str] = []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=["minimize"] * len(problem.objectives), sampler=sampler(seed=seed))
    while len(set(calls)) < evaluations and len(calls) < _MAX_CALLS * evaluations:
        trial = study.ask()
        options = [trial.suggest_categorical(gene.name, gene.options) for gene in space.genes]
        genes = [gene.options.index(option) for gene, option in zip(space.genes, options, strict=True)]
        key = space.architecture(genes).key
        calls.append(key)
        study.tell(trial, [space.scores[key][name] for name in problem.objectives])
    return Trial.of(calls, evaluations)


Peer = Callable[[Problem, TableSpace, int, int], Trial]

PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        "pymoo-nsga2-100": partial(pymoo_nsga2, population=100),  # its default
        "pymoo-nsga2-40": partial(pymoo_nsga2, population=40),
        "pymoo-nsga2-20": partial(pymoo_nsga2, population=20),
        "optuna-nsga2-50": partial(optuna_sampler, sampler=optuna.samplers.NSGAIISampler),  # its default
        "optuna-nsga2-20": partial(
            optuna_sampler, sampler=partial(optuna.samplers.NSGAIISampler, population_size=20)
        ),
        "optuna-tpe": partial(optuna_sampler, sampler=optuna.samplers.TPESampler),
    }
)
