"""Predicted objectives of architectures, and the choice of those to measure next."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.archive.front import ranks
from evo_bnas.network.objectives import EXACT
from evo_bnas.search.cost_model import CostModel
from evo_bnas.search.dominance import lexicographic_ranks
from evo_bnas.search.features import FeatureCache, features
from evo_bnas.search.problem import excess
from evo_bnas.search.surrogates.model import Model
from evo_bnas.space.genes import Architecture


class Predictions:
    """Objectives of architectures, each predicted once.

    The error is the score of a model, a measured cost the estimate of its model; all other costs are exact.
    """

    def __init__(self, cache: FeatureCache, model: Model, costs: Mapping[str, CostModel]) -> None:
        self._problem = cache.problem
        self._cache = cache  # of measured networks
        self._model = model
        self._costs = costs
        self._rows: dict[Architecture, list[float]] = {}
        self._scores: dict[Architecture, float] = {}
        self._violation: dict[Architecture, float] = {}

    def objectives(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """(n, objectives), in the problem's order."""
        new = self._new(architectures)
        if new:
            self._predict(new, features(self._problem, new))
        return np.array([self._rows[architecture] for architecture in architectures], dtype=float)

    def violation(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """How far each is predicted beyond the limits on measured costs (n,), in multiples of the limits."""
        self.objectives(architectures)
        return np.array([self._violation[architecture] for architecture in architectures], dtype=float)

    def score(self, architecture: Architecture) -> float:
        """The predicted score of an architecture whose objectives were predicted before."""
        return self._scores[architecture]

    def layers(self, archive: Archive) -> Iterator[list[Architecture]]:
        """All predicted architectures by rising rank of constrained dominance; the first layer is the front.

        Measured networks take part with their predictions too, so that an overestimated candidate does not
        look like progress. Networks with a predicted error beyond `max_error` follow after all others, and
        those predicted beyond a limit on a measured cost come last, by how far they are beyond it.
        """
        measured = [proposal.architecture for proposal, _ in archive.scored]
        if new := self._new(measured):
            self._predict(new, self._cache.features(new))
        known = list(self._rows)
        violation = self.violation(known)
        within = violation == 0
        inaccurate = np.array([self._scores[network] for network in known]) > self._max_score(archive)
        rank = lexicographic_ranks(
            violation, np.where(within, inaccurate, 0), np.where(within, ranks(self.objectives(known)), 0)
        )
        for number in range(rank.max() + 1):
            yield [known[index] for index in np.flatnonzero(rank == number)]

    def _new(self, architectures: Sequence[Architecture]) -> list[Architecture]:
        return [a for a in dict.fromkeys(architectures) if a not in self._rows]

    def _predict(self, architectures: Sequence[Architecture], features: np.ndarray) -> None:
        scores = self._model.score(features)
        estimates = {name: model.estimate(features) for name, model in self._costs.items()}
        for index, architecture in enumerate(architectures):
            score = float(scores[index])
            measured = {name: float(values[index]) for name, values in estimates.items()}
            costs = {**self._problem.costs(architecture), **measured}
            self._scores[architecture] = score
            self._rows[architecture] = [costs.get(name, score) for name in self._problem.objectives]
            self._violation[architecture] = excess(costs, self._problem.measured_limits)

    def _max_score(self, archive: Archive) -> float:
        """The predicted score that stands for `max_error`.

        It is that of the worst measured network within `max_error`, or of the best one if all are beyond.
        """
        max_error = self._problem.max_error
        if max_error is None:
            return np.inf
        scores = [(self._scores[proposal.architecture], score) for proposal, score in archive.scored]
        within = [predicted for predicted, score in scores if score.objectives["error"] <= max_error]
        return max(within) if within else min(predicted for predicted, _ in scores)

    def spread(self, architectures: Sequence[Architecture], n: int) -> list[Architecture]:
        """`n` architectures, or all, far from each other in the logarithm of the problem's costs.

        The first is the cheapest, each further one the farthest from those chosen (Gonzalez, "Clustering to
        minimize the maximum intercluster distance", Theoretical Computer Science 38, 1985).
        """
        if len(architectures) <= n:
            return list(architectures)
        columns = zip(self._problem.objectives, self.objectives(architectures).T, strict=True)
        # An exact cost is a count and may be 0; a measured one is positive and may be far below 1.
        logs = [
            np.log1p(column) if name in EXACT else np.log(column)
            for name, column in columns
            if name != "error"
        ]
        points = np.array(logs).reshape(-1, len(architectures)).T
        chosen = [int(points.sum(axis=1).argmin())]
        distance = np.full(len(points), np.inf)
        while len(chosen) < n:
            distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
            distance[chosen] = -1.0
            chosen.append(int(distance.argmax()))
        return [architectures[index] for index in chosen]
