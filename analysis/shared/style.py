"""One style for the figures of studies."""

from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evo_bnas.files.atomic import replace

Corner = Literal["lower right", "lower left", "upper right", "upper left"]

SERIES = ("#1f5fa8", "#d1495b")  # of curves, in this order
GREY = "#b8bcc4"


def new_figure() -> tuple[Figure, Axes]:
    """A figure and its only axes."""
    figure = Figure(figsize=(7.2, 4.5), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def label(axes: Axes, title: str, x: str, y: str, *, legend: Corner) -> None:
    """Give finished axes their title, the labels of both sides, a grid and a legend."""
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#e6e8ec", linewidth=0.7)
    axes.legend(loc=legend, frameon=False, fontsize=9)


def save(figure: Figure, path: Path) -> None:
    """Write an image file atomically."""
    replace(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:]))
