"""The figure of a ranking check: errors read from the supernet against errors after training alone."""

from pathlib import Path

import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from evo_bnas.archive.ranking import Estimate
from evo_bnas.files.atomic import replace
from evo_bnas.quantity import show


def plot_ranking(networks: pd.DataFrame, tau: Estimate, path: Path) -> None:
    """Draw `error` against `supernet_error`, in %, coloured by `ops` on a log scale, into an image file.

    The suffix of `path` says its format; the file appears whole or not at all.
    """
    figure = Figure(figsize=(6.4, 5.0), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    estimated, measured = 100 * networks["supernet_error"], 100 * networks["error"]
    points = axes.scatter(
        estimated, measured, c=networks["ops"], norm=LogNorm(), cmap="viridis", s=32, linewidths=0, zorder=3
    )
    # The limits are those of the points: where the supernet is far off, the diagonal is out of sight.
    axes.margins(0.08)
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    axes.axline((0, 0), slope=1, color="#b8bcc4", linewidth=1, label="equal errors")
    axes.set_title(f"{len(networks)} networks, Kendall's tau {tau}", loc="left", fontsize=11)
    axes.set_xlabel("error with the supernet's weights (%)")
    axes.set_ylabel("error when trained alone (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e8ec", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    bar = figure.colorbar(points, label="ops")
    decades = networks["ops"].max() >= 10 * networks["ops"].min()
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if decades else MaxNLocator(5))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))
    replace(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:]))
