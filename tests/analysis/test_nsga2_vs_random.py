from collections.abc import Sequence
from pathlib import Path

import pytest

from analysis.nsga2_vs_random import Comparison, Remembering, compare
from evo_bnas.archive.journal import Journal
from evo_bnas.archive.score import Score
from evo_bnas.evaluate.table import Table
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture
from tests.support.synthetic import ELASTIC, OBJECTIVES, TINY, Synthetic


def test_each_architecture_is_evaluated_once_in_this_process_and_in_later_ones(tmp_path: Path) -> None:
    asked: list[str] = []

    def evaluator(architectures: Sequence[Architecture]) -> list[Score]:
        asked.extend(architecture.key for architecture in architectures)
        return Synthetic(ELASTIC)(architectures)

    both = [ELASTIC.smallest(), ELASTIC.largest()]
    for _ in range(2):
        with Journal(tmp_path / "scores.jsonl", ELASTIC) as journal:
            remembering = Remembering(evaluator, journal)
            assert remembering([*both, *both]) == Synthetic(ELASTIC)([*both, *both])
    assert asked == [architecture.key for architecture in both]


def test_a_space_that_both_explorers_exhaust_is_a_tie() -> None:
    evaluator = Synthetic(TINY)
    table = Table({a.key: evaluator.score(a).objectives for a in TINY.enumerate()})
    half, all_ = compare(Problem(TINY, OBJECTIVES), table, seeds=2, evaluations=10)
    assert (half.evaluations, all_.evaluations) == (5, 10)
    assert (all_.ties, all_.wins) == (2, 0)


def test_a_comparison_counts_wins_and_brackets_the_mean_difference() -> None:
    comparison = Comparison(100, nsga2=[0.9, 0.8, 0.7, 0.7], random=[0.8, 0.8, 0.6, 0.8])
    assert (comparison.wins, comparison.ties) == (2, 1)
    low, high = comparison.interval
    assert low < comparison.differences.mean() < high
    assert comparison.figures()["mean_difference"] == pytest.approx(0.025)
