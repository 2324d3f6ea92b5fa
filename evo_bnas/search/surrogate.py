"""Search by a model of the error: measure what it predicts to be on the front, learn, and predict again.

The loop of NSGANetV2 (Lu et al., ECCV 2020): a design over the cost, then rounds of fitting a surrogate,
an inner NSGA-II on its predictions and exact costs, and measuring a spread-out part of the predicted front.
A cost that is measured as well, such as a latency, is estimated from what was measured so far.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.search.breeding import Breeding, Parents
from evo_bnas.search.cost_model import cost_models
from evo_bnas.search.dominance import constrained_ranks
from evo_bnas.search.explorer import Batch, Draft
from evo_bnas.search.features import FeatureCache
from evo_bnas.search.nsga2 import Nsga2
from evo_bnas.search.predictions import Predictions
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogate_quality import judge, measured
from evo_bnas.search.surrogates.choice import CHEAP
from evo_bnas.search.surrogates.model import Surrogate
from evo_bnas.space.genes import Architecture

# A larger design than this costs evaluations that a model makes better use of.
_DESIGN = 20

MEMBERS = 40  # of the population of an inner search
GENERATIONS = 12


class SurrogateSearch:
    """At most 20 networks over the cost, then what a surrogate predicts to be the front.

    Each round chooses one `among` surrogates by cross-validation.
    In a round whose model ranks no better than cost alone, or estimates a measured cost no better than
    chance, the proposals are NSGA-II's; their origin says so.
    """

    def __init__(self, problem: Problem, population: int, *, among: Mapping[str, Surrogate] = CHEAP) -> None:
        self._problem = problem
        self._design = min(population, _DESIGN)
        self._among = among
        self._known = FeatureCache(problem)
        self._breeding = Breeding(problem)
        self._nsga2 = Nsga2(problem, population)

    def propose(
        self, archive: Archive, pending: Sequence[Proposal], n: int, rng: np.random.Generator
    ) -> list[Draft]:
        batch = Batch(self._problem, archive, n)
        batch.start(rng, self._design)
        if not batch.full:
            sample = measured(self._known, archive)
            costs = cost_models(self._known, archive)
            judgement = judge(self._problem, archive, sample, self._among, costs)
            if judgement.trusted:
                model = self._among[judgement.surrogate](sample, rng)
                self._predict(Predictions(self._known, model, costs), archive, batch, n, rng)
            else:
                for draft in self._nsga2.propose(archive, pending, n, rng):
                    batch.add(draft.architecture, "nsga2")
        batch.fill(rng)
        return batch.drafts

    def _predict(
        self, predictions: Predictions, archive: Archive, batch: Batch, n: int, rng: np.random.Generator
    ) -> None:
        """Draft from the predicted front; where all of it is known, from the layers behind it."""
        origins = self._evolve(predictions, archive, rng)
        for layer in predictions.layers(archive):
            new = [network for network in layer if network.key not in archive.keys]
            for network in predictions.spread(new, n - len(batch.drafts)):
                batch.add(network, origins[network], predictions.score(network))
            if batch.full:
                return

    def _evolve(
        self, predictions: Predictions, archive: Archive, rng: np.random.Generator
    ) -> dict[Architecture, str]:
        """Ask for predictions of promising architectures; returns the origin of each of these."""
        scored = archive.scored
        rank = constrained_ranks(self._problem, [score for _, score in scored])
        front = [scored[index][0].key for index in np.flatnonzero(rank == rank.min())]
        population = [self._known.network(key) for key in front]
        population += [self._problem.sample(rng) for _ in range(MEMBERS)]
        bred = list(population)
        for _ in range(GENERATIONS):
            population, children = generation(self._breeding, predictions, population, MEMBERS, rng)
            bred += children
        return dict.fromkeys(bred, "predicted")


def generation(
    breeding: Breeding,
    predictions: Predictions,
    population: Sequence[Architecture],
    most: int,
    rng: np.random.Generator,
) -> tuple[list[Architecture], list[Architecture]]:
    """`most` survivors of a population and as many children of theirs; and the children alone.

    Predictions take the place of measurements.
    """
    parents = survivors(breeding, predictions, population, most, rng)
    children = breeding.offspring(parents, most, rng)
    predictions.objectives(children)
    return [*parents.members, *children], children


def survivors(
    breeding: Breeding,
    predictions: Predictions,
    population: Sequence[Architecture],
    most: int,
    rng: np.random.Generator,
) -> Parents:
    """The `most` best by prediction; what is expected beyond a limit on a measured cost only in need."""
    members = list(dict.fromkeys(population))
    excess = predictions.excess(members)
    within = [member for member, over in zip(members, excess, strict=True) if over == 0]
    behind = [members[index] for index in np.argsort(excess, kind="stable") if excess[index] > 0]
    return breeding.survivors(within, predictions.objectives(within), most, rng, behind)
