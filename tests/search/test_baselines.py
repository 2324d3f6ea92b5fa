"""Explorers on a table of 81 networks, whose true front is known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.archive.front import front, ranks
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.errors import UsageError
from evo_bnas.evaluate.engine import InProcess
from evo_bnas.evaluate.table import Table
from evo_bnas.search import EXPLORERS
from evo_bnas.search.bins import Bins
from evo_bnas.search.dominance import constrained_ranks
from evo_bnas.search.explorer import Explorer
from evo_bnas.search.local_search import LocalSearch
from evo_bnas.search.loop import search
from evo_bnas.search.nsga2 import Nsga2
from evo_bnas.search.problem import Problem
from tests.support.synthetic import ELASTIC, OBJECTIVES, TINY, Synthetic, separable_table

TABLE = separable_table()
EVERYTHING = ("error", "ops", "flops", "params", "size_bits")


def searched(
    path: Path, problem: Problem, explorer: Explorer, evaluations: int, batch: int = 4
) -> tuple[Archive, str]:
    engine = InProcess(Table(TABLE.scores))
    with Journal(path, problem.space) as journal:
        ended = search(problem, explorer, engine, journal, evaluations=evaluations, batch=batch, seed=0)
        return journal.archive, ended


def brute_force_front(objectives: tuple[str, ...]) -> set[tuple[float, ...]]:
    points = {tuple(score[name] for name in objectives) for score in TABLE.scores.values()}
    return {
        point
        for point in points
        if not any(
            other != point and all(a <= b for a, b in zip(other, point, strict=True)) for other in points
        )
    }


def everything_scored() -> Archive:
    archive = Archive()
    for id, architecture in enumerate(TABLE.enumerate()):
        archive.add_proposal(Proposal(id, architecture, "test", 0))
        archive.add_score(id, Score("ok", TABLE.scores[architecture.key]))
    return archive


def front_of(archive: Archive, objectives: tuple[str, ...]) -> set[tuple[float, ...]]:
    best = front(archive.frame(), objectives)
    return set(best[list(objectives)].itertuples(index=False, name=None))


@pytest.mark.parametrize("name", EXPLORERS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_every_explorer_finds_the_true_front_of_one_to_five_objectives(
    tmp_path: Path, name: str, count: int
) -> None:
    objectives = EVERYTHING[:count]
    problem = Problem(TABLE, objectives)
    archive, ended = searched(tmp_path / "journal.jsonl", problem, EXPLORERS[name](problem, 8), 100, 27)
    assert "Every network" in ended
    assert len(archive.scores) == 81
    assert front_of(archive, objectives) == brute_force_front(objectives)


@pytest.mark.parametrize("name", ["nsga2", "bins", "aging"])
def test_local_search_finds_the_true_front_before_all_networks_are_scored(tmp_path: Path, name: str) -> None:
    problem = Problem(TABLE, ("error", "ops"))
    explorer = LocalSearch(EXPLORERS[name](problem, 8), problem, after=30)
    archive, _ = searched(tmp_path / "journal.jsonl", problem, explorer, 60)
    assert front_of(archive, problem.objectives) == brute_force_front(problem.objectives)


def test_local_search_starts_after_its_proposals_and_proposes_neighbours_of_the_front(tmp_path: Path) -> None:
    problem = Problem(TABLE, ("error", "ops"))
    explorer = LocalSearch(EXPLORERS["nsga2"](problem, 8), problem, after=18)
    archive, _ = searched(tmp_path / "journal.jsonl", problem, explorer, 26)
    assert "local search" not in [proposal.origin for proposal in archive.proposals[:18]]
    assert {proposal.origin for proposal in archive.proposals[18:]} == {"local search"}
    for proposal in archive.proposals[18:]:
        known = [(p, s) for p, s in archive.scored if p.id < proposal.seen]
        points = np.array([[s.objectives[name] for name in problem.objectives] for _, s in known])
        best = [p.architecture for (p, _), rank in zip(known, ranks(points), strict=True) if rank == 0]
        assert any(proposal.architecture in TABLE.neighbours(network) for network in best)


def test_local_search_without_a_score_falls_back_to_its_explorer() -> None:
    problem = Problem(TABLE, ("error", "ops"))
    plain = EXPLORERS["nsga2"](problem, 8)
    local = LocalSearch(plain, problem, after=0)
    expected = plain.propose(Archive(), 4, np.random.default_rng(0))
    assert local.propose(Archive(), 4, np.random.default_rng(0)) == expected


def test_every_bin_keeps_its_network_of_lowest_error() -> None:
    problem = Problem(TABLE, ("error", "ops"))
    archive = everything_scored()
    low, high = TABLE.bounds("ops")
    kept = Bins(problem, 5).parents(archive)
    for bin_ in range(5):
        left, right = low + bin_ * (high - low) / 5, low + (bin_ + 1) * (high - low) / 5
        inside = [s for s in TABLE.scores.values() if left <= s["ops"] < right or s["ops"] == high == right]
        mine = [TABLE.scores[a.key] for a in kept if TABLE.scores[a.key] in inside]
        assert [score["error"] for score in mine] == [min(score["error"] for score in inside)]


def test_aging_mutates_only_the_youngest_networks() -> None:
    problem = Problem(TABLE, ("error", "ops"))
    archive = Archive()
    everything = list(TABLE.enumerate())
    for id, architecture in enumerate(everything[:50]):
        archive.add_proposal(Proposal(id, architecture, "test", 0))
        archive.add_score(id, Score("ok", TABLE.scores[architecture.key]))
    candidates = EXPLORERS["aging"](problem, 8).propose(archive, 6, np.random.default_rng(0))
    alive = everything[42:50]
    for candidate in candidates:
        if candidate.origin == "mutation":
            assert any(candidate.architecture in TABLE.neighbours(parent) for parent in alive)
    assert "mutation" in {candidate.origin for candidate in candidates}


def test_an_exhaustive_search_of_a_large_space_is_refused() -> None:
    with pytest.raises(UsageError, match="elastic-8 has 1,905,120 networks"):
        EXPLORERS["exhaustive"](Problem(ELASTIC, OBJECTIVES), 20)


def test_an_exhaustive_search_keeps_to_the_limits(tmp_path: Path) -> None:
    problem = Problem(TABLE, ("error", "ops"), {"ops": 90})
    archive, _ = searched(tmp_path / "j.jsonl", problem, EXPLORERS["exhaustive"](problem, 8), 100)
    keys = {network.key for network in archive.architectures}
    assert keys == {key for key, score in TABLE.scores.items() if score["ops"] <= 90}
    assert 0 < len(keys) < 81


def ranks_of(problem: Problem, scores: Sequence[Score]) -> list[int]:
    ranked: list[int] = constrained_ranks(problem.points(scores), problem.violation(scores)).tolist()
    return ranked


def test_networks_above_max_error_rank_behind_all_others_by_their_error() -> None:
    scores = [
        Score("ok", {"error": error, "ops": ops})
        for error, ops in [(0.9, 1), (0.3, 50), (0.1, 90), (0.2, 99), (0.5, 2), (0.5, 1)]
    ]
    assert ranks_of(Problem(TINY, ("error", "ops"), max_error=0.3), scores) == [3, 0, 0, 1, 2, 2]
    assert ranks_of(Problem(TINY, ("error", "ops")), scores) == [1, 0, 0, 1, 1, 0]


@pytest.mark.parametrize("below", [3, 8, 40])
def test_networks_above_max_error_are_parents_only_while_too_few_are_below_it(below: int) -> None:
    errors = sorted(score["error"] for score in TABLE.scores.values())
    problem = Problem(TABLE, ("error", "ops"), max_error=errors[below - 1])
    parents = Nsga2(problem, 8).parents(everything_scored(), np.random.default_rng(0))
    survived = sorted(TABLE.scores[parent.key]["error"] for parent in parents.members)
    if below <= 8:
        assert survived == errors[:8]
    within = [error for error in errors if error <= errors[below - 1]]
    assert sum(error <= errors[below - 1] for error in survived) == min(8, len(within))


def test_bins_above_max_error_have_parents_only_if_all_are_above_it() -> None:
    lowest = min(score["error"] for score in TABLE.scores.values())
    for max_error, expected in ((lowest, {lowest}), (lowest / 2, None)):
        parents = Bins(Problem(TABLE, ("error", "ops"), max_error=max_error), 5).parents(everything_scored())
        if expected is None:
            assert len(parents) == 5
        else:
            assert {TABLE.scores[parent.key]["error"] for parent in parents} == expected


def test_parents_above_max_error_make_up_for_missing_ones() -> None:
    problem = Problem(TINY, OBJECTIVES, max_error=1e-6)
    archive = Archive()
    evaluator = Synthetic(TINY)
    for id, architecture in enumerate(list(TINY.enumerate())[:4]):
        archive.add_proposal(Proposal(id, architecture, "test", 0))
        archive.add_score(id, evaluator.score(architecture))
    assert len(EXPLORERS["nsga2"](problem, 4).propose(archive, 2, np.random.default_rng(0))) == 2
