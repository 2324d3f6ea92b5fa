"""What a model foretells of architectures, and which of them it would measure next."""

from collections.abc import Iterator, Sequence

import numpy as np

from evo_bnas.results.archive import Archive
from evo_bnas.results.front import ranks
from evo_bnas.score import EXACT, Score
from evo_bnas.search.features import Known, features
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogates.model import Model
from evo_bnas.space.genes import Architecture


class Predictions:
    """Objectives of all architectures asked about so far: the error as a model scores it, costs exactly."""

    def __init__(self, known: Known, model: Model) -> None:
        self._known = known
        self._problem = known.problem
        self._model = model
        self._rows: dict[Architecture, list[float]] = {}
        self._scores: dict[Architecture, float] = {}

    def objectives(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """(n, objectives), in the problem's order."""
        new = [a for a in dict.fromkeys(architectures) if a not in self._rows]
        if new:
            scores = self._model.score(features(self._problem, new))
            for architecture, score in zip(new, scores.tolist(), strict=True):
                costs = self._problem.costs(architecture)
                self._scores[architecture] = score
                self._rows[architecture] = [costs.get(name, score) for name in self._problem.objectives]
        return np.array([self._rows[architecture] for architecture in architectures], dtype=float)

    def score(self, architecture: Architecture) -> float:
        """Of an architecture that was asked about."""
        return self._scores[architecture]

    def layers(self, archive: Archive) -> Iterator[list[Architecture]]:
        """All architectures in rising rank of predicted dominance; the first layer is the front.

        What was measured takes part by its prediction, or a flattered candidate would look like progress.
        """
        scored = [(self._known.network(proposal.key), score) for proposal, score in archive.scored]
        self.objectives([network for network, _ in scored])
        known = list(self._rows)
        rank = ranks(self.objectives(known))
        ceiling = self._ceiling(scored)
        beyond = np.array([self._scores[network] > ceiling for network in known])
        rank = np.where(beyond, rank + rank.max() + 1, rank)
        for number in np.unique(rank):
            yield [known[index] for index in np.flatnonzero(rank == number)]

    def _ceiling(self, scored: Sequence[tuple[Architecture, Score]]) -> float:
        """The predicted score beyond which an error is expected to be greater than is wished for.

        It is that of the worst measured network which is acceptable, or of the best one where none is.
        """
        if self._problem.max_error is None:
            return np.inf
        acceptable = [self._scores[network] for network, score in scored if self._problem.acceptable(score)]
        return max(acceptable) if acceptable else min(self._scores[network] for network, _ in scored)


def spread(problem: Problem, architectures: Sequence[Architecture], n: int) -> list[Architecture]:
    """`n` architectures, or all, far from each other in the logarithm of the problem's costs.

    The cheapest is the first; each further one is the farthest from those taken (Gonzalez, "Clustering to
    minimize the maximum intercluster distance", Theoretical Computer Science 38, 1985).
    """
    if len(architectures) <= n:
        return list(architectures)
    names = [name for name in problem.objectives if name in EXACT]
    costs = [problem.costs(architecture) for architecture in architectures]
    places = np.log1p([[cost[name] for name in names] for cost in costs])
    taken = [int(places.sum(axis=1).argmin())]
    distance = np.full(len(places), np.inf)
    while len(taken) < n:
        distance = np.minimum(distance, np.linalg.norm(places - places[taken[-1]], axis=1))
        distance[taken] = -1.0
        taken.append(int(distance.argmax()))
    return [architectures[index] for index in taken]
