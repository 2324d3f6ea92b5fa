"""What a model foretells of architectures, and which of them it would measure next."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.archive.front import ranks
from evo_bnas.archive.score import Score
from evo_bnas.network.objectives import EXACT
from evo_bnas.search.cost_model import CostModel
from evo_bnas.search.features import FeatureCache, features
from evo_bnas.search.problem import excess
from evo_bnas.search.surrogates.model import Model
from evo_bnas.space.genes import Architecture


class Predictions:
    """Objectives of all architectures asked about so far.

    The error is as a model scores it, a measured cost as the model of that cost estimates it; all other
    costs are exact.
    """

    def __init__(self, known: FeatureCache, model: Model, costs: Mapping[str, CostModel]) -> None:
        self._known = known
        self._problem = known.problem
        self._model = model
        self._costs = costs
        self._rows: dict[Architecture, list[float]] = {}
        self._scores: dict[Architecture, float] = {}
        self._excess: dict[Architecture, float] = {}

    def objectives(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """(n, objectives), in the problem's order."""
        new = [a for a in dict.fromkeys(architectures) if a not in self._rows]
        if new:
            rows = features(self._problem, new)
            scores = self._model.score(rows)
            estimates = {name: model.estimate(rows) for name, model in self._costs.items()}
            for place, architecture in enumerate(new):
                score = float(scores[place])
                measured = {name: float(values[place]) for name, values in estimates.items()}
                costs = {**self._problem.costs(architecture), **measured}
                self._scores[architecture] = score
                self._rows[architecture] = [costs.get(name, score) for name in self._problem.objectives]
                self._excess[architecture] = excess(costs, self._problem.measured_limits)
        return np.array([self._rows[architecture] for architecture in architectures], dtype=float)

    def excess(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """How far each is expected beyond the limits on measured costs (n,), in multiples of them."""
        self.objectives(architectures)
        return np.array([self._excess[architecture] for architecture in architectures], dtype=float)

    def score(self, architecture: Architecture) -> float:
        """Of an architecture that was asked about."""
        return self._scores[architecture]

    def layers(self, archive: Archive) -> Iterator[list[Architecture]]:
        """All architectures in rising rank of predicted dominance; the first layer is the front.

        What was measured takes part by its prediction, or a flattered candidate would look like progress.
        What is expected to be of too great an error comes after these, and what is expected beyond a limit
        on a measured cost comes last, the nearest to it first: it is reached where nothing else is new.
        """
        scored = [(self._known.network(proposal.key), score) for proposal, score in archive.scored]
        self.objectives([network for network, _ in scored])
        known = list(self._rows)
        rank = ranks(self.objectives(known))
        ceiling = self._ceiling(scored)
        beyond = np.array([self._scores[network] > ceiling for network in known])
        rank = np.where(beyond, rank + rank.max() + 1, rank)
        distances, order = np.unique(self.excess(known), return_inverse=True)
        rank = np.where(distances[order] > 0, order + rank.max() + 1, rank)
        for number in np.unique(rank):
            yield [known[index] for index in np.flatnonzero(rank == number)]

    def _ceiling(self, scored: Sequence[tuple[Architecture, Score]]) -> float:
        """The predicted score beyond which an error is expected to be greater than is wished for.

        It is that of the worst measured network which is acceptable, or of the best one where none is.
        """
        most = self._problem.max_error
        if most is None:
            return np.inf
        low = [self._scores[network] for network, score in scored if score.objectives["error"] <= most]
        return max(low) if low else min(self._scores[network] for network, _ in scored)

    def spread(self, architectures: Sequence[Architecture], n: int) -> list[Architecture]:
        """`n` architectures, or all, far from each other in the logarithm of the problem's costs.

        The cheapest is the first; each further one is the farthest from those taken (Gonzalez, "Clustering
        to minimize the maximum intercluster distance", Theoretical Computer Science 38, 1985).
        """
        if len(architectures) <= n:
            return list(architectures)
        columns = zip(self._problem.objectives, self.objectives(architectures).T, strict=True)
        # A count may be 0. What is measured is more, and may be far below 1.
        logs = [
            np.log1p(column) if name in EXACT else np.log(column)
            for name, column in columns
            if name != "error"
        ]
        places = np.array(logs).reshape(-1, len(architectures)).T
        taken = [int(places.sum(axis=1).argmin())]
        distance = np.full(len(places), np.inf)
        while len(taken) < n:
            distance = np.minimum(distance, np.linalg.norm(places - places[taken[-1]], axis=1))
            distance[taken] = -1.0
            taken.append(int(distance.argmax()))
        return [architectures[index] for index in taken]
