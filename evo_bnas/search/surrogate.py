"""Search with a model of the error: measure its predicted front, fit it again, and repeat.

The loop of NSGANetV2 (Lu et al., ECCV 2020): a design over the cost, then rounds of fitting a surrogate,
an inner NSGA-II on its predictions and exact costs, and measuring a spread-out part of the predicted front.
Measured costs, such as a latency, are estimated from the scores so far.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.search.breeding import Breeding, Parents
from evo_bnas.search.cost_model import cost_models
from evo_bnas.search.dominance import constrained_front
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.features import FeatureCache
from evo_bnas.search.nsga2 import Nsga2
from evo_bnas.search.predictions import Predictions
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogate_quality import surrogate_quality, training_sample
from evo_bnas.search.surrogates.choice import CHEAP
from evo_bnas.search.surrogates.model import Surrogate
from evo_bnas.space.genes import Architecture

# A larger design costs evaluations that a model makes better use of.
_MAX_DESIGN = 20

POPULATION = 40  # of the inner search
GENERATIONS = 12


class SurrogateSearch(Explorer):
    """At most 20 networks over the cost, then the predicted front of a surrogate, round by round.

    Each round chooses one `among` surrogates by cross-validation. If it ranks no better than the sampling
    cost alone, or if a measured cost is estimated no better than chance, the round falls back to NSGA-II, and
    the origin of its proposals is `nsga2`.
    """

    def __init__(self, problem: Problem, population: int, *, among: Mapping[str, Surrogate] = CHEAP) -> None:
        super().__init__(problem, start=min(population, _MAX_DESIGN))
        self._among = among
        self._cache = FeatureCache(problem)
        self._breeding = Breeding(problem)
        self._nsga2 = Nsga2(problem, population)

    def _propose(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> Iterator[Candidate]:
        sample = training_sample(self._cache, archive)
        costs = cost_models(self._cache, archive)
        quality = surrogate_quality(self._problem, archive, sample, self._among, costs)
        if quality.trusted:
            model = self._among[quality.surrogate](sample, rng)
            return self._predicted(Predictions(self._cache, model, costs), archive, batch, rng)
        fallback = self._nsga2.propose(archive, batch.size, rng)
        return (replace(candidate, origin="nsga2") for candidate in fallback)

    def _predicted(
        self, predictions: Predictions, archive: Archive, batch: Batch, rng: np.random.Generator
    ) -> Iterator[Candidate]:
        """Candidates from the predicted front, then from the layers behind it."""
        origins = self._evolve(predictions, archive, rng)
        for layer in predictions.layers(archive):
            new = [network for network in layer if network not in archive.architectures]
            for network in predictions.spread(new, batch.missing):
                yield Candidate(network, origins[network], predictions.score(network))

    def _evolve(
        self, predictions: Predictions, archive: Archive, rng: np.random.Generator
    ) -> dict[Architecture, str]:
        """Predict promising architectures; returns the origin of each."""
        population = constrained_front(self._problem, archive)
        population += [self._problem.sample(rng) for _ in range(POPULATION)]
        bred = list(population)
        for _ in range(GENERATIONS):
            population, children = generation(self._breeding, predictions, population, POPULATION, rng)
            bred += children
        return dict.fromkeys(bred, "predicted")


def generation(
    breeding: Breeding,
    predictions: Predictions,
    population: Sequence[Architecture],
    size: int,
    rng: np.random.Generator,
) -> tuple[list[Architecture], list[Architecture]]:
    """`size` survivors of a population with as many children, and the children alone."""
    parents = survivors(breeding, predictions, population, size, rng)
    children = breeding.offspring(parents, size, rng)
    predictions.objectives(children)
    return [*parents.members, *children], children


def survivors(
    breeding: Breeding,
    predictions: Predictions,
    population: Sequence[Architecture],
    size: int,
    rng: np.random.Generator,
) -> Parents:
    """The `size` best of a population by constrained dominance of predictions and by crowding."""
    members = list(dict.fromkeys(population))
    points, violation = predictions.objectives(members), predictions.violation(members)
    return breeding.survivors(members, points, violation, size, rng)
