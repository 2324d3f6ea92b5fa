"""Architectures as the numbers that surrogates learn from."""

from collections.abc import Sequence

import numpy as np

from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

# Width of a cost's range; that of an option is 1. In a small sample a cost says more than any option.
_COST_WIDTH = 3.0


class FeatureCache:
    """Features by architecture: a search needs those of the same architectures in every round."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._rows: dict[Architecture, np.ndarray] = {}

    def features(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """The same as the function `features`, (n, d)."""
        new = [a for a in dict.fromkeys(architectures) if a not in self._rows]
        rows = features(self.problem, new)
        self._rows.update(zip(new, rows, strict=True))
        cached = [self._rows[architecture] for architecture in architectures]
        return np.array(cached).reshape(len(architectures), rows.shape[1])


def features(problem: Problem, architectures: Sequence[Architecture]) -> np.ndarray:
    """Architectures as rows (n, d) of floats: genes one-hot, then the logarithms of two costs.

    An inactive gene has a column of its own, because its canonical option is also one that an active gene may
    take. The costs are the sampling cost of the problem and params, if the space has them; the logarithm of
    each is scaled from 0 at the minimum of the space to 3 at its maximum.
    """
    space = problem.space
    sizes = np.array(space.sizes)
    firsts = np.cumsum(sizes + 1) - (sizes + 1)  # the column of each gene's first option
    genes = np.array([architecture.genes for architecture in architectures], dtype=int)
    active = np.array([space.active(architecture.genes) for architecture in architectures], dtype=bool)
    shape = (len(architectures), len(sizes))
    hot = np.zeros((len(architectures), int((sizes + 1).sum())))
    columns = firsts + np.where(active.reshape(shape), genes.reshape(shape), sizes)
    np.put_along_axis(hot, columns, 1.0, axis=1)
    return np.hstack([hot, _log_costs(problem, architectures)])


def cost_column(problem: Problem) -> int:
    """The column of the sampling cost."""
    return sum(size + 1 for size in problem.space.sizes)


def _log_costs(problem: Problem, architectures: Sequence[Architecture]) -> np.ndarray:
    """(n, costs), scaled; 0 for a cost that is the same for the whole space."""
    wanted = dict.fromkeys((problem.sampling_cost, "params"))
    names = [name for name in wanted if name in problem.space.objectives]
    low, high = np.log1p([problem.space.bounds(name) for name in names]).T
    costs = [problem.costs(architecture) for architecture in architectures]
    rows = np.log1p([[cost[name] for name in names] for cost in costs]).reshape(-1, len(names))
    scaled: np.ndarray = _COST_WIDTH * (rows - low) / np.where(high > low, high - low, 1.0)
    return scaled
