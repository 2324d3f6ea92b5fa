import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evo_bnas.search.surrogates import SURROGATES
from evo_bnas.search.surrogates.bradley_terry import loss
from evo_bnas.search.surrogates.choice import choose
from evo_bnas.search.surrogates.cross_validation import FOLDS, cross_validated, kendall
from evo_bnas.search.surrogates.model import Model, Sample
from evo_bnas.search.surrogates.pair_svm import Comparator, pair_svm
from evo_bnas.search.surrogates.pairs import worse_and_better

every_surrogate = pytest.mark.parametrize("name", SURROGATES)


def separable(n: int, seed: int = 0, genes: int = 6, options: int = 3) -> Sample:
    """One-hot genes; every option adds its own loss."""
    rng = np.random.default_rng(seed)
    losses = np.random.default_rng(99).random((genes, options))
    drawn = rng.integers(options, size=(n, genes))
    features = np.eye(options)[drawn].reshape(n, genes * options)
    error = losses[np.arange(genes), drawn].sum(axis=1) / genes
    return Sample(features, error, np.zeros(n), np.zeros(n, dtype=bool))


def fit(name: str, sample: Sample, seed: int = 0) -> Model:
    return SURROGATES[name](sample, np.random.default_rng(seed))


@every_surrogate
def test_a_surrogate_learns_a_separable_problem(name: str) -> None:
    unseen = separable(200, seed=1)
    assert kendall(fit(name, separable(60)).score(unseen.features), unseen.error) > 0.8


@every_surrogate
def test_equal_samples_and_generators_give_equal_scores(name: str) -> None:
    unseen = separable(30, seed=1).features
    one, other = (fit(name, separable(30), seed=5).score(unseen) for _ in range(2))
    assert np.array_equal(one, other)


@every_surrogate
def test_a_score_does_not_depend_on_the_other_rows(name: str) -> None:
    model = fit(name, separable(30))
    unseen = separable(20, seed=1).features
    together = model.score(unseen)
    assert model.score(unseen[::-1])[::-1] == pytest.approx(together, rel=1e-6, abs=1e-9)
    assert model.score(unseen[:1]) == pytest.approx(together[:1], rel=1e-6, abs=1e-9)


@every_surrogate
@pytest.mark.parametrize("n", [0, 1, 8])
def test_equal_errors_give_equal_scores(name: str, n: int) -> None:
    sample = separable(n)
    equal = Sample(sample.features, np.full(n, 0.3), sample.noise, sample.earlier)
    scores = fit(name, equal).score(separable(5, seed=1).features)
    assert scores.shape == (5,)
    assert np.ptp(scores) < 1e-3


@every_surrogate
def test_an_earlier_search_with_larger_errors_does_not_mislead(name: str) -> None:
    own, before, unseen = separable(20), separable(60, seed=2), separable(200, seed=1)
    both = Sample(
        np.vstack([own.features, before.features]),
        np.concatenate([own.error, before.error + 5.0]),
        np.zeros(80),
        np.arange(80) >= 20,
    )
    alone = kendall(fit(name, own).score(unseen.features), unseen.error)
    assert kendall(fit(name, both).score(unseen.features), unseen.error) > max(0.8, alone - 0.02)


@given(st.integers(0, 1000), st.integers(2, 12))
@settings(max_examples=25, deadline=None)
def test_scaling_and_shifting_errors_changes_no_ranking_of_pairs(seed: int, n: int) -> None:
    sample = separable(n, seed)
    other = Sample(sample.features, 3 * sample.error + 1, sample.noise, sample.earlier)
    drawn = [worse_and_better(s, np.random.default_rng(seed)) for s in (sample, other)]
    assert np.array_equal(*drawn)


@given(st.integers(0, 1000), st.integers(0, 12))
@settings(max_examples=50, deadline=None)
def test_pairs_name_the_worse_network_first_and_leave_out_differences_within_the_noise(
    seed: int, n: int
) -> None:
    sample = separable(n, seed)
    noise = np.random.default_rng(seed).random(n) * 0.1
    sample = Sample(sample.features, sample.error, noise, np.arange(n) % 3 == 0)
    pairs = worse_and_better(sample, np.random.default_rng(0))
    expected = {
        (i, j)
        for i in range(n)
        for j in range(n)
        if sample.error[i] - sample.error[j] > max(noise[i], noise[j]) and (i % 3 == 0) == (j % 3 == 0)
    }
    assert {(int(i), int(j)) for i, j in pairs} == expected
    assert len(pairs) == len(expected)


def test_a_thinned_sample_keeps_the_scores_of_this_search() -> None:
    sample = separable(50)
    sample = Sample(sample.features, sample.error, sample.noise, np.arange(50) >= 20)
    thinned = sample.thinned(30, np.random.default_rng(0))
    assert len(thinned) == 30
    assert np.array_equal(thinned.error[~thinned.earlier], sample.error[:20])
    assert sample.thinned(50, np.random.default_rng(0)) is sample


def test_the_number_of_pairs_is_limited() -> None:
    pairs = worse_and_better(separable(400), np.random.default_rng(0), size=500)
    assert 400 < len(pairs) <= 500
    assert (pairs[:, 0] != pairs[:, 1]).all()


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_gradient_of_the_likelihood_is_its_derivative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, size=6)
    pairs = np.array([[0, 1], [2, 3], [4, 0], [1, 0]])
    value, slope = loss(scores, pairs)
    step = 1e-6
    by_difference = [(loss(scores + step * np.eye(6)[i], pairs)[0] - value) / step for i in range(6)]
    assert slope == pytest.approx(by_difference, abs=1e-5)
    assert loss(scores + 7.5, pairs)[0] == pytest.approx(value)  # only differences count


def test_the_likelihood_of_a_very_wrong_margin_is_finite() -> None:
    value, slope = loss(np.array([-1e4, 1e4]), np.array([[0, 1]]))
    assert value == pytest.approx(2e4)
    assert slope == pytest.approx([-1, 1])


@pytest.fixture(scope="module")
def comparator() -> Comparator:
    fitted = pair_svm(separable(30), np.random.default_rng(0))
    assert isinstance(fitted, Comparator)
    return fitted


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_the_comparison_of_concatenated_pairs_is_antisymmetric(comparator: Comparator, seed: int) -> None:
    one, other = separable(5, seed).features, separable(5, seed + 1).features
    assert comparator.margin(one, other) == pytest.approx(-comparator.margin(other, one), abs=1e-9)
    assert comparator.margin(one, one) == pytest.approx(0, abs=1e-9)


def test_networks_are_compared_with_at_most_forty_references() -> None:
    fitted = pair_svm(separable(100), np.random.default_rng(0))
    assert isinstance(fitted, Comparator)
    assert len(fitted.references) == 40


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=15))
def test_tau_is_that_of_scipy_and_0_for_constant_values(values: list[tuple[int, int]]) -> None:
    from scipy.stats import kendalltau

    score, error = np.array(values, dtype=float).reshape(-1, 2).T
    if len(values) > 1 and np.ptp(score) > 0 and np.ptp(error) > 0:
        assert kendall(score, error) == pytest.approx(kendalltau(score, error).statistic)
    else:
        assert kendall(score, error) == 0


def test_cross_validation_ranks_only_networks_of_this_search_and_tells_skill_from_noise() -> None:
    sample = separable(40)
    surrogate = SURROGATES["pair-linear"]
    skill = cross_validated(surrogate, sample, np.random.default_rng(0))
    assert skill.shape == (FOLDS,)
    assert skill.mean() > 0.6
    rng = np.random.default_rng(1)
    noise = Sample(sample.features, rng.random(40), sample.noise, sample.earlier)
    assert abs(cross_validated(surrogate, noise, rng).mean()) < 0.4
    earlier = Sample(sample.features, sample.error, sample.noise, np.ones(40, dtype=bool))
    assert not cross_validated(surrogate, earlier, rng).any()


def test_the_surrogate_that_ranks_better_on_the_same_folds_is_chosen() -> None:
    def blind(sample: Sample, rng: np.random.Generator) -> Model:
        return SURROGATES["pair-linear"](separable(0), rng)

    among = {"blind": blind, "pair-linear": SURROGATES["pair-linear"]}
    name, taus = choose(among, separable(40), np.random.default_rng(0))
    assert name == "pair-linear"
    assert np.array_equal(taus, choose(among, separable(40), np.random.default_rng(0))[1])
