"""The variants of the surrogate search."""

import pytest

from analysis.ablation import VARIANTS
from analysis.shared.trial import searched
from evo_bnas.search.problem import Problem
from tests.support.synthetic import separable_table


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_spends_the_budget_without_duplicates(name: str) -> None:
    space = separable_table()
    problem = Problem(space, ("error", "ops"))
    trial = searched(problem, VARIANTS[name](problem, 26), space, 26, 8, seed=0)
    assert len(trial.keys) == trial.calls == trial.distinct == 26
