import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evo_bnas.archive.correct import pack_correct, unpack_correct
from evo_bnas.archive.pick import pick
from evo_bnas.errors import UsageError
from tests.support.frames import IMAGES, THREE, scored


@given(arrays(bool, st.integers(0, 40)))
def test_correctness_bits_survive_packing(correct: np.ndarray) -> None:
    bits = unpack_correct(pack_correct(correct))
    assert (bits[: len(correct)] == correct).all()
    assert not bits[len(correct) :].any()
    assert len(bits) - len(correct) < 8


def test_without_bits_the_lowest_error_within_the_limits_is_picked() -> None:
    assert pick(scored(*THREE), {}).key == "large"
    chosen = pick(scored(*THREE), {"ops": 20_000})
    assert (chosen.key, chosen.runner_up, chosen.equals) == ("middle", "small", 1)
    assert chosen.objectives["ops"] == 20_000
    assert "2 networks with ops ≤ 20,000" in chosen.reason


def test_the_cheapest_of_statistically_equal_networks_is_picked() -> None:
    # 19, 20 and 21 of 400 images wrong, one image between neighbours: no test tells these apart.
    chosen = pick(scored(*THREE, ("poor", 0.20, 5_000), bits=True), {})
    assert (chosen.key, chosen.runner_up, chosen.equals) == ("small", "middle", 3)
    assert "McNemar" in chosen.reason


def test_a_difference_of_three_images_is_significant_and_of_two_is_not() -> None:
    # Two-sided exact p: 2 / 2^2 = 0.5 and 2 / 2^3 = 0.25, either side of one standard error.
    for images, key in ((2, "cheap"), (3, "best")):
        rows = scored(("best", 0.05, 200), ("cheap", 0.05 + images / IMAGES, 100), bits=True)
        assert pick(rows, {}).key == key


def test_within_allows_this_difference_of_error_and_no_more() -> None:
    rows = scored(("best", 0.05, 300), ("near", 0.06, 200), ("far", 0.0601, 100), bits=True)
    chosen = pick(rows, {}, within=0.01)
    assert (chosen.key, chosen.equals) == ("near", 2)
    assert pick(rows, {}, within=0.0).key == "best"


def test_the_knee_is_picked_on_request() -> None:
    rows = scored(("a", 0.90, 1), ("bend", 0.15, 15), ("b", 0.10, 100))
    chosen = pick(rows, {}, knee=True)
    assert (chosen.key, chosen.equals) == ("bend", 1)
    assert "knee" in chosen.reason


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
    with pytest.raises(UsageError) as failure:
        pick(scored(*THREE), limits)
    assert message in str(failure.value)


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
    rows.loc[2, ["status", "error"]] = ["failed", np.nan]
    assert pick(rows, {}).key == "middle"
