"""The pick: the lowest expected error within limits, and the other ways to pick."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.archive.pick import pick
from evo_bnas.errors import UsageError
from tests.support.frames import THREE, scored
from tests.support.refusals import refused

# Values from coarse grids, so that ties come often.
networks = st.lists(
    st.tuples(st.integers(1, 30), st.integers(0, 4), st.integers(1, 30), st.integers(0, 30)),
    min_size=1,
    max_size=10,
)


def frame_of(drawn: list[tuple[int, int, int, int]]) -> pd.DataFrame:
    """Networks by expected error, deviation, ops and measured error, all in hundredths."""
    rows = scored(*((f"n{i}", error / 100, float(ops)) for i, (_, _, ops, error) in enumerate(drawn)))
    return rows.assign(expected=[row[0] / 100 for row in drawn], deviation=[row[1] / 100 for row in drawn])


@given(networks, st.integers(1, 30))
def test_the_pick_is_the_lowest_expected_error_or_a_large_one_of_networks_that_all_may_be_equal(
    drawn: list[tuple[int, int, int, int]], limit: int
) -> None:
    frame = frame_of(drawn)
    rows = frame[frame["ops"] <= limit].set_index("key")
    if rows.empty:
        with pytest.raises(UsageError):
            pick(frame, {"ops": limit})
        return
    chosen = pick(frame, {"ops": limit})
    assert sorted(chosen.order) == sorted(rows.index)
    assert chosen.order[0] == chosen.key
    picked = rows.loc[chosen.key]
    assert (chosen.expected, chosen.deviation) == (picked["expected"], picked["deviation"])
    assert chosen.objectives["error"] == picked["error"], "objectives are as measured"
    assert 1 <= chosen.equals <= len(rows)
    best = rows.iloc[int(rows["expected"].to_numpy().argmin())]
    allowed = np.hypot(rows["deviation"], best["deviation"])
    if ((rows["expected"] - best["expected"]) > allowed).any():
        assert list(rows.loc[list(chosen.order), "expected"]) == sorted(rows["expected"])
    else:
        large = rows[rows["ops"] >= 0.9 * rows["ops"].max()]
        assert picked["expected"] == large["expected"].min()
        assert set(chosen.order[: len(large)]) == set(large.index)


@given(networks, st.integers(0, 20))
def test_within_picks_the_cheapest_network_that_is_expected_to_be_at_most_this_much_worse(
    drawn: list[tuple[int, int, int, int]], points: int
) -> None:
    frame = frame_of(drawn)
    chosen = pick(frame, {}, within=points / 100)
    near = frame[frame["expected"] <= frame["expected"].min() + points / 100]
    assert chosen.key in set(near["key"])
    assert chosen.objectives["ops"] == near["ops"].min()
    assert set(chosen.order[: len(near)]) == set(near["key"]), "the near ones come before all others"
    assert sorted(chosen.order) == sorted(frame["key"])


def test_the_lowest_expected_error_within_the_limits_is_picked() -> None:
    assert pick(scored(*THREE), {}).key == "large"
    chosen = pick(scored(*THREE), {"ops": 20_000})
    assert (chosen.key, chosen.runner_up, chosen.equals) == ("middle", "small", 1)
    assert chosen.objectives["ops"] == 20_000
    assert "2 networks with ops ≤ 20,000" in chosen.reason
    assert "5.00 %" in chosen.reason


def test_a_lucky_measurement_is_not_picked() -> None:
    frame = scored(*THREE).assign(expected=[0.051, 0.049, 0.052])
    chosen = pick(frame, {})
    assert (chosen.key, chosen.objectives["error"], chosen.expected) == ("middle", 0.05, 0.049)
    assert chosen.order == ("middle", "small", "large")


def test_if_nothing_tells_the_networks_apart_the_one_with_the_most_ops_is_picked() -> None:
    rows = (("small", 0.0475, 6_208), ("large", 0.0525, 90_000), ("middle", 0.0500, 20_000))
    chosen = pick(scored(*rows, deviation=0.01), {})
    assert (chosen.key, chosen.runner_up, chosen.equals) == ("large", "middle", 3)
    assert "most ops" in chosen.reason
    within = pick(scored(*rows, deviation=0.01), {"ops": 20_000})
    assert (within.key, within.equals) == ("middle", 2)


def test_of_networks_with_nearly_the_most_ops_the_best_is_picked() -> None:
    rows = (("small", 0.048, 6_208), ("best", 0.049, 81_500), ("large", 0.052, 90_000))
    chosen = pick(scored(*rows, deviation=0.01), {})
    assert chosen.order == ("best", "large", "small")
    assert pick(scored(rows[0], ("best", 0.049, 80_000), rows[2], deviation=0.01), {}).key == "large"


def test_one_network_that_is_clearly_worse_is_enough_to_go_by_expected_error() -> None:
    rows = scored(*THREE, ("poor", 0.20, 500_000), deviation=0.01)
    chosen = pick(rows, {})
    assert (chosen.key, chosen.equals) == ("large", 3)
    assert pick(rows.assign(expected=[0.0470, 0.0500, 0.0475, 0.2]), {}).key == "small"


def test_a_single_network_is_picked_for_its_error() -> None:
    chosen = pick(scored(*THREE), {"ops": 6_208})
    assert (chosen.key, chosen.runner_up, chosen.equals) == ("small", None, 1)
    assert "lowest expected error" in chosen.reason


def test_within_allows_this_difference_of_error_and_no_more() -> None:
    rows = scored(("best", 0.05, 300), ("near", 0.06, 200), ("far", 0.0601, 100))
    chosen = pick(rows, {}, within=0.01)
    assert (chosen.key, chosen.order) == ("near", ("near", "best", "far"))
    assert "cheapest of 2" in chosen.reason
    assert pick(rows, {}, within=0.0).key == "best"


def test_the_knee_is_picked_on_request() -> None:
    rows = scored(("a", 0.90, 1), ("bend", 0.15, 15), ("b", 0.10, 100))
    chosen = pick(rows, {}, knee=True)
    assert (chosen.key, chosen.equals) == ("bend", 1)
    assert "knee" in chosen.reason
    lucky = pick(rows.assign(expected=[0.90, 0.85, 0.10]), {}, knee=True)
    assert lucky.key != "bend", "the front is that of expected errors"


def test_any_objective_can_be_limited() -> None:
    assert pick(scored(*THREE), {"error": 0.0500, "params": 10_000}).key == "middle"
    assert pick(scored(*THREE), {"size_bits": 6_208 * 8}).key == "small"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"ops": 1}, "ops ≤ 1; the smallest has 6,208"),
        ({"error": 0.01}, "error ≤ 0.01; the smallest has 0.0475"),
        ({"size_bits": 8}, "size_bits ≤ 1 B; the smallest has 6.21 kB"),
        ({"latency_ms": 8}, "search.objectives"),
        ({"ops": 20_000, "error": 0.048}, "ops ≤ 20,000 and error ≤ 0.048"),
        ({"opps": 1}, 'did you mean "ops"'),
    ],
)
def test_limits_that_no_network_meets_are_refused_with_a_suggestion(
    limits: dict[str, float], message: str
) -> None:
    with refused(UsageError, message):
        pick(scored(*THREE), limits)


def test_an_archive_without_a_successful_score_is_refused() -> None:
    with pytest.raises(UsageError, match="run the search first"):
        pick(scored(*THREE).assign(status="failed"), {})


def test_options_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="one of them"):
        pick(scored(*THREE), {}, within=0.01, knee=True)
    with pytest.raises(UsageError, match="negative"):
        pick(scored(*THREE), {}, within=-0.01)


def test_failed_networks_are_never_picked() -> None:
    rows = scored(*THREE)
    rows.loc[2, ["status", "error", "expected", "deviation"]] = ["failed", np.nan, np.nan, np.nan]
    assert pick(rows, {}).key == "middle"
