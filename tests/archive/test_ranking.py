"""The figures of a fidelity: known answers, laws, and what they say where nothing can be said."""

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
    judged = agreement(ERRORS + 0.05, ERRORS, OPS)
    for estimate in (judged.estimated.tau, judged.estimated.spearman, judged.estimated.tau_in_bands):
        assert known(estimate) == (1, 1, 1)
    assert [known(band.tau) for band in judged.bands] == [(1, 1, 1)] * 3
    assert judged.estimated.regret == {1: 0, 3: 0, 5: 0}
    assert judged.mean_difference == pytest.approx(0.05)
    # The dearer is the better one, so ops alone do as well.
    assert judged.ops == judged.estimated
    assert known(judged.gain) == (0, 0, 0)
    assert not judged.gain.positive


def test_a_reversed_order_has_a_tau_of_minus_one_and_the_greatest_regret() -> None:
    judged = agreement(-ERRORS, ERRORS, OPS)
    assert known(judged.estimated.tau) == known(judged.estimated.spearman) == (-1, -1, -1)
    assert judged.estimated.regret[1] == pytest.approx(0.2)
    assert judged.estimated.regret[5] == pytest.approx(ERRORS[4] - ERRORS[-1])
    assert known(judged.gain) == (-2, -2, -2)


def test_the_interval_of_what_has_nothing_to_do_with_the_errors_covers_zero() -> None:
    rng = np.random.default_rng(5)
    judged = agreement(rng.random(40), rng.random(40), rng.uniform(1e3, 1e5, 40))
    for estimate in (judged.estimated.tau, judged.estimated.spearman, judged.ops.tau, judged.gain):
        _, low, high = known(estimate)
        assert low < 0 < high


def test_the_interval_is_that_of_a_bootstrap_written_out_plainly() -> None:
    rng = np.random.default_rng(3)
    errors, estimated, number = rng.random(20), rng.random(20), 20
    draws = np.random.default_rng(7).multinomial(number, np.full(number, 1 / number), size=400)
    taus = [kendalltau(np.repeat(estimated, n), np.repeat(errors, n)).statistic for n in draws]
    judged = agreement(estimated, errors, rng.uniform(1e3, 1e5, number), resamples=400, seed=7)
    assert known(judged.estimated.tau)[1:] == pytest.approx(tuple(np.percentile(taus, [2.5, 97.5])))


def test_an_estimate_that_beats_ops_has_a_positive_gain() -> None:
    rng = np.random.default_rng(5)
    errors = rng.random(40)
    judged = agreement(errors + 0.1 * rng.random(40), errors, rng.uniform(1e3, 1e5, 40))
    assert judged.gain.positive
    assert judged.gain_in_bands.positive


def test_bands_show_what_cost_hides() -> None:
    """An estimate that knows the band and nothing else ranks well, and inside the bands backwards."""
    band, place = np.divmod(np.arange(12), 4)
    measured, estimated = 0.3 - 0.1 * band + 0.01 * place, 0.3 - 0.1 * band - 0.01 * place
    judged = agreement(estimated, measured, OPS)
    assert judged.estimated.tau.value == pytest.approx((48 - 18) / 66)
    assert known(judged.estimated.tau_in_bands) == (-1, -1, -1)
    assert [(b.least_ops, b.most_ops, b.networks) for b in judged.bands] == [
        (1000, 4000, 4), (5000, 8000, 4), (9000, 12000, 4),
    ]  # fmt: skip


def test_a_regret_is_that_of_the_worst_among_equals() -> None:
    judged = agreement([0.1, 0.1, 0.1, 0.5, 0.6], [0.2, 0.4, 0.3, 0.1, 0.5], [1, 2, 3, 4, 5])
    assert judged.estimated.regret == pytest.approx({1: 0.3, 3: 0.1})
    assert judged.ops.regret == pytest.approx({1: 0.4, 3: 0.0})


@given(columns, st.integers(0, 99))
def test_a_resample_has_the_figures_that_scipy_gives_it(three: np.ndarray, seed: int) -> None:
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
def test_figures_are_of_ranks_alone_and_within_their_bounds(three: np.ndarray) -> None:
    estimated, measured, ops = three
    judged = agreement(estimated, measured, ops + 1, resamples=50)
    other = agreement(np.exp(estimated), measured, ops + 1, resamples=50)
    assert replace(other, mean_difference=0.0) == replace(judged, mean_difference=0.0)
    of_ranks = [one.tau for one in (judged.estimated, judged.ops, *judged.bands)]
    for estimate in (*of_ranks, judged.estimated.spearman, judged.estimated.tau_in_bands):
        found = [value for value in (estimate.low, estimate.value, estimate.high) if value is not None]
        assert all(-1 - 1e-12 <= value <= 1 + 1e-12 for value in found)
        assert estimate.low is None or estimate.low <= known(estimate)[2]
    assert all(regret >= 0 for regret in judged.estimated.regret.values())
    assert sum(band.networks for band in judged.bands) == len(ops)


@given(columns, st.randoms(use_true_random=False))
def test_the_order_of_the_networks_does_not_matter(three: np.ndarray, random: Any) -> None:
    order = list(range(three.shape[1]))
    random.shuffle(order)
    judged, other = (agreement(e, m, o + 1, resamples=1) for e, m, o in (three, three[:, order]))
    assert other.estimated.tau.value == judged.estimated.tau.value
    assert other.estimated.tau_in_bands.value == judged.estimated.tau_in_bands.value
    assert other.estimated.spearman.value == judged.estimated.spearman.value
    assert other.estimated.regret == judged.estimated.regret


@given(columns)
def test_figures_can_be_written_as_json(three: np.ndarray) -> None:
    text = json.dumps(asdict(agreement(*three[:2], three[2] + 1, resamples=5)), allow_nan=False)
    assert json.loads(text)["networks"] == three.shape[1]


def test_equal_errors_rank_nothing() -> None:
    judged = agreement(np.full(12, 0.9), ERRORS, OPS)
    assert judged.estimated.tau == judged.estimated.spearman == judged.estimated.tau_in_bands == NONE
    assert judged.gain == NONE
    assert str(judged.estimated.tau) == "-"
    assert known(judged.ops.tau) == (1, 1, 1)
    assert judged.estimated.regret[5] == pytest.approx(ERRORS[4] - ERRORS[-1])


def test_equal_ops_are_one_band() -> None:
    judged = agreement(ERRORS, ERRORS, np.full(12, 7.0))
    assert [band.networks for band in judged.bands] == [12]
    assert judged.ops.tau == judged.gain == NONE
    assert judged.estimated.tau_in_bands == judged.estimated.tau


def test_two_networks_are_no_ranking() -> None:
    with pytest.raises(UsageError, match="3 networks or more, and 2 have errors"):
        agreement([0.1, 0.2], [0.1, 0.2], [1, 2])


@pytest.mark.parametrize(
    "wrong", [([0.1, np.nan, 0.2], OPS[:3]), ([0.1, 0.2], OPS[:3]), ([0.1, 0.2, 0.3], [0, 1, 2])]
)
def test_what_is_no_number_or_does_not_fit_is_an_error(wrong: tuple[Any, Any]) -> None:
    estimated, ops = wrong
    with pytest.raises(ValueError, match="error"):
        agreement(estimated, [0.1, 0.2, 0.3], ops)


def test_seeds_agree_as_their_errors_do() -> None:
    assert between_seeds([ERRORS]) is None
    assert between_seeds([ERRORS, 2 * ERRORS]) == 1
    assert between_seeds([ERRORS, 2 * ERRORS, -ERRORS]) == pytest.approx(-1 / 3)
    assert between_seeds([ERRORS, np.full(12, 0.9)]) is None
