"""The picture of a network's profile: a bar for every node, in execution order."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from evo_bnas.files.atomic import replace

BINARY, REAL = "#1f5fa8", "#b8bcc4"


def plot_profile(nodes: pd.DataFrame, latency_ms: float, path: Path) -> None:
    """Draw `ms` of every `name`, coloured by whether its `kind` is binary, into an image file.

    The suffix of `path` says its format; the file appears whole or not at all.
    """
    timed = nodes[nodes["ms"] > 0]
    figure = Figure(figsize=(7.2, 1.2 + 0.2 * len(timed)), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    for label, colour, rows in (
        ("1-bit convolution", BINARY, timed["kind"] == "binary"),
        ("all else", REAL, timed["kind"] != "binary"),
    ):
        places = rows.to_numpy().nonzero()[0]
        axes.barh(places, timed["ms"][rows], color=colour, label=label)
    axes.set_yticks(range(len(timed)), timed["name"], fontsize=8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    share = timed.loc[timed["kind"] == "binary", "share"].sum()
    axes.set_title(
        f"one image takes {latency_ms:.3g} ms; {100 * share:.0f} % of the steps' time is 1-bit convolution",
        loc="left",
        fontsize=10,
    )
    axes.set_xlabel("ms, one thread")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e6e8ec", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    replace(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:]))
