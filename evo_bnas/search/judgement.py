"""Whether a surrogate can be believed, and what a search has seen to say so.

All of it follows from the archive alone, without a generator: so what an explorer thought of its model in
any round can be read from the journal afterwards, and is not recorded in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from evo_bnas.results.archive import WARM_START, Archive
from evo_bnas.search.features import Known, cost_column
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogates.choice import CHEAP, choose
from evo_bnas.search.surrogates.model import Sample, Surrogate
from evo_bnas.search.surrogates.quality import FOLDS, kendall

_BITS = 4  # of a hexadecimal digit: each an image


@dataclass(frozen=True, slots=True)
class Judgement:
    """Kendall's tau of predicted and measured errors, in [-1, 1], by several measures."""

    scored: int  # networks that it rests on
    surrogate: str  # the chosen one
    cross_validated: float  # on networks held out, mean over folds
    deviation: float  # of that, between folds
    last_batch: float | None  # of what was predicted before the last batch was measured; None without one
    cost_alone: float  # of the dearer network predicted to be the better one

    @property
    def trusted(self) -> bool:
        """Whether the model ranks better than cost alone, and surely better than chance."""
        sure = self.cross_validated - 2 * self.deviation / FOLDS**0.5
        return self.cross_validated > self.cost_alone and sure > 0

    def __str__(self) -> str:
        last = "" if self.last_batch is None else f", the last batch beforehand with {self.last_batch:.2f}"
        rival = (
            "surely better than chance"
            if self.cross_validated > self.cost_alone
            else "better than cost alone"
        )
        verdict = "" if self.trusted else f"; that is not {rival}, so this round is NSGA-II's"
        return (
            f"{self.scored} scored: {self.surrogate} ranks what it has not seen with tau "
            f"{self.cross_validated:.2f} ± {self.deviation:.2f}{last}, cost alone with "
            f"{self.cost_alone:.2f}{verdict}"
        )


def measured(known: Known, archive: Archive) -> Sample:
    """What a surrogate learns from: the successful scores, and those of an earlier search with other weights.

    The noise of an error is the binomial standard deviation on its images; 0 where they are not known.
    """
    scored = [*archive.scored, *known.problem.prior.scored]
    error = np.array([score.objectives["error"] for _, score in scored], dtype=float)
    images = np.array([_BITS * len(score.correct) for _, score in scored], dtype=float)
    noise = np.sqrt(error * (1 - error) / np.where(images > 0, images, np.inf))
    earlier = np.arange(len(scored)) >= len(archive.scored)
    return Sample(known.features([proposal.key for proposal, _ in scored]), error, noise, earlier)


def judge(problem: Problem, archive: Archive, sample: Sample, among: Mapping[str, Surrogate]) -> Judgement:
    """Judge the best among surrogates by the archive, of which `sample` is what was measured."""
    scored = int((~sample.earlier).sum())

    def folds() -> np.random.Generator:
        # The number of scores decides them, so nothing else needs to be known to repeat them.
        return np.random.default_rng(scored)

    name, taus = choose(among, sample, folds())
    cost = replace(sample, features=sample.features[:, [cost_column(problem)]])
    _, alone = choose({"cost": Dearest}, cost, folds())
    return Judgement(
        scored=scored,
        surrogate=name,
        cross_validated=float(taus.mean()),
        deviation=float(taus.std()),
        last_batch=_last_batch(archive),
        cost_alone=float(alone.mean()),
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


def judgements(
    problem: Problem, archive: Archive, among: Mapping[str, Surrogate] = CHEAP
) -> Iterator[Judgement]:
    """What was thought of the model whenever the explorer was asked, in order."""
    known = Known(problem)
    seen = -1
    for proposal in archive.proposals:
        if proposal.seen > seen and proposal.origin not in (WARM_START, "start"):
            seen = proposal.seen
            then = _as_seen(archive, proposal.id, seen)
            yield judge(problem, then, measured(known, then), among)


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
