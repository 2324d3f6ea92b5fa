import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo_bnas.archive.score import Score
from evo_bnas.errors import UsageError
from evo_bnas.search.problem import Problem
from evo_bnas.space.genes import Architecture
from tests.support.strategies import architectures
from tests.support.synthetic import ELASTIC, OBJECTIVES, TINY

LOOSE = Problem(ELASTIC, OBJECTIVES)
TIGHT = Problem(ELASTIC, OBJECTIVES, {"ops": 20_000, "params": 40_000})


@pytest.mark.parametrize(
    ("objectives", "limits", "message"),
    [
        (("error", "opss"), {}, "objective 'opss' is unknown; did you mean \"ops\"?"),
        (("error", "ops", "ops"), {}, "objective 'ops'"),
        ((), {}, "choose from error, ops"),
        (("error",), {"error": 0.1}, "max_error"),
        (("error",), {"latency_ms": 0.1}, "limit 'latency_ms'"),
        (("error", "latency_ms"), {"latency_ms": 0}, "latency_ms ≤ 0"),
        (("error",), {"param": 1}, 'did you mean "params"?'),
        (("error",), {"ops": 1}, "ops ≤ 1; the smallest has 6,208"),
        (("error",), {"ops": 0}, "ops ≤ 0"),
    ],
)
def test_wrong_objectives_and_limits_are_refused_with_a_suggestion(
    objectives: tuple[str, ...], limits: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError) as failure:
        Problem(ELASTIC, objectives, limits)
    assert message in str(failure.value)


def test_bounds_are_those_of_the_space_and_the_error_of_chance() -> None:
    assert TIGHT.bounds() == {"error": (0.0, 0.9), "ops": (6_208, 111_104), "params": (7_546, 710_314)}


def test_the_worst_value_of_a_measured_cost_is_given_or_its_limit() -> None:
    def bounds(limits: dict[str, float]) -> dict[str, tuple[float, float]]:
        return Problem(ELASTIC, ("error", "latency_ms"), limits, worst={"latency_ms": 2.0}).bounds()

    assert bounds({}) == {"error": (0.0, 0.9), "latency_ms": (0.0, 2.0)}
    assert bounds({"latency_ms": 0.5})["latency_ms"] == (0.0, 0.5)
    assert bounds({"latency_ms": 5.0})["latency_ms"] == (0.0, 2.0)


def test_a_limit_on_a_measured_cost_applies_to_scores_and_not_to_architectures() -> None:
    problem = Problem(ELASTIC, ("error", "latency_ms"), {"latency_ms": 0.5, "ops": 50_000}, max_error=0.2)

    def violation(error: float, latency_ms: float) -> float:
        score = Score("ok", {"error": error, "latency_ms": latency_ms, "ops": 10**6})
        return float(problem.violation([score])[0])

    assert violation(0.2, 0.5) == 0
    assert violation(0.2, 0.75) == pytest.approx(0.5)
    assert violation(0.3, 0.75) == pytest.approx(1.0)
    assert violation(0.1, 0.5001) > 0
    assert problem.feasible(ELASTIC.smallest())
    assert not problem.feasible(ELASTIC.largest())


def test_without_limits_the_ends_are_those_of_the_space() -> None:
    assert LOOSE.smallest() == ELASTIC.smallest()
    assert LOOSE.largest() == ELASTIC.largest()


def test_the_largest_network_within_the_limits_is_close_to_them() -> None:
    largest = TIGHT.largest()
    assert TIGHT.feasible(largest)
    assert TIGHT.costs(largest)["ops"] > 0.95 * 20_000
    assert not any(
        TIGHT.feasible(other) and TIGHT.costs(other)["ops"] > TIGHT.costs(largest)["ops"]
        for other in ELASTIC.neighbours(largest)
    )


def test_limits_that_only_the_smallest_network_meets_leave_only_it() -> None:
    only = Problem(TINY, OBJECTIVES, {"ops": TINY.cost(TINY.smallest()).ops})
    assert only.largest() == only.smallest() == only.sample(np.random.default_rng(0))


@given(st.integers(0, 2**32))
def test_samples_keep_to_the_limits(seed: int) -> None:
    assert TIGHT.feasible(TIGHT.sample(np.random.default_rng(seed)))


@given(architectures(ELASTIC), st.integers(0, 2**32))
def test_repair_changes_only_infeasible_networks(architecture: Architecture, seed: int) -> None:
    repaired = TIGHT.repair(architecture, np.random.default_rng(seed))
    assert TIGHT.feasible(repaired)
    assert repaired == architecture or not TIGHT.feasible(architecture)


@pytest.mark.parametrize(
    ("problem", "high"), [(LOOSE, 111_104), (Problem(ELASTIC, OBJECTIVES, {"ops": 20_000}), 20_000)]
)
def test_samples_reach_every_third_of_the_cost(problem: Problem, high: float) -> None:
    rng = np.random.default_rng(0)
    ops = np.array([problem.costs(problem.sample(rng))["ops"] for _ in range(120)])
    thirds = np.histogram(ops, bins=3, range=(6_208, high))[0]
    assert (thirds >= 12).all(), thirds
