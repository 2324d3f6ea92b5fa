"""How well estimated errors rank networks, judged by the errors of the same networks trained alone.

Every figure is computed from how often each network is counted: once for the value itself, and as often as
a resample drew it for the interval. So a network drawn twice is tied with itself and tells nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from evo_bnas.errors import UsageError

MIN_NETWORKS = 3  # networks: with two, a ranking is either right or wrong
TOP = (1, 3, 5)
_BANDS = 3
_INTERVAL = (2.5, 97.5)  # percentiles


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval.

    The figure is None where nothing is told apart; the interval also where no resample tells anything apart.
    Resamples that tell nothing apart are left out of it.
    """

    value: float | None
    low: float | None
    high: float | None

    @property
    def positive(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low is not None and self.low > 0

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        return f"{self.value:.2f}" + ("" if self.low is None else f" [{self.low:.2f}, {self.high:.2f}]")


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well one number, the lower the better, ranks the networks."""

    tau: Estimate  # Kendall's, in [-1, 1]
    spearman: Estimate  # in [-1, 1]
    tau_in_bands: Estimate  # over pairs of networks of about the same ops
    regret: Mapping[int, float]  # k -> what the best of its first k lacks to the best of all, as a fraction


@dataclass(frozen=True, slots=True)
class Band:
    """A third of the networks, of neighbouring ops."""

    least_ops: float
    most_ops: float
    networks: int
    tau: Estimate  # of the estimated errors


@dataclass(frozen=True, slots=True)
class Agreement:
    """What estimated errors are worth beside ops alone, which rank the dearer network as the better one."""

    networks: int
    estimated: Ranking
    ops: Ranking
    gain: Estimate  # tau of the estimated errors less tau of ops alone, on the same resamples
    gain_in_bands: Estimate
    bands: tuple[Band, ...]  # from the cheapest
    mean_difference: float  # of estimated and measured error, absolute, as a fraction


def agreement(
    estimated: ArrayLike, measured: ArrayLike, ops: ArrayLike, *, resamples: int = 10_000, seed: int = 0
) -> Agreement:
    """Judge estimated errors (networks,) by measured ones of the same networks; ops (networks,) are above 0.

    Intervals are those of the percentile bootstrap over networks (Efron and Tibshirani, "An Introduction to
    the Bootstrap", 1993, chapter 13); the images of the errors and the seeds of the trainings are taken as
    given. Bands are the terciles of log ops, and a network keeps its band in every resample. Raises
    UsageError for fewer than 3 networks, and ValueError for NaN or for lengths that differ.
    """
    guess, truth, cost = (np.asarray(values, dtype=float) for values in (estimated, measured, ops))
    if not guess.shape == truth.shape == cost.shape == (len(cost),):
        raise ValueError(f"errors and ops of shapes {guess.shape}, {truth.shape}, {cost.shape}")
    if not (np.isfinite([guess, truth, cost]).all() and (cost > 0).all()):
        raise ValueError("an error or a number of ops is no number, or ops are not above 0")
    number = len(cost)
    if number < MIN_NETWORKS:
        raise UsageError(f"a ranking is judged by {MIN_NETWORKS} networks or more, and {number} have errors")
    draws = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples)
    counts = np.vstack([np.ones(number), draws])
    everywhere = np.ones((number, number))
    band = np.digitize(np.log(cost), np.quantile(np.log(cost), np.arange(1, _BANDS) / _BANDS))
    same_band = (band[:, None] == band).astype(float)

    def ranking(score: np.ndarray) -> tuple[Ranking, np.ndarray, np.ndarray]:
        overall, inside = (kendall(score, truth, counts, pairs) for pairs in (everywhere, same_band))
        regret = {k: _regret(score, truth, k) for k in TOP if k < number}
        of_ranks = _estimate(spearman(score, truth, counts))
        return Ranking(_estimate(overall), of_ranks, _estimate(inside), regret), overall, inside

    ours, tau, tau_inside = ranking(guess)
    baseline, ops_tau, ops_tau_inside = ranking(-cost)
    return Agreement(
        networks=number,
        estimated=ours,
        ops=baseline,
        gain=_estimate(tau - ops_tau),
        gain_in_bands=_estimate(tau_inside - ops_tau_inside),
        bands=tuple(
            Band(
                float(cost[members].min()),
                float(cost[members].max()),
                int(members.sum()),
                _estimate(kendall(guess, truth, counts, np.outer(members, members).astype(float))),
            )
            for members in (band == name for name in np.unique(band))
        ),
        mean_difference=float(np.abs(guess - truth).mean()),
    )


def kendall(one: np.ndarray, other: np.ndarray, counts: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Kendall's tau-b (rows,) of two columns (n,) for each row of counts (rows, n), over some pairs (n, n).

    Concordant less discordant pairs, over the root of the product of the pairs that each column tells apart:
    "The treatment of ties in ranking problems", Biometrika 33, 1945. NaN where a column tells no pair apart.
    """

    def total(values: np.ndarray) -> np.ndarray:
        summed: np.ndarray = ((counts @ (values * pairs)) * counts).sum(axis=1)
        return summed

    signs, other_signs = (np.sign(column[:, None] - column) for column in (one, other))
    return _ratio(total(signs * other_signs), total(np.abs(signs)), total(np.abs(other_signs)))


def tau(one: np.ndarray, other: np.ndarray) -> float | None:
    """Kendall's tau-b of two columns (n,), every pair once; None where either tells no pair apart."""
    number = len(one)
    (value,) = kendall(one, other, np.ones((1, number)), np.ones((number, number)))
    return None if np.isnan(value) else float(value)


def spearman(one: np.ndarray, other: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Spearman's rho (rows,) of two columns (n,) for each row of counts (rows, n).

    The correlation of mid-ranks (Spearman, "The proof and measurement of association between two things",
    American Journal of Psychology 15, 1904). NaN where a column is constant.
    """

    # Networks below less networks above: twice the mid-rank, less the mean of that.
    ranks, other_ranks = (counts @ np.sign(column - column[:, None]) for column in (one, other))
    covariance, variance, other_variance = (
        (counts * product).sum(axis=1)
        for product in (ranks * other_ranks, ranks**2, other_ranks**2)
    )  # fmt: skip
    return _ratio(covariance, variance, other_variance)


def between_seeds(errors: ArrayLike) -> float | None:
    """Mean tau-b of every two rows of errors (seeds, networks): what an estimate's tau is to be read beside.

    None with one seed, and where a seed tells no networks apart.
    """
    taus = [tau(one, other) for one, other in combinations(np.asarray(errors, dtype=float), 2)]
    known = [value for value in taus if value is not None]
    return float(np.mean(known)) if known and len(known) == len(taus) else None


def _regret(score: np.ndarray, truth: np.ndarray, k: int) -> float:
    """Best measured error of the first k by score less the best of all; of equals the worst come first."""
    first = np.lexsort((-truth, score))[:k]
    return float(truth[first].min() - truth.min())


def _ratio(numerator: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    root = np.sqrt(one * other)
    ratio = np.full(len(root), np.nan)
    np.divide(numerator, root, out=ratio, where=root > 0)
    return ratio


def _estimate(values: np.ndarray) -> Estimate:
    """Of the value itself, first, and of its resamples; NaN where nothing is told apart."""
    if np.isnan(values[0]):
        return Estimate(None, None, None)
    resampled = values[1:][~np.isnan(values[1:])]
    if not len(resampled):
        return Estimate(float(values[0]), None, None)
    low, high = np.percentile(resampled, _INTERVAL)
    return Estimate(float(values[0]), float(low), float(high))
