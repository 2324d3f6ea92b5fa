"""Rank statistics: known answers, laws, and undefined cases."""

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau, spearmanr

from evo_bnas.archive.ranking import Estimate, agreement, between_seeds, kendall, spearman
from evo_bnas.errors import UsageError

NONE = Estimate(None, None, None)
OPS = 1000.0 * np.arange(1, 13)  # bands of four networks
ERRORS = np.linspace(0.3, 0.1, 12)

# Few values, so that there are ties.
columns = st.integers(3, 15).flatmap(lambda n: arrays(float, (3, n), elements=st.integers(0, 6).map(float)))


def known(estimate: Estimate) -> tuple[float, float, float]:
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.value, estimate.low, estimate.high


def test_a_perfect_order_has_a_tau_of_one_everywhere() -> None:
    result = agreement(ERRORS + 0.05, ERRORS, OPS)
    for estimate in (result.estimated.tau, result.estimated.spearman, result.estimated.tau_in_bands):
        assert known(estimate) == (1, 1, 1)
    assert [known(band.tau) for band in result.bands] == [(1, 1, 1)] * 3
    assert result.estimated.regret == {1: 0, 3: 0, 5: 0}
    assert result.mean_difference == pytest.approx(0.05)
    # The larger network is always better, so ops alone rank as well.
    assert result.ops == result.estimated
    assert known(result.gain) == (0, 0, 0)
    assert not result.gain.positive


def test_a_reversed_order_has_a_tau_of_minus_one_and_the_largest_regret() -> None:
    result = agreement(-ERRORS, ERRORS, OPS)
    assert known(result.estimated.tau) == known(result.estimated.spearman) == (-1, -1, -1)
    assert result.estimated.regret[1] == pytest.approx(0.2)
    assert result.estimated.regret[5] == pytest.approx(ERRORS[4] - ERRORS[-1])
    assert known(result.gain) == (-2, -2, -2)


def test_the_interval_of_an_unrelated_predictor_covers_zero() -> None:
    rng = np.random.default_rng(5)
    result = agreement(rng.random(40), rng.random(40), rng.uniform(1e3, 1e5, 40))
    for estimate in (result.estimated.tau, result.estimated.spearman, result.ops.tau, result.gain):
        _, low, high = known(estimate)
        assert low < 0 < high


def test_the_interval_equals_that_of_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(3)
    errors, estimated, number = rng.random(20), rng.random(20), 20
    draws = np.random.default_rng(7).multinomial(number, np.full(number, 1 / number), size=400)
    taus = [kendalltau(np.repeat(estimated, n), np.repeat(errors, n)).statistic for n in draws]
    result = agreement(estimated, errors, rng.uniform(1e3, 1e5, number), resamples=400, seed=7)
    assert known(result.estimated.tau)[1:] == pytest.approx(tuple(np.percentile(taus, [2.5, 97.5])))


def test_an_estimate_that_beats_ops_has_a_positive_gain() -> None:
    rng = np.random.default_rng(5)
    errors = rng.random(40)
    result = agreement(errors + 0.1 * rng.random(40), errors, rng.uniform(1e3, 1e5, 40))
    assert result.gain.positive
    assert result.gain_in_bands.positive


def test_bands_show_that_an_estimate_ranks_only_by_cost() -> None:
    """An estimate that orders the bands and reverses the order inside them ranks well overall."""
    band, place = np.divmod(np.arange(12), 4)
    measured, estimated = 0.3 - 0.1 * band + 0.01 * place, 0.3 - 0.1 * band - 0.01 * place
    result = agreement(estimated, measured, OPS)
    assert result.estimated.tau.value == pytest.approx((48 - 18) / 66)
    assert known(result.estimated.tau_in_bands) == (-1, -1, -1)
    assert [(b.min_ops, b.max_ops, b.networks) for b in result.bands] == [
        (1000, 4000, 4), (5000, 8000, 4), (9000, 12000, 4),
    ]  # fmt: skip


def test_regret_takes_the_worst_of_equal_scores_first() -> None:
    result = agreement([0.1, 0.1, 0.1, 0.5, 0.6], [0.2, 0.4, 0.3, 0.1, 0.5], [1, 2, 3, 4, 5])
    assert result.estimated.regret == pytest.approx({1: 0.3, 3: 0.1})
    assert result.ops.regret == pytest.approx({1: 0.4, 3: 0.0})


@given(columns, st.integers(0, 99))
def test_the_statistics_of_a_resample_equal_those_of_scipy(three: np.ndarray, seed: int) -> None:
    one, other, _ = three
    number = len(one)
    counts = np.vstack(
        [
            np.ones(number),
            np.bincount(np.random.default_rng(seed).integers(number, size=number), minlength=number),
        ]
    )
    taus = kendall(one, other, counts, np.ones((number, number)))
    rhos = spearman(one, other, counts)
    for count, tau, rho in zip(counts.astype(int), taus, rhos, strict=True):
        drawn, others = np.repeat(one, count), np.repeat(other, count)
        if len(set(drawn)) == 1 or len(set(others)) == 1:
            assert np.isnan([tau, rho]).all()
        else:
            assert tau == pytest.approx(kendalltau(drawn, others).statistic)
            assert rho == pytest.approx(spearmanr(drawn, others).statistic)


@given(columns)
def test_statistics_depend_only_on_ranks_and_are_within_their_bounds(three: np.ndarray) -> None:
    estimated, measured, ops = three
    result = agreement(estimated, measured, ops + 1, resamples=50)
    other = agreement(np.exp(estimated), measured, ops + 1, resamples=50)
    assert replace(other, mean_difference=0.0) == replace(result, mean_difference=0.0)
    of_ranks = [one.tau for one in (result.estimated, result.ops, *result.bands)]
    for estimate in (*of_ranks, result.estimated.spearman, result.estimated.tau_in_bands):
        values = [value for value in (estimate.low, estimate.value, estimate.high) if value is not None]
        assert all(-1 - 1e-12 <= value <= 1 + 1e-12 for value in values)
        assert estimate.low is None or estimate.low <= known(estimate)[2]
    assert all(regret >= 0 for regret in result.estimated.regret.values())
    assert sum(band.networks for band in result.bands) == len(ops)


@given(columns, st.randoms(use_true_random=False))
def test_the_order_of_the_networks_does_not_matter(three: np.ndarray, random: Any) -> None:
    order = list(range(three.shape[1]))
    random.shuffle(order)
    result, other = (agreement(e, m, o + 1, resamples=1) for e, m, o in (three, three[:, order]))
    assert other.estimated.tau.value == result.estimated.tau.value
    assert other.estimated.tau_in_bands.value == result.estimated.tau_in_bands.value
    assert other.estimated.spearman.value == result.estimated.spearman.value
    assert other.estimated.regret == result.estimated.regret


@given(columns)
def test_statistics_can_be_written_as_json(three: np.ndarray) -> None:
    text = json.dumps(asdict(agreement(*three[:2], three[2] + 1, resamples=5)), allow_nan=False)
    assert json.loads(text)["networks"] == three.shape[1]


def test_equal_errors_rank_nothing() -> None:
    result = agreement(np.full(12, 0.9), ERRORS, OPS)
    assert result.estimated.tau == result.estimated.spearman == result.estimated.tau_in_bands == NONE
    assert result.gain == NONE
    assert str(result.estimated.tau) == "-"
    assert known(result.ops.tau) == (1, 1, 1)
    assert result.estimated.regret[5] == pytest.approx(ERRORS[4] - ERRORS[-1])


def test_equal_ops_are_one_band() -> None:
    result = agreement(ERRORS, ERRORS, np.full(12, 7.0))
    assert [band.networks for band in result.bands] == [12]
    assert result.ops.tau == result.gain == NONE
    assert result.estimated.tau_in_bands == result.estimated.tau


def test_two_networks_are_refused() -> None:
    with pytest.raises(UsageError, match=r"3 networks .* 2 "):
        agreement([0.1, 0.2], [0.1, 0.2], [1, 2])


@pytest.mark.parametrize(
    "wrong", [([0.1, np.nan, 0.2], OPS[:3]), ([0.1, 0.2], OPS[:3]), ([0.1, 0.2, 0.3], [0, 1, 2])]
)
def test_nan_or_different_lengths_are_an_error(wrong: tuple[Any, Any]) -> None:
    estimated, ops = wrong
    with pytest.raises(ValueError, match="error"):
        agreement(estimated, [0.1, 0.2, 0.3], ops)


def test_the_agreement_between_seeds_is_the_mean_tau_of_their_errors() -> None:
    assert between_seeds([ERRORS]) is None
    assert between_seeds([ERRORS, 2 * ERRORS]) == 1
    assert between_seeds([ERRORS, 2 * ERRORS, -ERRORS]) == pytest.approx(-1 / 3)
    assert between_seeds([ERRORS, np.full(12, 0.9)]) is None
