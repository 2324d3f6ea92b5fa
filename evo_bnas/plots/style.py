"""The style of every figure: colours, sizes, axes, legend, and how files are written."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from evo_bnas.files.atomic import replace

Corner = Literal["lower right", "lower left", "upper right", "upper left"]

# Blue and orange differ for colour-blind readers and in a grey print.
BLUE, RED, GREEN, ORANGE, PURPLE, GREY = "#1f5fa8", "#d1495b", "#00805a", "#b06a10", "#7a4fa3", "#b8bcc4"
SERIES = (BLUE, RED, GREEN, ORANGE, PURPLE, "#5a6068")  # of curves, in this order
WHITE, INK, FAINT_INK, LINE, GRID = "#ffffff", "#1c1f24", "#62686f", "#5a6068", "#e6e8ec"
PANEL, FRAME = "#f4f5f7", "#e7e9ed"
COLOUR_MAP = "viridis"
# Fill, dark fill and border of a box that holds 1-bit weights, real weights, or none.
BOXES = {
    "binary": ("#e3eef8", "#8dbce2", "#3a78ab"),
    "real": ("#fdeeda", "#f0ab52", "#b06a10"),
    "plain": (WHITE, WHITE, "#9298a0"),
}

DPI = 160
TITLE, TEXT, SMALL = 11, 9, 8  # points
_WIDTH, _HEIGHT = 7.2, 4.5  # inches


def new_figure(width: float = _WIDTH, height: float = _HEIGHT) -> tuple[Figure, Axes]:
    """A figure of this size in inches, and its only axes."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.set_prop_cycle(color=SERIES)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def label(
    axes: Axes,
    title: str,
    x: str,
    y: str = "",
    *,
    grid: Literal["both", "x", "y"] = "both",
    legend: Corner = "lower right",
) -> None:
    """Give finished axes their title, the labels of both sides, a grid and a legend."""
    axes.set_title(title, loc="left", fontsize=TITLE)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis=grid, color=GRID, linewidth=0.7)
    axes.legend(loc=legend, frameon=False, fontsize=TEXT)


def log_ticks(axis: Axis, text: Callable[[float], str]) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5 times powers of ten, but evenly spaced within a decade."""
    low, high = sorted(axis.get_view_interval())
    within_a_decade = high < 10 * low
    axis.set_major_locator(
        MaxNLocator(6, steps=[1, 2, 5, 10]) if within_a_decade else LogLocator(subs=(1, 2, 5))
    )
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def save(figure: Figure, path: Path, title: str = "") -> None:
    """Write a figure atomically, in the format that the suffix of `path` names.

    Equal figures give equal bytes. Raises OSError if the file cannot be written.
    """
    metadata = {"Title": title} | ({"Date": None} if path.suffix == ".svg" else {})
    # Text in an SVG stays text, and the identifiers of its elements are not random.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "evo-bnas"}):
        replace(path, lambda file: figure.savefig(file, format=path.suffix[1:], metadata=metadata))
