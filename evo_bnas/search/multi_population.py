"""Two populations that search a surrogate's predictions: one guides, one widens.

A reconstruction of SMEM-NAS (arXiv 2407.15600), which has no public code, from its abstract: a surrogate
compares pairs of networks instead of predicting errors; a main population guides the search, a vice
population widens it, and their elites change places. Chosen here, since the abstract does not say:

- A population consists of the measured networks that it proposed (their origin is `main` or `vice`); what
  neither proposed belongs to the main one, and fresh samples over the cost join the vice one.
- Each keeps 20 members by rank and crowding, so that both together ask for as many predictions as the one
  population of `surrogate`; every five generations the five best of each are copied to the other.
- What is measured comes from the predicted front of both, spread over the cost.
- The comparison is one of Bradley and Terry, antisymmetric by construction and cheap to ask. The paper's
  support vector machine is the surrogate `pair-svm`; `analysis.surrogate_quality` compares the two.
"""

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.search.predictions import Predictions
from evo_bnas.search.surrogate import GENERATIONS, MEMBERS, SurrogateSearch, generation, survivors
from evo_bnas.space.genes import Architecture

_EACH = MEMBERS // 2
_EXCHANGE = 5  # generations between exchanges
_ELITE = 5


class MultiPopulation(SurrogateSearch):
    """The rounds of `SurrogateSearch` with two inner populations; a proposal's origin is its population."""

    def _evolve(
        self, predictions: Predictions, archive: Archive, rng: np.random.Generator
    ) -> dict[Architecture, str]:
        network = self._known.network
        main = [network(proposal.key) for proposal, _ in archive.scored if proposal.origin != "vice"]
        vice = [network(proposal.key) for proposal, _ in archive.scored if proposal.origin == "vice"]
        vice += [self._problem.sample(rng) for _ in range(_EACH)]
        origins = dict.fromkeys(vice, "vice")
        for number in range(1, GENERATIONS + 1):
            main, guided = generation(self._breeding, predictions, main, _EACH, rng)
            vice, widened = generation(self._breeding, predictions, vice, _EACH, rng)
            origins = dict.fromkeys(widened, "vice") | dict.fromkeys(guided, "main") | origins
            if number % _EXCHANGE == 0:
                best, other = self._elite(predictions, main, rng), self._elite(predictions, vice, rng)
                main, vice = main + other, vice + best
        return origins

    def _elite(
        self, predictions: Predictions, population: list[Architecture], rng: np.random.Generator
    ) -> list[Architecture]:
        return survivors(self._breeding, predictions, population, _ELITE, rng).members
