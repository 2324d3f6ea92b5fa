from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.archive.front import hypervolume
from evo_bnas.archive.score import Score
from evo_bnas.search import EXPLORERS
from evo_bnas.search.explorer import Candidate
from evo_bnas.search.features import FeatureCache, cost_column, features
from evo_bnas.search.predictions import Predictions
from evo_bnas.search.problem import Problem
from evo_bnas.search.surrogate_quality import (
    SurrogateQuality,
    surrogate_qualities,
    surrogate_quality,
    training_sample,
)
from evo_bnas.search.surrogates.choice import CHEAP
from evo_bnas.search.surrogates.constant import Constant
from tests.support.synthetic import ELASTIC, OBJECTIVES, POPULATION, Synthetic, run

PROBLEM = Problem(ELASTIC, OBJECTIVES)

by_surrogate = pytest.mark.parametrize("name", ["surrogate", "multi-population"])


def scored(problem: Problem, n: int, *, noise: bool = False, correct: str = "") -> Archive:
    """Both ends and networks over the cost, with errors from their genes or random ones."""
    rng = np.random.default_rng(3)
    evaluator = Synthetic(problem.space)
    archive = Archive()
    networks = {problem.smallest(): None, problem.largest(): None}
    while len(networks) < n:
        networks[problem.sample(rng)] = None
    for network in networks:
        id = len(archive.proposals)
        archive.add_proposal(Proposal(id, network, "start", 0))
        objectives = dict(evaluator.score(network).objectives)
        if noise:
            objectives["error"] = rng.random()
        archive.add_score(id, Score("ok", objectives, correct=correct))
    return archive


def propose(problem: Problem, name: str, archive: Archive, n: int = 8) -> list[Candidate]:
    return EXPLORERS[name](problem, POPULATION).propose(archive, n, np.random.default_rng(0))


@by_surrogate
def test_a_good_model_leads_to_predicted_networks(name: str) -> None:
    candidates = propose(PROBLEM, name, scored(PROBLEM, 40))
    origins = {candidate.origin for candidate in candidates}
    assert origins <= ({"predicted"} if name == "surrogate" else {"main", "vice"})
    assert all(candidate.predicted is not None for candidate in candidates)


@by_surrogate
def test_random_errors_lead_back_to_nsga2_and_the_origin_says_so(name: str) -> None:
    candidates = propose(PROBLEM, name, scored(PROBLEM, 40, noise=True))
    assert [candidate.origin for candidate in candidates] == ["nsga2"] * 8
    assert all(candidate.predicted is None for candidate in candidates)


def test_errors_explained_by_cost_alone_lead_back_to_nsga2() -> None:
    archive = Archive()
    for proposal, score in scored(PROBLEM, 40).scored:
        archive.add_proposal(proposal)
        error = 0.9 - 0.8 * score.objectives["ops"] / ELASTIC.bounds("ops")[1]
        archive.add_score(proposal.id, Score("ok", {**score.objectives, "error": error}))
    quality = surrogate_quality(PROBLEM, archive, training_sample(FeatureCache(PROBLEM), archive), CHEAP, {})
    assert quality.cost_alone == pytest.approx(1)
    assert not quality.trusted
    assert str(quality).endswith("; not better than ops alone")
    assert {candidate.origin for candidate in propose(PROBLEM, "surrogate", archive)} == {"nsga2"}


def test_predictions_follow_the_first_design() -> None:
    archive = scored(PROBLEM, POPULATION - 3)
    origins = [candidate.origin for candidate in propose(PROBLEM, "surrogate", archive)]
    assert origins[:3] == ["start"] * 3
    assert "start" not in origins[3:]


@by_surrogate
def test_max_error_keeps_the_search_off_networks_predicted_beyond_it(name: str) -> None:
    archive = scored(PROBLEM, 60)
    errors = [score.objectives["error"] for _, score in archive.scored]
    strict = Problem(ELASTIC, OBJECTIVES, max_error=float(np.quantile(errors, 0.3)))
    evaluator = Synthetic(ELASTIC)

    def mean_error(problem: Problem) -> float:
        candidates = propose(problem, name, archive)
        return float(np.mean([evaluator.score(d.architecture).objectives["error"] for d in candidates]))

    assert mean_error(strict) < mean_error(PROBLEM)


@by_surrogate
@pytest.mark.parametrize(
    "objectives", [("error",), ("error", "ops"), ("ops", "error", "params", "size_bits")]
)
def test_one_to_five_objectives_are_searched(name: str, objectives: tuple[str, ...]) -> None:
    candidates = propose(Problem(ELASTIC, objectives), name, scored(PROBLEM, 40))
    assert len({candidate.architecture.key for candidate in candidates}) == 8


def test_an_earlier_search_with_other_weights_trains_the_model() -> None:
    prior = scored(PROBLEM, 60)
    problem = Problem(ELASTIC, OBJECTIVES, prior=prior)
    sample = training_sample(FeatureCache(problem), scored(PROBLEM, 10))
    assert len(sample) == 70
    assert sample.earlier.tolist() == [False] * 10 + [True] * 60


def test_noise_is_the_binomial_deviation_on_the_images_of_the_split() -> None:
    archive = scored(PROBLEM, 5, correct="f" * 25)  # 100 images
    sample = training_sample(FeatureCache(PROBLEM), archive)
    assert sample.noise == pytest.approx(np.sqrt(sample.error * (1 - sample.error) / 100))
    assert not training_sample(FeatureCache(PROBLEM), scored(PROBLEM, 5)).noise.any()


def test_the_quality_of_every_round_is_computed_from_the_archive(tmp_path: Path) -> None:
    archive = run(tmp_path / "j", PROBLEM, "surrogate", evaluations=60)
    qualities = list(surrogate_qualities(PROBLEM, archive))
    rounds = {p.seen: p.origin for p in archive.proposals if p.origin != "start"}
    assert [quality.scored for quality in qualities] == list(rounds)
    assert [quality.trusted for quality in qualities] == [o == "predicted" for o in rounds.values()]
    assert qualities[0].last_batch is None
    assert qualities[-1].last_batch is not None


def test_the_text_of_a_quality_has_its_figures_in_plain_words() -> None:
    quality = SurrogateQuality(192, "pair-bt", 0.68, 0.05, 0.71, "ops", 0.52, None, None)
    expected = (
        "surrogate pair-bt on 192 scores: cross-validated tau 0.68 ± 0.05 (last batch 0.71, ops alone 0.52)"
    )
    assert str(quality) == expected
    measured = replace(quality, last_batch=None, cost_tau=0.91, cost_error=0.023)
    assert str(measured).endswith("(ops alone 0.52), measured costs tau 0.91, median error 2.3 %")
    assert str(replace(quality, cross_validated=0.5)).endswith("; not better than ops alone")


@by_surrogate
def test_a_search_with_failures_is_reproducible(name: str, tmp_path: Path) -> None:
    one = run(tmp_path / "one", PROBLEM, name, evaluations=44, fail_one_in=7)
    other = run(tmp_path / "other", PROBLEM, name, evaluations=44, fail_one_in=7)
    assert one.proposals == other.proposals
    assert len(one.architectures) == 44


@pytest.mark.slow
@by_surrogate
def test_predictions_cover_more_than_nsga2(name: str, tmp_path: Path) -> None:
    covered = {
        explorer: [
            hypervolume(
                run(tmp_path / f"{explorer}{seed}", PROBLEM, explorer, evaluations=60, seed=seed).frame(),
                OBJECTIVES,
                PROBLEM.bounds(),
            )
            for seed in range(2)
        ]
        for explorer in (name, "nsga2")
    }
    assert np.median(covered[name]) > np.median(covered["nsga2"])


def test_features_are_one_hot_with_a_column_for_inactive_genes_and_costs_from_0_to_3() -> None:
    ends = [ELASTIC.smallest(), ELASTIC.largest()]
    rows = features(PROBLEM, ends)
    options = sum(size + 1 for size in ELASTIC.sizes)
    assert rows.shape == (2, options + 2)
    assert (rows[:, :options].sum(axis=1) == len(ELASTIC.sizes)).all()
    assert rows[:, options:] == pytest.approx(np.array([[0, 0], [3, 3]]))
    assert cost_column(PROBLEM) == options
    unknown = np.cumsum([size + 1 for size in ELASTIC.sizes]) - 1
    assert rows[0, unknown].tolist() == [not active for active in ELASTIC.active(ends[0].genes)]
    assert features(PROBLEM, []).shape == (0, options + 2)
    assert np.array_equal(FeatureCache(PROBLEM).features(ends), rows)


def test_layers_rank_by_prediction_and_exact_costs() -> None:
    predictions = Predictions(FeatureCache(PROBLEM), Constant(), {})
    ends = [ELASTIC.largest(), ELASTIC.smallest()]
    values = predictions.objectives(ends)
    assert values[:, 0].tolist() == [0, 0]
    assert values[0, 1:].tolist() == [ELASTIC.bounds("ops")[1], ELASTIC.bounds("params")[1]]
    assert list(predictions.layers(Archive())) == [ends[1:], ends[:1]]


def test_a_spread_choice_starts_with_the_cheapest_and_the_most_expensive_network() -> None:
    rng = np.random.default_rng(0)
    predictions = Predictions(FeatureCache(PROBLEM), Constant(), {})
    between = [PROBLEM.sample(rng) for _ in range(30)]
    chosen = predictions.spread([*between, ELASTIC.largest(), ELASTIC.smallest()], 5)
    assert chosen[:2] == [ELASTIC.smallest(), ELASTIC.largest()]
    assert len(set(chosen)) == 5
    assert predictions.spread(between, 30) == between
