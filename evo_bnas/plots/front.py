"""The front as papers draw it: cost on a log axis, accuracy upwards, the front as a step line."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullLocator

from evo_bnas.archive.front import front
from evo_bnas.archive.pick import Pick
from evo_bnas.errors import UsageError
from evo_bnas.files.atomic import replace
from evo_bnas.network.cost import BITS_PER_BYTE
from evo_bnas.network.objectives import OBJECTIVES
from evo_bnas.quantity import brief, show

SEARCHED, FRONT, PICKED = "#b8bcc4", "#1f5fa8", "#d1495b"


def plot_front(
    frame: pd.DataFrame,
    path: Path,
    *,
    pick: Pick | None = None,
    x: str = "ops",
    limits: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Draw an archive's frame, top-1 in % against the cost `x`, into an image file.

    What is beyond the limits is drawn, but has no part in the front. The suffix of `path` says its format;
    the file appears whole or not at all. Raises UsageError where no network has been scored.
    """
    rows = frame[frame["status"] == "ok"]
    if rows.empty:
        raise UsageError("no network has been scored, so there is nothing to draw; run the search first")
    within = rows[(rows[list(limits)] <= pd.Series(limits)).all(axis=1)]
    best = front(within, ("error", x))
    figure = Figure(figsize=(7.2, 4.5), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.margins(y=0.12)
    _draw_networks(axes, rows, best, within[x].max(), x)
    if pick is not None:
        _mark(axes, pick, x)
    _label(axes, f"{len(rows):,} networks scored, {len(best)} on the front of accuracy and {x}", x)
    replace(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:]))


def _draw_networks(axes: Axes, rows: pd.DataFrame, best: pd.DataFrame, dearest: float, x: str) -> None:
    divisor = _divisor(x)
    costs, top1 = best[x] / divisor, 100 * (1 - best["error"])
    axes.scatter(
        rows[x] / divisor, 100 * (1 - rows["error"]), s=16, color=SEARCHED, linewidths=0, label="scored"
    )
    # The best accuracy holds until the next network that costs more, up to the dearest one within limits.
    steps = [*costs, dearest / divisor]
    axes.step(steps, [*top1, top1.max()], where="post", color=FRONT, linewidth=1.4, zorder=2)
    axes.scatter(costs, top1, s=26, color=FRONT, linewidths=0, zorder=3, label="front")


def _mark(axes: Axes, pick: Pick, x: str) -> None:
    cost, top1 = pick.objectives[x] / _divisor(x), 100 * (1 - pick.objectives["error"])
    axes.scatter(
        [cost], [top1], s=110, facecolors="none", edgecolors=PICKED, linewidths=1.8, zorder=4, label="picked"
    )
    low, high = axes.get_xlim()
    # Left above and right below a network of the front there is no other one to write upon.
    right_half = cost**2 > low * high
    axes.annotate(
        f"{top1:.1f} %, {_amount(cost, x)}",
        (cost, top1),
        xytext=(-14, 12) if right_half else (18, -30),
        textcoords="offset points",
        ha="right" if right_half else "left",
        color=PICKED,
        fontsize=9,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        arrowprops={"arrowstyle": "-", "color": PICKED, "linewidth": 0.8, "shrinkB": 6},
        zorder=5,
    )


def _label(axes: Axes, title: str, x: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(f"{x}: {OBJECTIVES[x].meaning}")
    axes.set_ylabel("top-1 on the search split (%)")
    axes.xaxis.set_major_locator(_ticks(*axes.get_xlim()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value, x)))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e8ec", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", frameon=False, fontsize=9)


def _ticks(low: float, high: float) -> Locator:
    """10k, 20k, 50k; but evenly where less than a decade would leave few of those."""
    return LogLocator(subs=(1, 2, 5)) if high >= 10 * low else MaxNLocator(6, steps=[1, 2, 5, 10])


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
