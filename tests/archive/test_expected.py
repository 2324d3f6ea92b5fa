"""Expected errors: laws of the estimate, and made-up searches whose truth is known."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from evo_bnas.archive.correct import pack_correct
from evo_bnas.archive.expected import expected_errors
from evo_bnas.archive.pick import pick

Floats = NDArray[np.float64]

errors = st.integers(5, 30).flatmap(lambda n: arrays(float, n, elements=st.floats(0, 1)))


def frame(error: Sequence[float] | Floats, ops: Sequence[float] | Floats) -> pd.DataFrame:
    """Networks n0, n1, … whose errors count as exact."""
    keys = [f"n{number}" for number in range(len(error))]
    return pd.DataFrame(
        {"key": keys, "status": "ok", "error": np.array(error, float), "ops": np.array(ops), "correct": ""}
    )


def measured(truth: Floats, ops: Floats, images: int, rng: np.random.Generator) -> pd.DataFrame:
    """The same networks with these true errors, measured on some images."""
    correct = rng.random((len(truth), images)) >= truth[:, None]
    return frame(1 - correct.mean(axis=1), ops).assign(correct=[pack_correct(own) for own in correct])


def log_spread(number: int, rng: np.random.Generator) -> Floats:
    return np.exp(rng.uniform(np.log(1e4), np.log(1e6), number))


def ops_for(number: int) -> Floats:
    return log_spread(number, np.random.default_rng(number))


@given(errors)
def test_exact_errors_stay_as_they_are(error: Floats) -> None:
    (search,) = expected_errors(frame(error, ops_for(len(error))))
    assert search.mean == pytest.approx(error, abs=1e-4)
    assert (search.deviation < 1e-3).all()
    assert search.noise < 1e-5


@settings(max_examples=25)
@given(st.integers(5, 40), st.integers(0, 10_000))
def test_differences_that_are_all_chance_are_taken_out(number: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = measured(np.full(number, 0.3), log_spread(number, rng), 100, rng)
    search = expected_errors(rows)[-1]
    assert np.ptp(search.mean) <= np.ptp(rows["error"]) + 1e-9
    assert search.noise == pytest.approx((0.3 * 0.7 / 100) ** 0.5, rel=0.4)


def test_more_images_leave_more_of_what_is_measured() -> None:
    rng = np.random.default_rng(0)
    ops = log_spread(40, rng)
    truth = 0.3 - 0.02 * np.log(ops / 1e5) + rng.normal(0, 0.02, 40)
    moved = []
    for images in (100, 1_000, 10_000, 100_000):
        rows = measured(truth, ops, images, rng)
        search = expected_errors(rows)[-1]
        moved.append(float(np.abs(search.mean - rows["error"]).mean()))
        assert np.abs(search.mean - truth).mean() < np.abs(rows["error"] - truth).mean()
        if images >= 1_000:
            assert search.between == pytest.approx(0.02, rel=0.4)
    assert moved == sorted(moved, reverse=True)
    assert moved[0] > 30 * moved[-1]


def test_images_that_are_hard_for_all_networks_are_no_noise() -> None:
    rng = np.random.default_rng(0)
    easy = rng.random((12, 400)) >= 0.05
    rows = frame(1 - easy.mean(axis=1), ops_for(12)).assign(correct=[pack_correct(own) for own in easy])
    both = np.hstack([easy, np.zeros((12, 400), bool)])
    hard = frame(1 - both.mean(axis=1), ops_for(12)).assign(correct=[pack_correct(own) for own in both])
    (alone,), (joined,) = expected_errors(rows), expected_errors(hard)
    assert joined.noise == pytest.approx(alone.noise / 2)
    assert joined.mean - 0.5 == pytest.approx(alone.mean / 2, rel=1e-3)


@given(errors, st.integers(0, 10_000), st.booleans())
def test_more_ops_and_a_higher_error_in_the_search_never_count_the_wrong_way(
    error: Floats, seed: int, exact: bool
) -> None:
    """Also where the measured errors rise with the ops: no slope is below 0."""
    rng = np.random.default_rng(seed)
    number = len(error)
    ops = log_spread(number, rng)
    rows = frame(error, ops) if exact else measured(error, ops, 50, rng)
    trained = rows.iloc[rng.permutation(number)[: number // 2]]
    rung = trained.assign(error=rng.random(len(trained)))
    stages = expected_errors(rows, [rung])
    for stage in stages:
        assert (stage.slopes >= 0).all()
        assert np.isfinite(stage.mean).all()
        assert (stage.deviation >= 0).all()
    if len(stages) == 2:
        untrained = np.flatnonzero(~rows["key"].isin(trained["key"]))
        before, after = stages[0].mean[untrained], stages[1].mean[untrained]
        cheaper = ops[untrained][:, None] <= ops[untrained][None, :]
        worse = before[:, None] >= before[None, :]
        assert ((after[:, None] >= after[None, :] - 1e-9) | ~(cheaper & worse)).all()


def test_without_evidence_in_the_errors_more_ops_are_expected_to_be_no_worse() -> None:
    rng = np.random.default_rng(1)
    ops = log_spread(30, rng)
    rows = measured(0.3 - 0.03 * np.log(ops / 1e5), ops, 60, rng)
    search = expected_errors(rows)[-1]
    by_ops = search.mean[np.argsort(ops)]
    assert fmean(by_ops[:10]) > fmean(by_ops[20:])
    # Errors that rise with the ops say nothing about networks after training.
    rising = measured(0.3 + 0.03 * np.log(ops / 1e5), ops, 60, rng)
    assert expected_errors(rising)[-1].slopes.tolist() == [0]


def test_a_rung_corrects_also_the_networks_that_it_did_not_train() -> None:
    rng = np.random.default_rng(2)
    ops = log_spread(20, rng)
    rows = frame(rng.uniform(0.2, 0.6, 20), ops)
    after = rows["error"].to_numpy() / 2 + 0.01
    rung = rows.assign(error=after).iloc[::2]
    search, confirmed = expected_errors(rows, [rung])
    assert confirmed.mean == pytest.approx(after, abs=1e-3)
    assert search.mean == pytest.approx(rows["error"].to_numpy(), abs=1e-3)
    # The next rung starts from there.
    last = rows.assign(error=after - 0.01).iloc[:6]
    assert expected_errors(rows, [rung, last])[-1].mean == pytest.approx(after - 0.01, abs=1e-3)


def test_what_a_rung_measured_itself_is_less_uncertain() -> None:
    rng = np.random.default_rng(3)
    ops = log_spread(30, rng)
    truth = 0.3 - 0.02 * np.log(ops / 1e5) + rng.normal(0, 0.03, 30)
    rows = measured(truth + 0.2, ops, 300, rng)
    rung = measured(truth, ops, 300, rng).iloc[:12]
    confirmed = expected_errors(rows, [rung])[-1]
    assert confirmed.deviation[:12].mean() < 0.9 * confirmed.deviation[12:].mean()


def test_too_few_networks_are_not_corrected() -> None:
    rows = frame([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [6e4, 5e4, 4e4, 3e4, 2e4, 1e4])
    assert len(expected_errors(rows, [rows.iloc[:2].assign(error=0.9)])) == 1
    assert len(expected_errors(rows, [rows.iloc[:3].assign(error=0.9)])) == 2
    unknown = rows.assign(key=[f"other{number}" for number in range(6)], error=0.9)
    assert len(expected_errors(rows, [unknown])) == 1
    (few,) = expected_errors(rows.iloc[:2])
    assert few.mean.tolist() == [0.1, 0.2]


def test_the_frame_is_not_changed() -> None:
    rng = np.random.default_rng(4)
    rows = measured(np.linspace(0.1, 0.5, 12), log_spread(12, rng), 100, rng)
    few = rows.iloc[:3].copy()
    for table in (rows, few):
        before = table.copy()
        expected_errors(table, [table.assign(error=0.5)])
        pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(("slope", "own", "images"), [(0.03, 0.02, 80), (0.02, 0.02, 150)])
def test_a_pick_by_expected_error_is_better_than_by_measured_error_or_by_ops(
    slope: float, own: float, images: int
) -> None:
    """The regret: the true error of the pick minus the lowest true error, on average over searches."""
    rng = np.random.default_rng(0)
    regrets: dict[str, list[float]] = {"expected": [], "measured": [], "ops": []}
    covered = []
    for _ in range(100):
        ops = log_spread(40, rng)
        truth = np.clip(0.25 - slope * np.log(ops / 1e5) + rng.normal(0, own, 40), 0.01, 0.9)
        rows = measured(truth, ops, images, rng)
        search = expected_errors(rows)[-1]
        picked = pick(rows.assign(expected=search.mean, deviation=search.deviation), {}).key
        chosen = {
            "expected": list(rows["key"]).index(picked),
            "measured": int(rows["error"].to_numpy().argmin()),
            "ops": int(ops.argmax()),
        }
        for way, index in chosen.items():
            regrets[way].append(float(truth[index] - truth.min()))
        covered.append(float((np.abs(search.mean - truth) <= 2 * search.deviation).mean()))
    mean = {way: fmean(values) for way, values in regrets.items()}
    assert mean["expected"] < 0.9 * mean["measured"]
    assert mean["expected"] < 0.9 * mean["ops"]
    assert fmean(covered) > 0.8, "deviations are not far too small"


def test_rungs_lower_the_regret_of_a_search_that_ranks_badly() -> None:
    """Short trainings tell what the supernet does not; only 12 of 40 networks are trained."""
    rng = np.random.default_rng(0)
    regrets: list[tuple[float, float]] = []
    for _ in range(60):
        ops = log_spread(40, rng)
        truth = np.clip(0.25 - 0.02 * np.log(ops / 1e5) + rng.normal(0, 0.03, 40), 0.01, 0.9)
        rows = measured(np.clip(truth + rng.normal(0.2, 0.05, 40), 0.01, 0.9), ops, 200, rng)
        first = expected_errors(rows)[-1].mean
        trained = np.argsort(first)[:12]
        rung = measured(truth, ops, 200, rng).iloc[trained]
        last = expected_errors(rows, [rung])[-1].mean
        regrets.append((float(truth[first.argmin()]), float(truth[last.argmin()])))
    before, after = np.array(regrets).mean(axis=0)
    assert after < before - 0.01
