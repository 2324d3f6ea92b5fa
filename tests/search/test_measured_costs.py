"""Measured costs, such as a latency: estimates of them, and limits on them."""

from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.archive.front import hypervolume
from evo_bnas.archive.ranking import tau
from evo_bnas.archive.score import Score
from evo_bnas.search import EXPLORERS, WITH_SURROGATE
from evo_bnas.search.bins import Bins
from evo_bnas.search.cost_model import cost_models, fit
from evo_bnas.search.dominance import constrained_ranks
from evo_bnas.search.features import FeatureCache
from evo_bnas.search.nsga2 import Nsga2
from evo_bnas.search.predictions import Predictions
from evo_bnas.search.problem import Problem
from evo_bnas.search.replay import replay
from evo_bnas.search.surrogate_quality import (
    SurrogateQuality,
    surrogate_qualities,
    surrogate_quality,
    training_sample,
)
from evo_bnas.search.surrogates.choice import CHEAP
from evo_bnas.search.surrogates.constant import Constant
from evo_bnas.space.genes import Architecture
from tests.support.synthetic import ELASTIC, POPULATION, Synthetic, run

NAMES = ("error", "latency_ms")
LIMIT = 0.23  # ms; a sixth of the samples is within it


class Timed(Synthetic):
    """Latencies with a factor for each option of a gene and up to 3 % noise."""

    def score(self, architecture: Architecture) -> Score:
        score = super().score(architecture)
        rng = np.random.default_rng(5)
        factors = [np.sort(rng.uniform(0.9, 1.25, size)) for size in self.space.sizes]
        noise = 1 + 0.03 * (crc32(architecture.key.encode()) / 2**31 - 1)
        ms = 0.1 * noise * np.prod([f[gene] for f, gene in zip(factors, architecture.genes, strict=True)])
        return Score("ok", {**score.objectives, "latency_ms": float(ms)}, weights="w", protocol="p")


WORST = {"latency_ms": Timed(ELASTIC).score(ELASTIC.largest()).objectives["latency_ms"]}
PROBLEM = Problem(ELASTIC, NAMES, worst=WORST)
LIMITED = Problem(ELASTIC, NAMES, {"latency_ms": LIMIT}, worst=WORST)

by_model = pytest.mark.parametrize("name", WITH_SURROGATE)


def scored(n: int, *, noise: bool = False) -> Archive:
    """Both ends and networks over the cost; with noise, random latencies."""
    rng = np.random.default_rng(3)
    evaluator, archive = Timed(ELASTIC), Archive()
    networks = {PROBLEM.smallest(): None, PROBLEM.largest(): None}
    while len(networks) < n:
        networks[PROBLEM.sample(rng)] = None
    for id, network in enumerate(networks):
        archive.add_proposal(Proposal(id, network, "start", 0))
        objectives = dict(evaluator.score(network).objectives)
        if noise:
            objectives["latency_ms"] = float(rng.uniform(1, 2))
        archive.add_score(id, Score("ok", objectives))
    return archive


def search(path: Path, problem: Problem, name: str, evaluations: int = 60, seed: int = 0) -> Archive:
    return run(path, problem, name, evaluations=evaluations, seed=seed, evaluator=Timed)


def test_a_latency_is_estimated_in_its_unit_from_forty_measurements() -> None:
    cache, archive = FeatureCache(PROBLEM), scored(200)
    model = cost_models(cache, archive.until(40, 40))["latency_ms"]
    unseen = archive.scored[40:]
    true = np.array([score.objectives["latency_ms"] for _, score in unseen])
    estimated = model.estimate(cache.features([proposal.architecture for proposal, _ in unseen]))
    assert tau(estimated, true) == pytest.approx(model.tau, abs=0.1)
    assert model.tau > 0.7
    assert np.median(np.abs(estimated / true - 1)) == pytest.approx(model.error, abs=0.03)
    assert model.error < 0.1


@given(st.floats(1e-3, 1e3), st.integers(0, 1000), st.integers(0, 12))
def test_another_unit_scales_the_estimates_and_keeps_their_quality(factor: float, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rows, values = rng.random((n, 4)), rng.uniform(1, 9, n)
    one, other = fit(rows, values), fit(rows, factor * values)
    if n:
        assert other.estimate(rows) == pytest.approx(factor * one.estimate(rows), rel=1e-6)
    assert (other.tau, other.error) == pytest.approx((one.tau, one.error), abs=1e-6)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_equal_costs_are_estimated_by_their_value(n: int) -> None:
    model = fit(np.random.default_rng(0).random((n, 3)), np.full(n, 0.5))
    assert model.estimate(np.ones((2, 3))) == pytest.approx([0.5 if n else 1.0] * 2)
    assert (model.tau, model.error) == (0, 0)


def test_exact_costs_need_no_model() -> None:
    assert cost_models(FeatureCache(Problem(ELASTIC, ("error", "ops"))), scored(20)) == {}


@by_model
def test_random_latencies_lead_back_to_nsga2(name: str) -> None:
    explorer = EXPLORERS[name](PROBLEM, POPULATION)

    def origins(*, noise: bool) -> set[str]:
        candidates = explorer.propose(scored(40, noise=noise), 8, np.random.default_rng(0))
        return {candidate.origin for candidate in candidates}

    assert "nsga2" not in origins(noise=False)
    assert origins(noise=True) == {"nsga2"}


def test_estimates_no_better_than_chance_are_not_trusted_and_the_text_says_why() -> None:
    cache, archive = FeatureCache(PROBLEM), scored(40, noise=True)
    costs = cost_models(cache, archive)
    quality = surrogate_quality(PROBLEM, archive, training_sample(cache, archive), CHEAP, costs)
    assert quality.cross_validated > quality.cost_alone
    assert not quality.trusted
    assert str(quality).endswith("; estimated costs not significantly better than chance")


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("costs", [None, 0.0, 1.0])
def test_a_surrogate_of_fewer_than_three_scores_is_not_trusted(n: int, costs: float | None) -> None:
    quality = SurrogateQuality(n, "pair-bt", 0.9, 0.0, None, "ops", 0.1, cost_tau=costs, cost_error=costs)
    assert not quality.trusted
    assert str(quality).endswith("; fewer than 3 scores")


@by_model
@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_model_of_an_earlier_search_alone_is_not_trusted(name: str, n: int) -> None:
    warm = Problem(ELASTIC, NAMES, worst=WORST, prior=scored(60))
    archive = scored(40).until(n, n)
    for id in range(n, 20):  # the rest of the start is in flight
        archive.add_proposal(scored(40).proposals[id])
    candidates = EXPLORERS[name](warm, POPULATION).propose(archive, 4, np.random.default_rng(0))
    assert len(candidates) == 4
    assert "predicted" not in {candidate.origin for candidate in candidates}


def test_the_quality_of_estimates_is_computed_from_the_archive(tmp_path: Path) -> None:
    archive = search(tmp_path / "j", PROBLEM, "surrogate", 44)
    last = list(surrogate_qualities(PROBLEM, archive))[-1]
    assert last.cost_tau is not None
    assert last.cost_error is not None
    assert last.cost_tau > 0.6
    assert f"tau {last.cost_tau:.2f}, median error {100 * last.cost_error:.1f} %" in str(last)


@by_model
def test_a_search_with_reproducible_latencies_resumes_from_any_cut(name: str, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    search(path, LIMITED, name, 48)
    whole = path.read_bytes()
    for share in (0.5, 0.75, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        search(path, LIMITED, name, 48)
        assert path.read_bytes() == whole
    assert replay(EXPLORERS[name](LIMITED, POPULATION), path, ELASTIC, seed=0) == 48


@pytest.mark.slow
@by_model
def test_estimates_cover_more_than_random_search(name: str, tmp_path: Path) -> None:
    covered = {
        explorer: [
            hypervolume(
                search(tmp_path / f"{explorer}{seed}", PROBLEM, explorer, seed=seed).frame(),
                NAMES,
                PROBLEM.bounds(),
            )
            for seed in range(2)
        ]
        for explorer in (name, "random")
    }
    assert min(covered[name]) > max(covered["random"])


@by_model
def test_most_late_proposals_keep_to_a_limit_on_latency(name: str, tmp_path: Path) -> None:
    def kept(problem: Problem) -> float:
        archive = search(tmp_path / f"{len(problem.limits)}", problem, name)
        late = [score.objectives["latency_ms"] for _, score in archive.scored[-24:]]
        return float(np.mean(np.array(late) <= LIMIT))

    assert kept(LIMITED) > 0.75 > 0.6 > kept(PROBLEM)


@pytest.mark.parametrize("name", ["aging", "nsga2", *WITH_SURROGATE])
def test_a_limit_that_no_network_meets_draws_the_search_towards_it(name: str, tmp_path: Path) -> None:
    problem = Problem(ELASTIC, NAMES, {"latency_ms": 0.01}, max_error=0.5)
    archive = search(tmp_path / "j", problem, name, 36)
    assert len(archive.architectures) == 36
    ms = [score.objectives["latency_ms"] for _, score in archive.scored]
    assert np.median(ms[-16:]) < np.median(ms[:16])


def test_networks_predicted_beyond_a_limit_come_last_the_nearest_first() -> None:
    cache = FeatureCache(LIMITED)
    predictions = Predictions(cache, Constant(), cost_models(cache, scored(60)))
    rng = np.random.default_rng(0)
    networks = list(dict.fromkeys(LIMITED.sample(rng) for _ in range(60)))
    beyond = predictions.violation(networks)
    assert 0 < (beyond == 0).sum() < len(networks) - 2
    order = [network for layer in predictions.layers(Archive()) for network in layer]
    assert sorted(order, key=networks.index) == networks
    assert predictions.violation(order).tolist() == sorted(beyond)


def test_estimates_are_spread_over_the_logarithm_of_the_latency() -> None:
    cache = FeatureCache(PROBLEM)
    predictions = Predictions(cache, Constant(), cost_models(cache, scored(60)))
    rng = np.random.default_rng(0)
    networks = list(dict.fromkeys(PROBLEM.sample(rng) for _ in range(60)))
    ms = predictions.objectives(networks)[:, 1]
    first, second, third = predictions.objectives(predictions.spread(networks, 3))[:, 1]
    assert (first, second) == (ms.min(), ms.max())
    assert third == ms[np.abs(np.log(ms) - np.log(first * second) / 2).argmin()]


def test_networks_beyond_a_limit_rank_behind_all_others_by_their_distance() -> None:
    rows = [(0.1, 0.3), (0.2, 0.2), (0.3, 0.1), (0.0, 0.24), (0.5, 0.25)]
    scores = [Score("ok", dict(zip(NAMES, row, strict=True))) for row in rows]
    ranks = constrained_ranks(LIMITED.points(scores), LIMITED.violation(scores))
    assert ranks.tolist() == [3, 0, 0, 1, 2]


def test_the_best_network_of_a_bin_keeps_to_the_limit_if_any_does() -> None:
    archive = scored(60)
    within = [row for row in archive.scored if row[1].objectives["latency_ms"] <= LIMIT]
    best = min(within, key=lambda row: row[1].objectives["error"])[0]
    assert Bins(LIMITED, 1).parents(archive) == [best.architecture]


def test_networks_beyond_a_limit_are_parents_only_while_too_few_are_within() -> None:
    archive = scored(60)
    within = {p.key for p, score in archive.scored if score.objectives["latency_ms"] <= LIMIT}
    nearest = sorted(archive.scored, key=lambda row: row[1].objectives["latency_ms"])

    def parents(population: int) -> set[str]:
        explorer = Nsga2(LIMITED, population)
        return {parent.key for parent in explorer.parents(archive, np.random.default_rng(0)).members}

    assert parents(3) < within
    assert parents(len(within) + 4) == {proposal.key for proposal, _ in nearest[: len(within) + 4]}
