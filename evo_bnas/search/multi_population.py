"""Two populations that search a surrogate's predictions: one exploits, one explores.

A reconstruction of SMEM-NAS (arXiv 2407.15600), which has no public code, from its abstract: a surrogate
compares pairs of networks instead of predicting errors; a main population guides the search, a vice
population widens it, and they exchange their elites. The abstract leaves open, and we chose:

- A population consists of the measured networks that it proposed (their origin is `main` or `vice`). All
  others belong to the main one, and fresh samples over the cost join the vice one.
- Each keeps 20 members by rank and crowding, so that both together need as many predictions as the one
  population of `surrogate`; every five generations the five best of each are copied to the other.
- The networks to measure come from the predicted front of both, spread over the cost.
- The comparison is a Bradley-Terry model, antisymmetric by construction and fast. The paper's support
  vector machine is the surrogate `pair-svm`; `analysis.surrogate_quality` compares the two.
"""

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.search.predictions import Predictions
from evo_bnas.search.surrogate import GENERATIONS, POPULATION, SurrogateSearch, generation, survivors
from evo_bnas.space.genes import Architecture

_SIZE = POPULATION // 2  # of each population
_EXCHANGE = 5  # generations between exchanges
_ELITE = 5


class MultiPopulation(SurrogateSearch):
    """The rounds of `SurrogateSearch` with two inner populations; a proposal's origin is its population."""

    def _evolve(
        self, predictions: Predictions, archive: Archive, rng: np.random.Generator
    ) -> dict[Architecture, str]:
        main: list[Architecture] = []
        vice: list[Architecture] = []
        for proposal, _ in archive.scored:
            (vice if proposal.origin == "vice" else main).append(proposal.architecture)
        vice += [self._problem.sample(rng) for _ in range(_SIZE)]
        origins = dict.fromkeys(vice, "vice")
        for number in range(1, GENERATIONS + 1):
            main, main_children = generation(self._breeding, predictions, main, _SIZE, rng)
            vice, vice_children = generation(self._breeding, predictions, vice, _SIZE, rng)
            origins = dict.fromkeys(vice_children, "vice") | dict.fromkeys(main_children, "main") | origins
            if number % _EXCHANGE == 0:
                main_elite, vice_elite = (self._elite(predictions, each, rng) for each in (main, vice))
                main, vice = main + vice_elite, vice + main_elite
        return origins

    def _elite(
        self, predictions: Predictions, population: list[Architecture], rng: np.random.Generator
    ) -> list[Architecture]:
        return survivors(self._breeding, predictions, population, _ELITE, rng).members
