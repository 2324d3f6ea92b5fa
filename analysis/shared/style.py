"""One style for the figures of studies."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evo_bnas.files.atomic import replace

GREY = "#8a8f99"
COLOURS = ("#1f5fa8", "#d1495b")


def axes(title: str) -> tuple[Figure, Axes]:
    """An empty figure with a grid and a title."""
    figure = Figure(figsize=(7.2, 4.5), dpi=160, layout="constrained")
    drawn = figure.add_subplot()
    drawn.set_title(title, loc="left", fontsize=11)
    drawn.spines[["top", "right"]].set_visible(False)
    drawn.grid(color="#e6e8ec", linewidth=0.7)
    drawn.set_axisbelow(True)
    return figure, drawn


def save(figure: Figure, path: Path) -> None:
    """Write an image file; it appears whole or not at all."""
    replace(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:]))
