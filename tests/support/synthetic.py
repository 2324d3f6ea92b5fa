"""Searches without torch: a shipped space with synthetic errors that follow from the genes."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from zlib import crc32

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.evaluate.engine import InProcess
from evo_bnas.network.objectives import exact_objectives
from evo_bnas.search import EXPLORERS
from evo_bnas.search.loop import search
from evo_bnas.search.problem import Problem
from evo_bnas.space.catalogue import load
from evo_bnas.space.chain import ChainSpace
from evo_bnas.space.chain_definition import ChainDefinition
from evo_bnas.space.genes import Architecture, Space
from evo_bnas.space.table import TableSpace

ELASTIC = load("elastic-8")
OBJECTIVES = ("error", "ops", "params")
POPULATION = 20

TINY = ChainSpace(
    "tiny",
    ChainDefinition.model_validate(
        {
            "family": "chain",
            "block": "react",
            "image": [1, 8, 8],
            "classes": 10,
            "stem": {"channels": 8},
            "stages": [{"channels": [8, 16, 24], "blocks": [1, 2]}],
        }
    ),
)


def separable_table() -> TableSpace:
    """81 networks; every gene adds to each of five objectives, and the costs order networks differently."""
    rng = np.random.default_rng(11)
    names = ("error", "ops", "flops", "params", "size_bits")
    parts = dict(zip(names, rng.integers(1, 50, size=(5, 4, 3)).tolist(), strict=True))
    rows = []
    for options in product("abc", repeat=4):
        sums = {
            name: float(
                sum(part["abc".index(option)] for part, option in zip(parts[name], options, strict=True))
            )
            for name in names
        }
        rows.append((options, sums | {"error": sums["error"] / 1000}))
    return TableSpace("separable", rows)


class Synthetic:
    """A separable error: every gene has a best option, and larger options are better on average.

    One in `fail_one_in` networks fails, or none by default.
    """

    def __init__(self, space: Space, fail_one_in: int = 0) -> None:
        self.space = space
        self.fail_one_in = fail_one_in
        rng = np.random.default_rng(7)
        self.loss = [rng.uniform(0, 0.3, size) - np.linspace(0, 0.2, size) for size in space.sizes]

    def __call__(self, architectures: Sequence[Architecture]) -> list[Score]:
        return [self.score(architecture) for architecture in architectures]

    def score(self, architecture: Architecture) -> Score:
        if self.fail_one_in and crc32(architecture.key.encode()) % self.fail_one_in == 0:
            raise RuntimeError("out of memory")
        losses = [loss[gene] for loss, gene in zip(self.loss, architecture.genes, strict=True)]
        error = round(0.02 + 0.5 * (np.mean(losses) + 0.2), 6)
        costs = exact_objectives(self.space.cost(architecture))
        return Score("ok", {"error": error, **costs}, seconds=0.5, weights="w", protocol="p")


def run(
    path: Path,
    problem: Problem,
    explorer: str = "nsga2",
    *,
    evaluations: int,
    batch: int = 8,
    seed: int = 0,
    fail_one_in: int = 0,
    evaluator: type[Synthetic] = Synthetic,
) -> Archive:
    """Run or resume a search with a journal file."""
    with Journal(path, problem.space) as journal:
        search(
            problem,
            EXPLORERS[explorer](problem, POPULATION),
            InProcess(evaluator(problem.space, fail_one_in)),
            journal,
            evaluations=evaluations,
            batch=batch,
            seed=seed,
        )
        return journal.archive
