from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from evo_bnas.archive.archive import Archive, Proposal
from evo_bnas.archive.front import hypervolume
from evo_bnas.archive.score import Score
from evo_bnas.search import EXPLORERS
from evo_bnas.search.explorer import Batch, Candidate, Explorer
from evo_bnas.search.operators import by_rank_and_crowding, redraw
from evo_bnas.search.problem import Problem
from tests.support.synthetic import ELASTIC, OBJECTIVES, POPULATION, TINY, Synthetic, run

LOOSE = Problem(ELASTIC, OBJECTIVES)
TIGHT = Problem(ELASTIC, OBJECTIVES, {"ops": 15_000})

every_explorer = pytest.mark.parametrize("name", EXPLORERS)
# Exhaustive search refuses large spaces.
every_scalable_explorer = pytest.mark.parametrize(
    "name", [name for name in EXPLORERS if name != "exhaustive"]
)


def propose(problem: Problem, name: str, archive: Archive, n: int, seed: int = 0) -> list[Candidate]:
    return EXPLORERS[name](problem, POPULATION).propose(archive, n, np.random.default_rng(seed))


def grow(problem: Problem, name: str, archive: Archive, n: int, seed: int = 0, *, score: bool = True) -> None:
    """Add the proposals of an explorer and their scores; every third evaluation fails."""
    evaluator = Synthetic(problem.space)
    for candidate in propose(problem, name, archive, n, seed):
        id = len(archive.proposals)
        archive.add_proposal(Proposal(id, candidate.architecture, candidate.origin, len(archive.scores)))
        if score:
            failed = id % 3 == 2
            archive.add_score(
                id, Score.failed("broke") if failed else evaluator.score(candidate.architecture)
            )


@every_scalable_explorer
def test_equal_archives_and_generators_give_equal_candidates(name: str) -> None:
    archive = Archive()
    for turn in range(6):
        candidates = propose(LOOSE, name, archive, 8, seed=turn)
        assert candidates == propose(LOOSE, name, archive, 8, seed=turn)
        explorer = EXPLORERS[name](LOOSE, POPULATION)
        explorer.propose(Archive(), 5, np.random.default_rng(99))
        assert candidates == explorer.propose(archive, 8, np.random.default_rng(turn))
        grow(LOOSE, name, archive, 8, seed=turn)


@every_scalable_explorer
@pytest.mark.parametrize("problem", [LOOSE, TIGHT])
def test_every_candidate_is_new_and_within_the_limits_and_both_ends_come_first(
    name: str, problem: Problem
) -> None:
    archive = Archive()
    for turn in range(7):
        known = set(archive.architectures)
        candidates = propose(problem, name, archive, 7, seed=turn)
        networks = [candidate.architecture for candidate in candidates]
        assert len(set(networks)) == len(networks) == 7
        assert not known & set(networks)
        assert all(problem.feasible(network) for network in networks)
        grow(problem, name, archive, 7, seed=turn, score=turn != 5)  # one turn stays pending
    first, second = archive.proposals[:2]
    assert (first.architecture, second.architecture) == (problem.smallest(), problem.largest())


@every_explorer
@pytest.mark.parametrize("limits", [{}, {"ops": 20_000}])
def test_a_tiny_space_is_proposed_completely_and_then_nothing_more(
    name: str, limits: dict[str, float]
) -> None:
    problem = Problem(TINY, OBJECTIVES, limits)
    archive = Archive()
    for turn in range(10):
        grow(problem, name, archive, 2, seed=turn)
    assert archive.architectures == {a for a in TINY.enumerate() if problem.feasible(a)}
    assert propose(problem, name, archive, 2) == []


@every_scalable_explorer
def test_explorers_propose_new_networks_after_failures_alone(name: str) -> None:
    archive = Archive()
    for id in range(30):
        (candidate,) = propose(LOOSE, name, archive, 1, seed=id)
        archive.add_proposal(Proposal(id, candidate.architecture, candidate.origin, id))
        archive.add_score(id, Score.failed("broke"))
    assert len(propose(LOOSE, name, archive, 4)) == 4


def test_mating_starts_when_the_first_design_is_complete() -> None:
    archive = Archive()
    grow(LOOSE, "nsga2", archive, POPULATION - 3)
    origins = [candidate.origin for candidate in propose(LOOSE, "nsga2", archive, 8)]
    assert origins == ["start"] * 3 + ["mating"] * 5


@pytest.mark.slow
@pytest.mark.parametrize("limits", [{}, {"ops": 40_000}])
def test_nsga2_covers_more_than_random_search(tmp_path: Path, limits: dict[str, float]) -> None:
    problem = Problem(ELASTIC, OBJECTIVES, limits)
    medians = {}
    for name in ("nsga2", "random"):
        covered = [
            hypervolume(
                run(tmp_path / f"{name}{seed}", problem, name, evaluations=150, seed=seed).frame(),
                OBJECTIVES,
                problem.bounds(),
            )
            for seed in range(5)
        ]
        medians[name] = np.median(covered)
    assert medians["nsga2"] > medians["random"]


def test_a_redrawn_gene_takes_another_option_and_at_least_one_gene_is_redrawn() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([2, 3, 4, 7])
    before = rng.integers(0, sizes, size=(20_000, 4))
    after = redraw(before, sizes, 1 / 4, rng)
    changed = after != before
    assert ((after >= 0) & (after < sizes)).all()
    assert changed.any(axis=1).all()
    # 1/4, and a quarter of the (3/4)^4 rows in which none was chosen.
    assert changed.mean(axis=0) == pytest.approx(0.25 + 0.25 * 0.75**4, abs=0.01)
    others = (after - before)[:, 3][changed[:, 3]] % 7
    assert np.bincount(others, minlength=7)[1:] == pytest.approx(len(others) / 6, rel=0.1)


def test_tournaments_are_won_by_rank_then_by_crowding() -> None:
    from pymoo.core.population import Population

    population = Population.new(X=np.zeros((3, 1)))
    population.set("rank", np.array([0, 1, 1]))
    population.set("crowding", np.array([0.1, 0.2, 9.0]))
    pairs = np.array([[0, 1], [1, 0], [1, 2], [2, 1]])
    assert by_rank_and_crowding(population, pairs).tolist() == [0, 0, 2, 2]


class Repeating(Explorer):
    """A rule that offers the same three networks again and again, the largest of the space among them."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, start=2)

    def _propose(self, archive: Archive, batch: Batch, rng: np.random.Generator) -> Iterator[Candidate]:
        rule = np.random.default_rng(7)
        offered = [ELASTIC.largest(), self._problem.sample(rule), self._problem.sample(rule)]
        for _ in range(5):
            yield from (Candidate(network, "rule") for network in offered)


def test_a_rule_need_not_care_for_start_limits_repeats_or_number() -> None:
    explorer, rng = Repeating(TIGHT), np.random.default_rng(0)

    def origins(archive: Archive, n: int) -> list[str]:
        candidates = explorer.propose(archive, n, rng)
        assert len({candidate.architecture for candidate in candidates}) == n
        assert all(TIGHT.feasible(candidate.architecture) for candidate in candidates)
        return [candidate.origin for candidate in candidates]

    assert origins(Archive(), 2) == ["start", "start"]
    assert origins(Archive(), 3) == ["start", "start", "rule"]
    archive = Archive()
    archive.add_proposal(Proposal(0, TIGHT.smallest(), "start", 0))
    assert origins(archive, 5) == ["start", "rule", "rule", "random", "random"]
