"""What a surrogate sees of an architecture."""

from collections.abc import Sequence

import numpy as np

from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

# Width of a cost's range, where that of an option is 1: in a small sample they say more than any option.
_WIDTH = 3.0


class FeatureCache:
    """Architectures and their features by key, read once: a search asks for the same ones every round."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._networks: dict[str, Architecture] = {}
        self._rows: dict[str, np.ndarray] = {}

    def network(self, key: str) -> Architecture:
        """The architecture with this key."""
        if key not in self._networks:
            self._networks[key] = self.problem.space.parse(key)
        return self._networks[key]

    def features(self, keys: Sequence[str]) -> np.ndarray:
        """As of the function `features`, (n, d)."""
        new = [key for key in dict.fromkeys(keys) if key not in self._rows]
        rows = features(self.problem, [self.network(key) for key in new])
        self._rows.update(zip(new, rows, strict=True))
        return np.array([self._rows[key] for key in keys]).reshape(len(keys), rows.shape[1])


def features(problem: Problem, architectures: Sequence[Architecture]) -> np.ndarray:
    """Architectures as rows (n, d) of floats: genes one-hot, then the logarithms of two costs.

    An inactive gene has a column of its own, because its canonical option is one that an active gene may
    take, too. The costs are the one that samples are spread over (ops, unless the problem names another)
    and params, where the space knows them; a logarithm runs from 0 at the space's least to 3 at its greatest.
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
    """The column of the cost that samples are spread over."""
    return sum(size + 1 for size in problem.space.sizes)


def _log_costs(problem: Problem, architectures: Sequence[Architecture]) -> np.ndarray:
    """(n, costs), scaled; 0 throughout where a cost is the same for the whole space."""
    wanted = dict.fromkeys((problem.sampling_cost, "params"))
    names = [name for name in wanted if name in problem.space.objectives]
    low, high = np.log1p([problem.space.bounds(name) for name in names]).T
    costs = [problem.costs(architecture) for architecture in architectures]
    rows = np.log1p([[cost[name] for name in names] for cost in costs]).reshape(-1, len(names))
    scaled: np.ndarray = _WIDTH * (rows - low) / np.where(high > low, high - low, 1.0)
    return scaled
