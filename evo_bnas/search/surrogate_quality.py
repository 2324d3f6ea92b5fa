"""The quality of a surrogate: whether a search may rely on it.

It follows from the archive alone, without random state. So the quality in any earlier round can be computed
from the journal, and is not recorded in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from evo_bnas.archive.archive import WARM_START, Archive
from evo_bnas.archive.ranking import MIN_NETWORKS
from evo_bnas.search.cost_model import CostModel, cost_models
from evo_bnas.search.features import FeatureCache, cost_column
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogates.choice import CHEAP, choose
from evo_bnas.search.surrogates.cross_validation import FOLDS, chance, kendall
from evo_bnas.search.surrogates.model import Sample, Surrogate

_BITS = 4  # images in a hexadecimal digit


@dataclass(frozen=True, slots=True)
class SurrogateQuality:
    """Kendall's tau of predicted and measured errors, in [-1, 1], and the quality of estimated costs."""

    scored: int  # networks that it is computed from
    surrogate: str  # the chosen one
    cross_validated: float  # tau on held-out networks, mean over folds
    deviation: float  # of that, standard deviation over folds
    last_batch: float | None  # tau of the last batch, predicted before it was measured; None without one
    cost: str  # the sampling cost
    cost_alone: float  # tau on the same folds if the more expensive network is predicted to be better
    # Leave-one-out estimates of measured costs: the smallest tau and the largest median relative error (a
    # fraction) over these costs. None if all costs are exact.
    cost_tau: float | None
    cost_error: float | None

    @property
    def trusted(self) -> bool:
        """Whether a search uses the surrogate in this round; if not, the round falls back to NSGA-II.

        It must rank better than the cost alone and, by two standard errors, better than chance. Estimates of
        measured costs must be better than chance too.
        """
        return not self._objection

    @property
    def _objection(self) -> str:
        """Why the surrogate is not trusted; empty if it is."""
        if self.scored < MIN_NETWORKS:
            return f"fewer than {MIN_NETWORKS} scores"
        if self.cross_validated <= self.cost_alone:
            return f"not better than {self.cost} alone"
        if self.cross_validated - 2 * self.deviation / FOLDS**0.5 <= 0:
            return "not significantly better than chance"
        if self.cost_tau is not None and self.cost_tau <= 2 * chance(self.scored):
            return "estimated costs not significantly better than chance"
        return ""

    def __str__(self) -> str:
        last = "" if self.last_batch is None else f"last batch {self.last_batch:.2f}, "
        costs = ""
        if self.cost_tau is not None and self.cost_error is not None:
            costs = f", measured costs tau {self.cost_tau:.2f}, median error {100 * self.cost_error:.1f} %"
        return (
            f"surrogate {self.surrogate} on {self.scored} scores: "
            f"cross-validated tau {self.cross_validated:.2f} ± {self.deviation:.2f} "
            f"({last}{self.cost} alone {self.cost_alone:.2f}){costs}"
            f"{'; ' if self._objection else ''}{self._objection}"
        )


def training_sample(cache: FeatureCache, archive: Archive) -> Sample:
    """What a surrogate learns from: all successful scores, also those of an earlier search.

    The noise of an error is the binomial standard deviation on its images; 0 if these are unknown.
    """
    scored = [*archive.scored, *cache.problem.prior.scored]
    error = np.array([score.objectives["error"] for _, score in scored], dtype=float)
    images = np.array([_BITS * len(score.correct) for _, score in scored], dtype=float)
    noise = np.sqrt(error * (1 - error) / np.where(images > 0, images, np.inf))
    earlier = np.arange(len(scored)) >= len(archive.scored)
    return Sample(cache.features([proposal.architecture for proposal, _ in scored]), error, noise, earlier)


def surrogate_quality(
    problem: Problem,
    archive: Archive,
    sample: Sample,
    among: Mapping[str, Surrogate],
    costs: Mapping[str, CostModel],
) -> SurrogateQuality:
    """The quality of the best among surrogates.

    `sample` is the training sample of the archive, `costs` the models of measured costs fitted to it.
    """
    scored = int((~sample.earlier).sum())

    def folds() -> np.random.Generator:
        # Seeded with the number of scores, so that they can be repeated from the archive alone.
        return np.random.default_rng(scored)

    name, taus = choose(among, sample, folds())
    cost_only = replace(sample, features=sample.features[:, [cost_column(problem)]])
    _, alone = choose({"cost": MostExpensive}, cost_only, folds())
    return SurrogateQuality(
        scored=scored,
        surrogate=name,
        cross_validated=float(taus.mean()),
        deviation=float(taus.std()),
        last_batch=_last_batch(archive),
        cost=problem.sampling_cost,
        cost_alone=float(alone.mean()),
        cost_tau=min((model.tau for model in costs.values()), default=None),
        cost_error=max((model.error for model in costs.values()), default=None),
    )


class MostExpensive:
    """Predicts the more expensive network to be the better one; a sample of costs teaches it nothing."""

    def __init__(self, sample: Sample, rng: np.random.Generator) -> None:
        pass

    def score(self, features: np.ndarray) -> np.ndarray:
        return -features[:, 0]


def _last_batch(archive: Archive) -> float | None:
    predicted = [
        (p.seen, p.predicted, s.objectives["error"]) for p, s in archive.scored if p.predicted is not None
    ]
    last = [(score, error) for seen, score, error in predicted if seen == predicted[-1][0]]
    return kendall(*np.array(last).T) if len(last) > 1 else None


def surrogate_qualities(
    problem: Problem, archive: Archive, among: Mapping[str, Surrogate] = CHEAP
) -> Iterator[SurrogateQuality]:
    """The quality in every round of a search after its start, in order."""
    cache = FeatureCache(problem)
    seen = -1
    for proposal in archive.proposals:
        if proposal.seen > seen and proposal.origin not in (WARM_START, "start"):
            seen = proposal.seen
            earlier = archive.until(proposal.id, seen)
            sample, costs = training_sample(cache, earlier), cost_models(cache, earlier)
            yield surrogate_quality(problem, earlier, sample, among, costs)
