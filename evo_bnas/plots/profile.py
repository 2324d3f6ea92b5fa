"""The figure of a network's profile: one bar per node, in execution order."""

from pathlib import Path

import pandas as pd

from evo_bnas.plots import style


def plot_profile(nodes: pd.DataFrame, latency_ms: float, path: Path) -> None:
    """Draw the `ms` of every `name`, coloured by whether its `kind` is binary, into an image file.

    The suffix of `path` sets the format; the file is written atomically.
    """
    timed = nodes[nodes["ms"] > 0]
    figure, axes = style.new_figure(height=1.2 + 0.2 * len(timed))
    binary = timed["kind"] == "binary"
    bars = (("1-bit convolution", style.BLUE, binary), ("other operations", style.GREY, ~binary))
    for label, colour, rows in bars:
        axes.barh(rows.to_numpy().nonzero()[0], timed["ms"][rows], color=colour, label=label)
    axes.set_yticks(range(len(timed)), timed["name"], fontsize=style.SMALL)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    share = timed.loc[binary, "share"].sum()
    title = f"{latency_ms:.3g} ms per image; 1-bit convolutions take {100 * share:.0f} % of the nodes' time"
    style.label(axes, title, "ms, one thread", grid="x")
    style.save(figure, path)
