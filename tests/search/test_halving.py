"""Which networks a further rung trains: the nearest to the front, spread over it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evo_bnas.archive.front import ranks
from evo_bnas.search.halving import nearest_to_front

# Values from a coarse grid, so that ties and duplicates come often.
points = st.tuples(st.integers(1, 15), st.integers(2, 3)).flatmap(
    lambda shape: arrays(float, shape, elements=st.integers(0, 6).map(float))
)


@given(points, st.integers(0, 20))
def test_the_chosen_points_are_of_the_lowest_ranks(values: np.ndarray, n: int) -> None:
    chosen = nearest_to_front(values, n)
    assert len(chosen) == len(set(chosen)) == min(n, len(values))
    rank = ranks(values)
    in_order = [rank[index] for index in chosen]
    assert in_order == sorted(in_order)
    left_out = set(range(len(values))) - set(chosen)
    assert not chosen or all(rank[index] >= in_order[-1] for index in left_out)


@given(points, st.integers(0, 20), st.integers(0, 20))
def test_fewer_points_are_the_first_of_more(values: np.ndarray, n: int, more: int) -> None:
    assert nearest_to_front(values, n) == nearest_to_front(values, n + more)[:n]


def test_the_ends_of_the_front_come_first_and_then_its_gaps() -> None:
    front = np.array([[0.0, 10], [4, 6], [5, 5], [6, 4], [10, 0], [10, 10]])
    chosen = nearest_to_front(front, 6)
    assert set(chosen[:2]) == {0, 4}
    assert set(chosen[2:4]) == {1, 3}
    assert chosen[4:] == [2, 5]


def test_of_equal_points_one_is_preferred_to_the_others() -> None:
    front = np.array([[0.0, 10], [5, 5], [5, 5], [5, 5], [10, 0]])
    chosen = nearest_to_front(front, 3)
    assert len({tuple(front[index]) for index in chosen}) == 3
