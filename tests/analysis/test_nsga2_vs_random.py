"""The paired comparison of two explorers."""

from collections.abc import Sequence

import pytest

from analysis.nsga2_vs_random import Cached, comparison, trace
from evo_bnas.archive.score import Score
from evo_bnas.evaluate.table import Table
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture
from tests.support.synthetic import ELASTIC, OBJECTIVES, TINY, Synthetic


def test_each_architecture_is_evaluated_once() -> None:
    evaluated: list[str] = []

    def evaluator(architectures: Sequence[Architecture]) -> list[Score]:
        evaluated.extend(architecture.key for architecture in architectures)
        return Synthetic(ELASTIC)(architectures)

    both = [ELASTIC.smallest(), ELASTIC.largest()]
    cached = Cached(evaluator)
    assert cached([*both, *both]) == cached([*both, *both]) == Synthetic(ELASTIC)([*both, *both])
    assert evaluated == [architecture.key for architecture in both]


def test_explorers_that_exhaust_a_space_tie() -> None:
    evaluator, problem = Synthetic(TINY), Problem(TINY, OBJECTIVES)
    table = Table({a.key: evaluator.score(a).objectives for a in TINY.enumerate()})
    nsga2, random = (trace(problem, name, table, 10, seed=0) for name in ("nsga2", "random"))
    assert len(nsga2) == len(random) == 10
    assert nsga2[-1] == pytest.approx(random[-1])


def test_a_comparison_counts_wins_and_brackets_the_mean_difference() -> None:
    figures = comparison(nsga2=[0.9, 0.8, 0.7, 0.7], random=[0.8, 0.8, 0.6, 0.8])
    assert (figures["wins"], figures["ties"]) == (2, 1)
    assert figures["difference"] == pytest.approx(0.025)
    low, high = figures["interval"]
    assert low < figures["difference"] < high
