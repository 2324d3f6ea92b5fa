"""Explorers on a table of 81 networks, where every front can be found by looking at all."""

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
    with Journal(path) as journal:
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
        archive.propose(Proposal(id, architecture.key, "test", 0))
        archive.answer(id, Score("ok", TABLE.scores[architecture.key]))
    return archive


def found_front(archive: Archive, objectives: tuple[str, ...]) -> set[tuple[float, ...]]:
    best = front(archive.frame(), objectives)
    return set(best[list(objectives)].itertuples(index=False, name=None))


@pytest.mark.parametrize("name", EXPLORERS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_with_one_to_five_objectives_a_small_space_gives_its_true_front(
    tmp_path: Path, name: str, count: int
) -> None:
    objectives = EVERYTHING[:count]
    problem = Problem(TABLE, objectives)
    archive, ended = searched(tmp_path / "journal.jsonl", problem, EXPLORERS[name](problem, 8), 100, 27)
    assert ended == "Every network within the limits that the explorer could find is scored."
    assert len(archive.scores) == 81
    assert found_front(archive, objectives) == brute_force_front(objectives)


@pytest.mark.parametrize("name", ["nsga2", "bins", "aging"])
def test_polish_finds_the_true_front_before_everything_is_seen(tmp_path: Path, name: str) -> None:
    problem = Problem(TABLE, ("error", "ops"))
    explorer = LocalSearch(EXPLORERS[name](problem, 8), problem, after=30)
    archive, _ = searched(tmp_path / "journal.jsonl", problem, explorer, 60)
    assert found_front(archive, problem.objectives) == brute_force_front(problem.objectives)


def test_polish_begins_when_it_is_due_and_proposes_neighbours_of_the_front(tmp_path: Path) -> None:
    problem = Problem(TABLE, ("error", "ops"))
    explorer = LocalSearch(EXPLORERS["nsga2"](problem, 8), problem, after=18)
    archive, _ = searched(tmp_path / "journal.jsonl", problem, explorer, 26)
    assert "polish" not in [proposal.origin for proposal in archive.proposals[:18]]
    assert {proposal.origin for proposal in archive.proposals[18:]} == {"polish"}
    for proposal in archive.proposals[18:]:
        known = [(p, s) for p, s in archive.scored if p.id < proposal.seen]
        points = np.array([[s.objectives[name] for name in problem.objectives] for _, s in known])
        best = [TABLE.parse(p.key) for (p, _), rank in zip(known, ranks(points), strict=True) if rank == 0]
        assert any(TABLE.parse(proposal.key) in TABLE.neighbours(network) for network in best)


def test_polish_without_a_score_or_a_new_neighbour_is_the_explorer_itself() -> None:
    problem = Problem(TABLE, ("error", "ops"))
    plain = EXPLORERS["nsga2"](problem, 8)
    polished = LocalSearch(plain, problem, after=0)
    nothing = Archive()
    assert polished.propose(nothing, [], 4, np.random.default_rng(0)) == plain.propose(
        nothing, [], 4, np.random.default_rng(0)
    )


def test_every_bin_keeps_its_network_of_least_error() -> None:
    problem = Problem(TABLE, ("error", "ops"))
    archive = everything_scored()
    low, high = TABLE.bounds("ops")
    kept = [TABLE.architecture(genes) for genes in Bins(problem, 5)._parents(archive)]
    for bin_ in range(5):
        left, right = low + bin_ * (high - low) / 5, low + (bin_ + 1) * (high - low) / 5
        inside = [s for s in TABLE.scores.values() if left <= s["ops"] < right or s["ops"] == high == right]
        mine = [TABLE.scores[a.key] for a in kept if TABLE.scores[a.key] in inside]
        assert [score["error"] for score in mine] == [min(score["error"] for score in inside)]


def test_aging_forgets_what_was_proposed_long_ago() -> None:
    problem = Problem(TABLE, ("error", "ops"))
    archive = Archive()
    everything = list(TABLE.enumerate())
    for id, architecture in enumerate(everything[:50]):
        archive.propose(Proposal(id, architecture.key, "test", 0))
        archive.answer(id, Score("ok", TABLE.scores[architecture.key]))
    drafts = EXPLORERS["aging"](problem, 8).propose(archive, [], 6, np.random.default_rng(0))
    alive = everything[42:50]
    for draft in drafts:
        if draft.origin == "mutation":
            assert any(draft.architecture in TABLE.neighbours(parent) for parent in alive)
    assert "mutation" in {draft.origin for draft in drafts}


def test_an_exhaustive_search_of_a_large_space_is_refused() -> None:
    with pytest.raises(UsageError, match="elastic-8 has 1,905,120 networks, and exhaustive search takes up"):
        EXPLORERS["exhaustive"](Problem(ELASTIC, OBJECTIVES), 20)


def test_an_exhaustive_search_keeps_to_the_limits(tmp_path: Path) -> None:
    problem = Problem(TABLE, ("error", "ops"), {"ops": 90})
    archive, _ = searched(tmp_path / "j.jsonl", problem, EXPLORERS["exhaustive"](problem, 8), 100)
    assert archive.keys == {key for key, score in TABLE.scores.items() if score["ops"] <= 90}
    assert 0 < len(archive.keys) < 81


def test_networks_above_the_greatest_error_rank_behind_all_others_and_by_their_error() -> None:
    problem = Problem(TINY, ("error", "ops"), max_error=0.3)
    scores = [
        Score("ok", {"error": error, "ops": ops})
        for error, ops in [(0.9, 1), (0.3, 50), (0.1, 90), (0.2, 99), (0.5, 2), (0.5, 1)]
    ]
    assert constrained_ranks(problem, scores).tolist() == [7, 0, 0, 1, 6, 6]
    assert constrained_ranks(Problem(TINY, ("error", "ops")), scores).tolist() == [1, 0, 0, 1, 1, 0]


@pytest.mark.parametrize("below", [3, 8, 40])
def test_networks_above_the_greatest_error_are_parents_only_while_too_few_are_below_it(below: int) -> None:
    errors = sorted(score["error"] for score in TABLE.scores.values())
    problem = Problem(TABLE, ("error", "ops"), max_error=errors[below - 1])
    parents = Nsga2(problem, 8)._parents(everything_scored(), np.random.default_rng(0))
    found = sorted(TABLE.scores[parent.key]["error"] for parent in parents.members)
    if below <= 8:
        assert found == errors[:8]
    assert sum(error <= errors[below - 1] for error in found) == min(
        8, sum(e <= errors[below - 1] for e in errors)
    )


def test_bins_above_the_greatest_error_breed_only_where_no_other_does() -> None:
    least = min(score["error"] for score in TABLE.scores.values())
    for max_error, expected in ((least, {least}), (least / 2, None)):
        parents = Bins(Problem(TABLE, ("error", "ops"), max_error=max_error), 5)._parents(everything_scored())
        if expected is None:
            assert len(parents) == 5
        else:
            assert {TABLE.scores[TABLE.architecture(p).key]["error"] for p in parents} == expected


def test_parents_above_the_greatest_error_fill_up_what_is_missing() -> None:
    problem = Problem(TINY, OBJECTIVES, max_error=1e-6)
    archive = Archive()
    evaluator = Synthetic(TINY)
    for id, architecture in enumerate(list(TINY.enumerate())[:4]):
        archive.propose(Proposal(id, architecture.key, "test", 0))
        archive.answer(id, evaluator.score(architecture))
    assert len(EXPLORERS["nsga2"](problem, 4).propose(archive, [], 2, np.random.default_rng(0))) == 2
