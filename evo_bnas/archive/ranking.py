"""Rank statistics: how well estimated errors rank networks, compared with their errors after training.

Every statistic is computed from counts of the networks: 1 for each gives its value, the counts of bootstrap
resamples give its interval. A network that a resample has twice is tied with itself and adds nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from evo_bnas.errors import UsageError

MIN_NETWORKS = 3  # a ranking of two networks is either right or wrong
_TOP = (1, 3, 5)  # networks that a regret is computed for
_BANDS = 3
_INTERVAL = (2.5, 97.5)  # percentiles


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic with its 95 % interval.

    It is None if it is undefined because all values are equal. Resamples for which it is undefined are left
    out of the interval, which is None if no resample remains.
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
    """How well a predictor ranks networks; lower predictions mean lower errors."""

    tau: Estimate  # Kendall's, in [-1, 1]
    spearman: Estimate  # in [-1, 1]
    tau_in_bands: Estimate  # tau over pairs of networks of similar ops
    regret: Mapping[int, float]  # k -> lowest error of its first k minus lowest error of all, fraction


@dataclass(frozen=True, slots=True)
class Band:
    """A third of the networks by ops."""

    min_ops: float
    max_ops: float
    networks: int
    tau: Estimate  # of the estimated errors


@dataclass(frozen=True, slots=True)
class Agreement:
    """Estimated errors compared with ops alone, which predict the larger network to be better."""

    networks: int
    estimated: Ranking
    ops: Ranking
    gain: Estimate  # tau of the estimated errors minus tau of ops alone, on the same resamples
    gain_in_bands: Estimate
    bands: tuple[Band, ...]  # by rising ops
    mean_difference: float  # of estimated and measured error, absolute, fraction


def agreement(
    estimated: ArrayLike, measured: ArrayLike, ops: ArrayLike, *, resamples: int = 10_000, seed: int = 0
) -> Agreement:
    """Compare estimated with measured errors (networks,) and with positive ops (networks,).

    Intervals are percentile bootstrap intervals over networks (Efron and Tibshirani, "An Introduction to the
    Bootstrap", 1993, chapter 13); images and training seeds are not resampled. Bands are the terciles of log
    ops, and a network keeps its band in every resample. Raises UsageError for fewer than 3 networks, and
    ValueError for NaN or different lengths.
    """
    guess, truth, cost = _checked(estimated, measured, ops)
    number = len(cost)
    draws = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples)
    counts = np.vstack([np.ones(number), draws])
    band = np.digitize(np.log(cost), np.quantile(np.log(cost), np.arange(1, _BANDS) / _BANDS))
    same_band = (band[:, None] == band).astype(float)
    ours, tau, tau_inside = _ranking(guess, truth, counts, same_band)
    baseline, ops_tau, ops_tau_inside = _ranking(-cost, truth, counts, same_band)
    return Agreement(
        networks=number,
        estimated=ours,
        ops=baseline,
        gain=_estimate(tau - ops_tau),
        gain_in_bands=_estimate(tau_inside - ops_tau_inside),
        bands=tuple(_band(guess, truth, cost, counts, band == index) for index in np.unique(band)),
        mean_difference=float(np.abs(guess - truth).mean()),
    )


def kendall(first: np.ndarray, second: np.ndarray, counts: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Kendall's tau-b (rows,) of two columns (n,) for each row of counts (rows, n).

    `pairs` (n, n) is 1 for pairs that are compared and 0 for others. Concordant minus discordant pairs, over
    the root of the product of the numbers of untied pairs in each column (Kendall, "The treatment of ties in
    ranking problems", Biometrika 33, 1945). NaN if all pairs of a column are tied.
    """

    def total(values: np.ndarray) -> np.ndarray:
        summed: np.ndarray = ((counts @ (values * pairs)) * counts).sum(axis=1)
        return summed

    signs, others = (np.sign(column[:, None] - column) for column in (first, second))
    return _ratio(total(signs * others), total(np.abs(signs)), total(np.abs(others)))


def tau(first: np.ndarray, second: np.ndarray) -> float | None:
    """Kendall's tau-b of two columns (n,), every pair once; None if all pairs of a column are tied."""
    number = len(first)
    (value,) = kendall(first, second, np.ones((1, number)), np.ones((number, number)))
    return None if np.isnan(value) else float(value)


def spearman(first: np.ndarray, second: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Spearman's rho (rows,) of two columns (n,) for each row of counts (rows, n).

    The correlation of mid-ranks (Spearman, "The proof and measurement of association between two things",
    American Journal of Psychology 15, 1904). NaN if a column is constant.
    """

    # Networks below minus networks above: twice the mid-rank, minus its mean.
    ranks, others = (counts @ np.sign(column - column[:, None]) for column in (first, second))
    products = (ranks * others, ranks**2, others**2)
    covariance, variance, other_variance = ((counts * product).sum(axis=1) for product in products)
    return _ratio(covariance, variance, other_variance)


def between_seeds(errors: ArrayLike) -> float | None:
    """Mean tau-b of every two rows of errors (seeds, networks): a reference for the tau of an estimate.

    None with one seed, or if a seed has equal errors throughout.
    """
    taus = [tau(*two) for two in combinations(np.asarray(errors, dtype=float), 2)]
    defined = [value for value in taus if value is not None]
    return float(np.mean(defined)) if defined and len(defined) == len(taus) else None


def _checked(
    estimated: ArrayLike, measured: ArrayLike, ops: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    guess, truth, cost = (np.asarray(values, dtype=float) for values in (estimated, measured, ops))
    if not guess.shape == truth.shape == cost.shape == (len(cost),):
        raise ValueError(f"errors and ops of shapes {guess.shape}, {truth.shape}, {cost.shape}")
    if not (np.isfinite([guess, truth, cost]).all() and (cost > 0).all()):
        raise ValueError("errors must be finite, and ops finite and above 0")
    if len(cost) < MIN_NETWORKS:
        raise UsageError(f"a ranking needs {MIN_NETWORKS} networks or more, and {len(cost)} have errors")
    return guess, truth, cost


def _ranking(
    score: np.ndarray, truth: np.ndarray, counts: np.ndarray, same_band: np.ndarray
) -> tuple[Ranking, np.ndarray, np.ndarray]:
    """How scores rank networks, and tau over all pairs and within bands for each row of counts."""
    overall, inside = (kendall(score, truth, counts, pairs) for pairs in (np.ones_like(same_band), same_band))
    regret = {k: _regret(score, truth, k) for k in _TOP if k < len(score)}
    rho = _estimate(spearman(score, truth, counts))
    return Ranking(_estimate(overall), rho, _estimate(inside), regret), overall, inside


def _band(
    guess: np.ndarray, truth: np.ndarray, cost: np.ndarray, counts: np.ndarray, members: np.ndarray
) -> Band:
    pairs = np.outer(members, members).astype(float)
    tau = _estimate(kendall(guess, truth, counts, pairs))
    return Band(float(cost[members].min()), float(cost[members].max()), int(members.sum()), tau)


def _regret(score: np.ndarray, truth: np.ndarray, k: int) -> float:
    """Lowest measured error of the first k by score minus that of all; of equal scores the worst is first."""
    first = np.lexsort((-truth, score))[:k]
    return float(truth[first].min() - truth.min())


def _ratio(numerator: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    root = np.sqrt(first * second)
    ratio = np.full(len(root), np.nan)
    np.divide(numerator, root, out=ratio, where=root > 0)
    return ratio


def _estimate(values: np.ndarray) -> Estimate:
    """From the value itself, first, and its resamples; NaN where it is undefined."""
    if np.isnan(values[0]):
        return Estimate(None, None, None)
    resampled = values[1:][~np.isnan(values[1:])]
    if not len(resampled):
        return Estimate(float(values[0]), None, None)
    low, high = np.percentile(resampled, _INTERVAL)
    return Estimate(float(values[0]), float(low), float(high))
