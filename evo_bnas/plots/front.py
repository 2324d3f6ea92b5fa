"""The figure of a front: top-1 against cost on a log axis, with the front as a step line."""

from collections.abc import Mapping, Sequence
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

_LABEL_WIDTH = 0.3  # of the axes; room that the label of a pick needs


def plot_front(
    frame: pd.DataFrame,
    path: Path,
    *,
    picks: Sequence[Pick] = (),
    trained: pd.DataFrame | None = None,
    x: str = "ops",
    limits: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Draw the top-1 (%) of an archive's frame against the cost `x`, into an image file.

    Networks beyond the limits are drawn, but are not on the front. Trained networks, as `trained_networks`
    returns them, are drawn with the 95 % intervals of their test errors. Picks are marked, with the expected
    top-1 and its deviation until they are trained; a single pick has a label. The suffix of `path` sets the
    format; the file is written atomically. Raises UsageError if no network has been scored.
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
    _draw_picks(axes, picks, x)
    known = _with_cost(trained, rows, x) if trained is not None else pd.DataFrame(columns=["key"])
    _draw_expected(axes, [pick for pick in picks if pick.key not in set(known["key"])], x)
    _draw_trained(axes, known, x)
    if len(picks) == 1:
        _label(axes, picks[0], x)
    title = f"{len(rows):,} networks scored, {len(best)} on the front of accuracy and {x}"
    style.label(axes, title, f"{x}: {OBJECTIVES[x].meaning}", "top-1 (%)")
    style.log_ticks(axes.xaxis, lambda value: _short(value, x))
    style.save(figure, path)


def _draw_networks(axes: Axes, rows: pd.DataFrame, best: pd.DataFrame, last: float, x: str) -> None:
    divisor = _divisor(x)
    costs, top1 = best[x] / divisor, 100 * (1 - best["error"])
    axes.scatter(
        rows[x] / divisor,
        100 * (1 - rows["error"]),
        s=16,
        color=style.GREY,
        linewidths=0,
        label="scored, on search images",
    )
    # The best accuracy holds up to the next network of the front, or to the most expensive one within limits.
    steps = [*costs, last / divisor]
    axes.step(steps, [*top1, top1.max()], where="post", color=style.BLUE, linewidth=1.4, zorder=2)
    axes.scatter(costs, top1, s=26, color=style.BLUE, linewidths=0, zorder=3, label="front")


def _with_cost(trained: pd.DataFrame, rows: pd.DataFrame, x: str) -> pd.DataFrame:
    """The trained networks whose cost is known: a measured one is known of scored networks only."""
    if x in trained:
        return trained
    costs = trained["key"].map(rows.set_index("key")[x])
    return trained.assign(**{x: costs}).dropna(subset=[x])


def _draw_picks(axes: Axes, picks: Sequence[Pick], x: str) -> None:
    if picks:
        axes.scatter(
            [_cost(pick, x) for pick in picks],
            [_top1(pick) for pick in picks],
            s=110,
            facecolors="none",
            edgecolors=style.RED,
            linewidths=1.8,
            zorder=4,
            label="picked",
        )


def _draw_expected(axes: Axes, picks: Sequence[Pick], x: str) -> None:
    if picks:
        axes.errorbar(
            [_cost(pick, x) for pick in picks],
            [100 * (1 - pick.expected) for pick in picks],
            yerr=[100 * pick.deviation for pick in picks],
            fmt="_",
            markersize=9,
            markeredgewidth=1.6,
            color=style.RED,
            elinewidth=1.2,
            capsize=2,
            zorder=4,
            label="expected after training",
        )


def _draw_trained(axes: Axes, trained: pd.DataFrame, x: str) -> None:
    if trained.empty:
        return
    error = trained["test_error"]
    below, above = trained["high"] - error, error - trained["low"]
    costs, top1 = trained[x] / _divisor(x), 100 * (1 - error)
    axes.errorbar(
        costs,
        top1,
        yerr=[100 * below, 100 * above],
        fmt="D",
        markersize=5,
        color=style.GREEN,
        elinewidth=1.2,
        capsize=2,
        zorder=5,
        label="trained, on test images",
    )


def _label(axes: Axes, pick: Pick, x: str) -> None:
    # Above left of a network on the front there is no other network.
    cost = _cost(pick, x)
    share, _ = axes.transAxes.inverted().transform(axes.transData.transform((cost, _top1(pick))))
    left = share > _LABEL_WIDTH
    axes.annotate(
        f"{_top1(pick):.1f} %, {_amount(cost, x)}",
        (cost, _top1(pick)),
        xytext=(-14, 12) if left else (18, -30),
        textcoords="offset points",
        ha="right" if left else "left",
        color=style.RED,
        fontsize=style.TEXT,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": style.WHITE, "edgecolor": "none", "alpha": 0.85},
        arrowprops={"arrowstyle": "-", "color": style.RED, "linewidth": 0.8, "shrinkB": 6},
        zorder=6,
    )


def _cost(pick: Pick, x: str) -> float:
    return pick.objectives[x] / _divisor(x)


def _top1(pick: Pick) -> float:
    return 100 * (1 - pick.objectives["error"])


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
