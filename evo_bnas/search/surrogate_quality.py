"""Whether a surrogate can be believed, and what a search has seen to say so.

All of it follows from the archive alone, without a generator: so what an explorer thought of its model in
any round can be read from the journal afterwards, and is not recorded in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from evo_bnas.archive.archive import WARM_START, Archive
from evo_bnas.archive.ranking import LEAST
from evo_bnas.search.cost_model import CostModel, cost_models
from evo_bnas.search.features import FeatureCache, cost_column
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogates.choice import CHEAP, choose
from evo_bnas.search.surrogates.cross_validation import FOLDS, chance, kendall
from evo_bnas.search.surrogates.model import Sample, Surrogate

_BITS = 4  # of a hexadecimal digit: each an image


@dataclass(frozen=True, slots=True)
class SurrogateQuality:
    """Kendall's tau of predicted and measured errors, in [-1, 1], by several measures; and that of costs."""

    scored: int  # networks that it rests on
    surrogate: str  # the chosen one
    cross_validated: float  # on networks held out, mean over folds
    deviation: float  # of that, between folds
    last_batch: float | None  # of what was predicted before the last batch was measured; None without one
    cost_alone: float  # of the dearer network predicted to be the better one
    # Of measured costs and what each is foretold to be of a network left out: the least tau, and the
    # greatest median relative error. None where all costs are exact.
    cost_tau: float | None
    cost_off: float | None  # fraction

    @property
    def trusted(self) -> bool:
        """Whether it ranks better than cost alone, and all that is measured surely better than chance."""
        return not self._doubt

    @property
    def _doubt(self) -> str:
        """What forbids to trust the model; empty where nothing does."""
        if self.scored < LEAST:
            return f"fewer than {LEAST} tell nothing"
        if self.cross_validated <= self.cost_alone:
            return "that is not better than cost alone"
        if self.cross_validated - 2 * self.deviation / FOLDS**0.5 <= 0:
            return "that is not surely better than chance"
        if self.cost_tau is not None and self.cost_tau <= 2 * chance(self.scored):
            return "costs are not foretold surely better than by chance"
        return ""

    def __str__(self) -> str:
        last = "" if self.last_batch is None else f", the last batch beforehand with {self.last_batch:.2f}"
        costs = ""
        if self.cost_tau is not None and self.cost_off is not None:
            costs = f", costs foretold with tau {self.cost_tau:.2f} and {100 * self.cost_off:.1f} % off"
        verdict = f"; {self._doubt}, so this round is NSGA-II's" if self._doubt else ""
        return (
            f"{self.scored} scored{costs}: {self.surrogate} ranks what it has not seen with tau "
            f"{self.cross_validated:.2f} ± {self.deviation:.2f}{last}, cost alone with "
            f"{self.cost_alone:.2f}{verdict}"
        )


def measured(known: FeatureCache, archive: Archive) -> Sample:
    """What a surrogate learns from: the successful scores, and those of an earlier search with other weights.

    The noise of an error is the binomial standard deviation on its images; 0 where they are not known.
    """
    scored = [*archive.scored, *known.problem.prior.scored]
    error = np.array([score.objectives["error"] for _, score in scored], dtype=float)
    images = np.array([_BITS * len(score.correct) for _, score in scored], dtype=float)
    noise = np.sqrt(error * (1 - error) / np.where(images > 0, images, np.inf))
    earlier = np.arange(len(scored)) >= len(archive.scored)
    return Sample(known.features([proposal.key for proposal, _ in scored]), error, noise, earlier)


def judge(
    problem: Problem,
    archive: Archive,
    sample: Sample,
    among: Mapping[str, Surrogate],
    costs: Mapping[str, CostModel],
) -> SurrogateQuality:
    """Judge the best among surrogates by the archive, of which `sample` is what was measured.

    `costs` are the models of measured costs that were fitted to it.
    """
    scored = int((~sample.earlier).sum())

    def folds() -> np.random.Generator:
        # The number of scores decides them, so nothing else needs to be known to repeat them.
        return np.random.default_rng(scored)

    name, taus = choose(among, sample, folds())
    cost = replace(sample, features=sample.features[:, [cost_column(problem)]])
    _, alone = choose({"cost": Dearest}, cost, folds())
    return SurrogateQuality(
        scored=scored,
        surrogate=name,
        cross_validated=float(taus.mean()),
        deviation=float(taus.std()),
        last_batch=_last_batch(archive),
        cost_alone=float(alone.mean()),
        cost_tau=min((model.tau for model in costs.values()), default=None),
        cost_off=max((model.off for model in costs.values()), default=None),
    )


class Dearest:
    """What predicts the dearer network to be the better one; a sample of costs teaches it nothing."""

    def __init__(self, sample: Sample, rng: np.random.Generator) -> None:
        pass

    def score(self, features: np.ndarray) -> np.ndarray:
        return -features[:, 0]

    def uncertainty(self, features: np.ndarray) -> None:
        return None


def _last_batch(archive: Archive) -> float | None:
    predicted = [
        (p.seen, p.predicted, s.objectives["error"]) for p, s in archive.scored if p.predicted is not None
    ]
    last = [(score, error) for seen, score, error in predicted if seen == predicted[-1][0]]
    return kendall(*np.array(last).T) if len(last) > 1 else None


def surrogate_qualities(
    problem: Problem, archive: Archive, among: Mapping[str, Surrogate] = CHEAP
) -> Iterator[SurrogateQuality]:
    """What was thought of the model whenever the explorer was asked, in order."""
    known = FeatureCache(problem)
    seen = -1
    for proposal in archive.proposals:
        if proposal.seen > seen and proposal.origin not in (WARM_START, "start"):
            seen = proposal.seen
            then = _as_seen(archive, proposal.id, seen)
            yield judge(problem, then, measured(known, then), among, cost_models(known, then))


def _as_seen(archive: Archive, id: int, seen: int) -> Archive:
    """The archive when a proposal was made: what was proposed before it, and the first `seen` scores.

    A score that came at a second attempt stands in the place of that attempt.
    """
    then = Archive()
    for proposal in archive.proposals[:id]:
        then.propose(proposal)
    for answered, score in list(archive.scores.items())[:seen]:
        if answered < id:
            then.answer(answered, score)
    return then
