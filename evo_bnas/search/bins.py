"""The best network of each bin of the cost: the evolutionary search of NAS-BNN and AlphaNet.

Lin et al., "NAS-BNN: Neural architecture search for binary neural networks", Pattern Recognition 159, 2025;
Wang et al., "AlphaNet: Improved training of supernets with alpha-divergence", ICML 2021. Both mutate each
gene with probability 0.2, and breed as many children by mutation as by crossover.
"""

from collections.abc import Iterator

import numpy as np

from evo_bnas.archive.archive import Archive
from evo_bnas.search.dominance import constrained_ranks
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.operators import redraw
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture

_MUTATED = 0.2  # share of genes
_ATTEMPTS = 20  # children per candidate, after which the parents count as exhausted


class Bins(Explorer):
    """Breeds the networks of lowest error in each of `population` bins over the cost."""

    def __init__(self, problem: Problem, population: int) -> None:
        super().__init__(problem, start=population)
        self._bins = population
        self._low, high = problem.space.bounds(problem.sampling_cost)
        self._width = max(high - self._low, 1e-12) / population
        self._sizes = np.array(problem.space.sizes)

    def _propose(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> Iterator[Candidate]:
        parents = [parent.genes for parent in self.parents(archive)]
        for _ in range(_ATTEMPTS * batch.size if parents else 0):
            mother, father = (parents[index] for index in rng.integers(len(parents), size=2))
            if rng.random() < 0.5:
                genes, origin = redraw(np.array([mother]), self._sizes, _MUTATED, rng)[0], "mutation"
            else:
                genes, origin = np.where(rng.random(len(mother)) < 0.5, mother, father), "crossover"
            child = self._problem.space.architecture(genes.tolist())
            yield Candidate(self._problem.repair(child, rng), origin)

    def parents(self, archive: Archive) -> list[Architecture]:
        """The best network of each bin, without those beyond a limit if any is within all limits."""
        scored = archive.scored
        scores = [score for _, score in scored]
        violation = self._problem.violation(scores)
        error = np.array([score.objectives["error"] for score in scores], dtype=float)
        rank = constrained_ranks(error[:, None], violation)
        best: dict[int, int] = {}  # bin -> index of a score
        for index, (proposal, _) in enumerate(scored):
            bin_ = self._bin(proposal.architecture)
            rival = best.setdefault(bin_, index)
            if (rank[index], error[index]) < (rank[rival], error[rival]):
                best[bin_] = index
        within = [index for index in best.values() if violation[index] == 0]
        return [scored[index][0].architecture for index in within or best.values()]

    def _bin(self, architecture: Architecture) -> int:
        cost = self._problem.costs(architecture)[self._problem.sampling_cost]
        # The largest network of the space lies on the upper edge of the last bin.
        return min(int((cost - self._low) // self._width), self._bins - 1)
