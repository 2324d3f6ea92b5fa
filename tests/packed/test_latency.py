"""Latency: the median of a run, measured once per shape, and node by node."""

import numpy as np
import pytest

from evo_bnas.packed import latency
from evo_bnas.packed.latency import LatencyMeter, median_spread, node_times, program_of
from tests.support.strategies import SPACES

SPACE = SPACES["elastic-8"]


def test_a_latency_is_positive_and_has_a_spread() -> None:
    result = latency.latency(program_of(SPACE.draw(SPACE.smallest())))
    assert result.ms > 0
    assert result.spread >= 0
    assert result.runs >= 10


def test_each_shape_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    whole = latency.latency
    monkeypatch.setattr(latency, "latency", lambda program: measured.append(program) or whole(program))
    meter = LatencyMeter()
    blueprints = [SPACE.draw(end) for end in (SPACE.smallest(), SPACE.largest(), SPACE.smallest())]
    small, large, again = map(meter, blueprints)
    assert small == again
    assert small > 0
    assert large > 0
    assert len(measured) == 2


def test_the_spread_of_a_median_falls_with_the_number_of_values() -> None:
    times = np.random.default_rng(0).exponential(size=4000).tolist()
    few, many = median_spread(times[:40]), median_spread(times)
    assert 0 < many < few
    # The estimated spread agrees with the scatter of medians of 400 such values.
    medians = np.median(np.random.default_rng(1).exponential(size=(2000, 400)), axis=1)
    low, high = np.quantile(medians, [0.25, 0.75])
    assert median_spread(times[:400]) == pytest.approx((high - low) / np.median(medians), rel=0.5)
    assert median_spread([2.0] * 10) == 0


@pytest.mark.parametrize("name", ["elastic-8", "binary-cell-8", "op-chain-8"])
def test_node_times_contain_every_node_once(name: str) -> None:
    blueprint = SPACES[name].draw(SPACES[name].smallest())
    nodes = node_times(blueprint, program_of(blueprint))
    assert [node.name for node in nodes] == [node.name for node in blueprint.nodes]
    assert sum(node.share for node in nodes) == pytest.approx(1)
    assert all(node.ms > 0 or node.kind == "read in place" for node in nodes)
