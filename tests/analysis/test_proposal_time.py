"""The growth of the time of a proposal."""

import pytest

from analysis.proposal_time import growth


def test_growth_is_the_exponent_of_a_power() -> None:
    sizes = [250, 500, 1_000, 2_000]
    assert growth(sizes, [3 * n**1.5 for n in sizes]) == pytest.approx(1.5)
