"""The figure of a ranking check: errors read from the supernet against errors after training alone."""

from pathlib import Path

import pandas as pd
from matplotlib.colors import LogNorm

from evo_bnas.archive.ranking import Estimate
from evo_bnas.plots import style
from evo_bnas.quantity import show


def plot_ranking(networks: pd.DataFrame, tau: Estimate, path: Path) -> None:
    """Draw `error` against `supernet_error`, in %, coloured by `ops` on a log scale, into an image file.

    The suffix of `path` sets the format; the file is written atomically.
    """
    figure, axes = style.new_figure(6.4, 5.0)
    points = axes.scatter(
        100 * networks["supernet_error"],
        100 * networks["error"],
        c=networks["ops"],
        norm=LogNorm(),
        cmap=style.COLOUR_MAP,
        s=32,
        linewidths=0,
        zorder=3,
    )
    # Keep the limits of the points: if the supernet is far off, the diagonal is out of sight.
    axes.margins(0.08)
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    axes.axline((0, 0), slope=1, color=style.GREY, linewidth=1, label="equal errors")
    style.label(
        axes,
        f"{len(networks)} networks, Kendall's tau {tau}",
        "error with the supernet's weights (%)",
        "error after training alone (%)",
    )
    bar = figure.colorbar(points, label="ops")
    style.log_ticks(bar.ax.yaxis, show)
    style.save(figure, path)
