"""Evaluations until a fraction of the true hypervolume is covered."""

import numpy as np

from analysis.shared.curves import Curve, true_hypervolume, until_cells
from analysis.shared.trial import Trial
from evo_bnas.archive.front import Hypervolume
from evo_bnas.search.problem import Problem
from tests.support.synthetic import separable_table

TABLE = separable_table()
PROBLEM = Problem(TABLE, ("error", "ops"))
KEYS = tuple(TABLE.scores)
WHOLE = Trial(KEYS, 81, 81)


def test_duplicate_calls_count_once_and_those_beyond_the_budget_do_not_count() -> None:
    assert Trial.of(["a", "b", "a", "c", "d"], 3) == Trial(("a", "b", "c"), calls=5, distinct=4)


def test_a_goal_is_reached_by_the_evaluation_that_reaches_it() -> None:
    volume = Hypervolume(PROBLEM.objectives, PROBLEM.bounds())
    for key in KEYS:
        volume.add(TABLE.scores[key])
    fractions = np.array(volume.trace) / true_hypervolume(PROBLEM, TABLE)
    curve = Curve([WHOLE] * 3, PROBLEM, TABLE)
    assert curve.until(0.99) == [int(np.argmax(fractions >= 0.99)) + 1] * 3
    assert curve.after(81) == curve.after(500) == [1.0] * 3


def test_a_method_that_runs_out_of_new_architectures_does_not_reach_the_goal() -> None:
    curve = Curve([Trial(KEYS[:5], 50, 5)] * 3, PROBLEM, TABLE)
    assert curve.until(0.99) == [None] * 3
    figures = curve.figures(81)
    assert figures["calls_per_distinct"] == 10
    assert until_cells(figures) == ["> 81"] * 2


def test_if_half_of_the_seeds_reach_a_goal_the_median_does_not() -> None:
    low, median, high = Curve([WHOLE] * 2 + [Trial(KEYS[:5], 5, 5)] * 2, PROBLEM, TABLE).until(0.99)
    assert low is not None
    assert median is high is None
