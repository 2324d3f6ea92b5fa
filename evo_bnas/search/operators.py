"""Operators for categorical genes.

pymoo's default operators treat options as ordered numbers and round: on genes of three options a rounded
polynomial mutation changes nothing in 99.8 % of all cases.
"""

from typing import Any

import numpy as np
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population


def redraw(X: np.ndarray, sizes: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Change each gene of X (n, genes) with probability `share`, but at least one in each row.

    A changed gene takes one of its other options; `sizes` (genes,) are the numbers of options.
    """
    chosen = rng.random(X.shape) < share
    chosen[np.arange(len(X)), rng.integers(X.shape[1], size=len(X))] |= ~chosen.any(axis=1)
    step = rng.integers(1, np.maximum(sizes, 2), size=X.shape)  # never 0, so never the same option
    mutated: np.ndarray = np.where(chosen, (X + step) % sizes, X)
    return mutated


class Redraw(Mutation):  # type: ignore[misc]  # pymoo is untyped
    """`redraw` with probability 1 / genes; the upper bounds of the problem give the numbers of options."""

    def _do(
        self, problem: Any, X: np.ndarray, *_: Any, random_state: np.random.Generator, **__: Any
    ) -> np.ndarray:
        return redraw(X, problem.xu + 1, 1 / problem.n_var, random_state)


def by_rank_and_crowding(population: Population, pairs: np.ndarray, **_: Any) -> np.ndarray:
    """The winner of each pair of indices (n, 2): of lower rank, or of larger crowding distance, (n,)."""
    rank, crowding = population.get("rank"), population.get("crowding")
    first, second = pairs.T
    equal, farther = rank[first] == rank[second], crowding[first] > crowding[second]
    winners: np.ndarray = np.where((rank[first] < rank[second]) | (equal & farther), first, second)
    return winners
