"""Budgets as they are written after `--ladder`."""

import pytest

from evo_bnas.cli.ladder import parse_ladder
from evo_bnas.errors import UsageError
from tests.support.refusals import refused


@pytest.mark.parametrize(
    ("text", "cost", "budgets"),
    [
        ("10k", "ops", [10_000]),
        ("50k, 10k,20k", "ops", [10_000, 20_000, 50_000]),
        ("10k,10000", "ops", [10_000]),
        ("ops=1e4,0.02M", "ops", [10_000, 20_000]),
        ("size=10kB,20KiB", "size_bits", [80_000, 20 * 1024 * 8]),
        ("memory=8kB", "peak_activation_bytes", [8_000]),
        ("params = 5k,50k", "params", [5_000, 50_000]),
    ],
)
def test_a_ladder_is_read_as_a_cost_and_rising_budgets(text: str, cost: str, budgets: list[float]) -> None:
    assert parse_ladder(text) == (cost, budgets)


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("", "20k"),
        ("10k,,20k", "20k"),
        ("many", "20k"),
        ("size=10", "10B"),
        ("size=5ms", "kB"),
        ("siz=5kB", 'did you mean "size"?'),
        ("error=5%", "size"),
        ("latency=5ms", "choose from ops"),
        ("=10k", "choose from ops"),
    ],
)
def test_a_wrong_ladder_is_refused_with_its_text(text: str, way_out: str) -> None:
    with refused(UsageError, f"--ladder {text}", way_out):
        parse_ladder(text)
