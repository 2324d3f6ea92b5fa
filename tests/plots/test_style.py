"""The style that all figures share."""

from itertools import pairwise
from pathlib import Path

import pytest

from evo_bnas.plots import style


def ticks(low: float, high: float) -> list[float]:
    _, axes = style.new_figure()
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    style.log_ticks(axes.xaxis, str)
    return [tick for tick in axes.xaxis.get_majorticklocs() if low <= tick <= high]


def test_a_log_axis_has_ticks_at_1_2_and_5() -> None:
    assert ticks(900, 60_000) == [1_000, 2_000, 5_000, 10_000, 20_000, 50_000]


def test_a_log_axis_within_a_decade_has_even_ticks() -> None:
    first, second, *rest = ticks(10_000, 50_000)
    assert len(rest) >= 2
    assert all(later - earlier == second - first for earlier, later in pairwise((second, *rest)))


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_equal_figures_are_equal_bytes(suffix: str, tmp_path: Path) -> None:
    for name in ("first", "second"):
        figure, axes = style.new_figure()
        axes.plot([1, 2], [3, 4], label="curve")
        style.label(axes, "title", "x", "y")
        style.save(figure, tmp_path / f"{name}.{suffix}", "title")
    first, second = sorted(tmp_path.iterdir())
    assert first.read_bytes() == second.read_bytes()
