"""One best network for each bin of the cost: how NAS-BNN and AlphaNet search.

Lin et al., "NAS-BNN: Neural architecture search for binary neural networks", Pattern Recognition 159, 2025;
Wang et al., "AlphaNet: Improved training of supernets with alpha-divergence", ICML 2021. Both mutate a gene
with probability 0.2, and breed as many children by mutation as by crossover.
"""

from collections.abc import Sequence

import numpy as np

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.archive.score import Score
from evo_bnas.search.explorer import Batch, Draft
from evo_bnas.search.operators import redraw
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Genes

_SHARE = 0.2  # of the genes that a mutation redraws
_TRIES = 20  # children a draft, before the parents count as exhausted


class Bins:
    """Children of the networks of least error in their bins; there are `population` bins over the cost."""

    def __init__(self, problem: Problem, population: int) -> None:
        self._problem = problem
        self._population = population
        self._low, high = problem.space.bounds(problem.sampling_cost)
        self._width = max(high - self._low, 1e-12) / population
        self._sizes = np.array(problem.space.sizes)

    def propose(
        self, archive: Archive, pending: Sequence[Proposal], n: int, rng: np.random.Generator
    ) -> list[Draft]:
        batch = Batch(self._problem, archive, n)
        batch.start(rng, size=self._population)
        parents = self._parents(archive)
        for _ in range(_TRIES * n if parents else 0):
            if batch.full:
                break
            one, other = (parents[index] for index in rng.integers(len(parents), size=2))
            if rng.random() < 0.5:
                genes, origin = redraw(np.array([one]), self._sizes, _SHARE, rng)[0], "mutation"
            else:
                genes, origin = np.where(rng.random(len(one)) < 0.5, one, other), "crossover"
            child = self._problem.space.architecture(genes.tolist())
            batch.add(self._problem.repair(child, rng), origin)
        batch.fill(rng)
        return batch.drafts

    def _parents(self, archive: Archive) -> list[Genes]:
        """The genes of each bin's best network: the acceptable ones where there are any."""

        def badness(score: Score) -> tuple[float, float]:
            return self._problem.violation(score), score.objectives["error"]

        best: dict[int, tuple[Score, Genes]] = {}
        for proposal, score in archive.scored:
            architecture = self._problem.space.parse(proposal.key)
            cost = self._problem.costs(architecture)[self._problem.sampling_cost]
            # The dearest network of all would otherwise have a bin to itself.
            bin_ = min(int((cost - self._low) // self._width), self._population - 1)
            if bin_ not in best or badness(score) < badness(best[bin_][0]):
                best[bin_] = score, architecture.genes
        acceptable = [genes for score, genes in best.values() if self._problem.acceptable(score)]
        return acceptable or [genes for _, genes in best.values()]
