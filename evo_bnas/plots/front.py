"""The figure of a front: top-1 against cost on a log axis, with the front as a step line."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd
from matplotlib.axes import Axes

from evo_bnas.archive.front import front
from evo_bnas.archive.pick import Pick
from evo_bnas.errors import UsageError
from evo_bnas.network.cost import BITS_PER_BYTE
from evo_bnas.network.objectives import OBJECTIVES
from evo_bnas.plots import style
from evo_bnas.quantity import brief, show


def plot_front(
    frame: pd.DataFrame,
    path: Path,
    *,
    pick: Pick | None = None,
    x: str = "ops",
    limits: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Draw the top-1 (%) of an archive's frame against the cost `x`, into an image file.

    Networks beyond the limits are drawn, but are not on the front. The suffix of `path` sets the format; the
    file is written atomically. Raises UsageError if no network has been scored.
    """
    rows = frame[frame["status"] == "ok"]
    if rows.empty:
        raise UsageError("no network has been scored, so there is nothing to draw; run the search first")
    within = rows[(rows[list(limits)] <= pd.Series(limits)).all(axis=1)]
    best = front(within, ("error", x))
    figure, axes = style.new_figure()
    axes.set_xscale("log")
    axes.margins(y=0.12)
    _draw_networks(axes, rows, best, within[x].max(), x)
    if pick is not None:
        _mark(axes, pick, x)
    title = f"{len(rows):,} networks scored, {len(best)} on the front of accuracy and {x}"
    style.label(axes, title, f"{x}: {OBJECTIVES[x].meaning}", "top-1 on the search split (%)")
    style.log_ticks(axes.xaxis, lambda value: _short(value, x))
    style.save(figure, path)


def _draw_networks(axes: Axes, rows: pd.DataFrame, best: pd.DataFrame, last: float, x: str) -> None:
    divisor = _divisor(x)
    costs, top1 = best[x] / divisor, 100 * (1 - best["error"])
    axes.scatter(
        rows[x] / divisor, 100 * (1 - rows["error"]), s=16, color=style.GREY, linewidths=0, label="scored"
    )
    # The best accuracy holds up to the next network of the front, or to the most expensive one within limits.
    steps = [*costs, last / divisor]
    axes.step(steps, [*top1, top1.max()], where="post", color=style.BLUE, linewidth=1.4, zorder=2)
    axes.scatter(costs, top1, s=26, color=style.BLUE, linewidths=0, zorder=3, label="front")


def _mark(axes: Axes, pick: Pick, x: str) -> None:
    cost, top1 = pick.objectives[x] / _divisor(x), 100 * (1 - pick.objectives["error"])
    axes.scatter(
        [cost],
        [top1],
        s=110,
        facecolors="none",
        edgecolors=style.RED,
        linewidths=1.8,
        zorder=4,
        label="picked",
    )
    low, high = axes.get_xlim()
    # The areas above left and below right of a network on the front hold no other network.
    right_half = cost**2 > low * high
    axes.annotate(
        f"{top1:.1f} %, {_amount(cost, x)}",
        (cost, top1),
        xytext=(-14, 12) if right_half else (18, -30),
        textcoords="offset points",
        ha="right" if right_half else "left",
        color=style.RED,
        fontsize=style.TEXT,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": style.WHITE, "edgecolor": "none", "alpha": 0.85},
        arrowprops={"arrowstyle": "-", "color": style.RED, "linewidth": 0.8, "shrinkB": 6},
        zorder=5,
    )


def _short(value: float, x: str) -> str:
    return show(value, "bytes") if _in_bytes(x) else brief(value)


def _amount(value: float, x: str) -> str:
    if _in_bytes(x):
        return _short(value, x)
    return f"{value:,.0f} {x}" if OBJECTIVES[x].exact else f"{value:.3g} {OBJECTIVES[x].unit}"


def _in_bytes(x: str) -> bool:
    return OBJECTIVES[x].unit in ("bits", "bytes")


def _divisor(x: str) -> int:
    """Bits are drawn as bytes."""
    return BITS_PER_BYTE if OBJECTIVES[x].unit == "bits" else 1
