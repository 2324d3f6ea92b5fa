"""The drawing of a blueprint as SVG or PNG: its nodes as boxes, and each node's share of the ops."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Curve

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.cost import Cost, LayerCost
from evo_bnas.network.node import Node
from evo_bnas.plots import style
from evo_bnas.plots.network.labels import forms, kind, operation, percent
from evo_bnas.plots.network.layout import HEADING, Box, Layout, Line, Point, lay_out
from evo_bnas.quantity import show

_READ, _ADDED = style.LINE, style.GREEN  # lines to an input, and to a "+"
# Lengths are in inches, font sizes in points.
_MARGIN = 0.2
_LINE = 0.17  # height of a line of text
_MIN_WIDTH = 5.2  # for the legend
_INSET = 0.07  # of the text in a box
_TITLE, _TEXT, _SMALL, _TINY = 8.5, 7.5, 7.0, 5.9
_POINTS_PER_INCH = 72
_CHARACTER = 0.6  # mean width of a character, relative to the font size
_NOTES = (
    "3×3 g4 d2 /2  64→128: kernel, groups, dilation, stride, channels",
    "percent: share of the ops; the dark part of a box compares it with the most expensive one",
)


def draw_network(blueprint: Blueprint, counted: Cost, title: str, paths: Sequence[Path]) -> None:
    """Draw a network into image files; the suffix of each path sets its format.

    `counted` is the cost of this blueprint. Files are written atomically, and equal drawings give equal
    bytes. Raises OSError if a file cannot be written.
    """
    figure = _figure(blueprint, counted, title)
    for path in paths:
        style.save(figure, path, title)


def _figure(blueprint: Blueprint, counted: Cost, title: str) -> Figure:
    layout = lay_out(blueprint)
    width = max(layout.width, _MIN_WIDTH)
    heading = wrap(title, int(width / _character_width(_TITLE)))
    above = _LINE * (len(heading) + 1.8)
    below = _LINE * (len(forms(blueprint)) + len(_NOTES) + 2.2)
    figure = Figure(figsize=(width + 2 * _MARGIN, above + layout.height + below + 2 * _MARGIN), dpi=style.DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    # One unit is one inch, y points downwards, and the layout starts at the origin.
    axes.set_xlim(-_MARGIN, width + _MARGIN)
    axes.set_ylim(layout.height + below + _MARGIN, -above - _MARGIN)
    for number, text in enumerate(heading):
        _write(axes, (0, (number + 0.5) * _LINE - above), text, _TITLE, bold=True)
    _write(axes, (0, -1.3 * _LINE), _totals(counted), _TEXT)
    _draw_panels(axes, layout, counted)
    for line in sorted(layout.lines, key=lambda line: not line.added):
        _draw_line(axes, line)
    for node, layer, box in zip(blueprint.nodes, counted.layers, layout.boxes, strict=True):
        _draw_box(axes, node, layer, box, counted)
    for line in layout.lines:
        if line.added:
            _draw_plus(axes, line.points[-1])
    _draw_legend(axes, blueprint, layout.height + 1.2 * _LINE)
    return figure


def _totals(counted: Cost) -> str:
    return (
        f"{show(counted.ops)} ops = {show(counted.flops)} flops + {show(counted.bops)} bops / 64     "
        f"{show(counted.params)} params, {show(counted.size_bits, 'bits')}"
    )


def _draw_panels(axes: Axes, layout: Layout, counted: Cost) -> None:
    for panel in layout.panels:
        _draw_rectangle(axes, panel.box, style.PANEL, layer=1)
        y, (height, width) = panel.box.top + HEADING / 2, panel.size
        share = _share(sum(counted.layers[node].ops for node in panel.nodes), counted.ops)
        # A line that passes here is drawn behind the text.
        left = (panel.box.left + _INSET, y)
        _write(axes, left, f"{height}×{width}", _TITLE, bold=True, background=style.PANEL)
        _write(
            axes, (panel.box.right - _INSET, y), percent(share), _SMALL, colour=style.FAINT_INK, right=True
        )
    for frame in layout.frames:
        _draw_rectangle(axes, frame, style.FRAME, layer=1)


def _draw_box(axes: Axes, node: Node, layer: LayerCost, box: Box, counted: Cost) -> None:
    light, dark, border = style.BOXES[kind(node)]
    body = _draw_rectangle(axes, box, light, border, layer=3)
    body.set_gid(node.name)
    relative = _share(layer.ops, max(other.ops for other in counted.layers))
    if relative:
        part = Box(box.left, box.top, box.width * relative, box.height)
        _draw_rectangle(axes, part, dark, layer=4).set_clip_path(body)
        _draw_rectangle(axes, box, "none", border, layer=5)
    share = percent(_share(layer.ops, counted.ops))
    room = box.width - 2 * _INSET
    upper, lower = box.top + 0.3 * box.height, box.top + 0.74 * box.height
    _write(axes, (box.left + _INSET, upper), operation(node), _TEXT, room=room)
    room -= _character_width(_TINY) * (len(share) + 1 if share else 0)
    _write(axes, (box.left + _INSET, lower), node.name, _TINY, colour=style.FAINT_INK, room=room)
    _write(axes, (box.right - _INSET, lower), share, _TINY, right=True)


def _draw_line(axes: Axes, line: Line) -> None:
    colour = _ADDED if line.added else _READ
    vertices, codes = [line.points[0]], [Curve.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(line.points):
        if x0 == x1 or y0 == y1:
            vertices.append((x1, y1))
            codes.append(Curve.LINETO)
        else:
            middle = (y0 + y1) / 2
            vertices += [(x0, middle), (x1, middle), (x1, y1)]
            codes += [Curve.CURVE4] * 3
    axes.add_artist(PathPatch(Curve(vertices, codes), facecolor="none", edgecolor=colour, zorder=2))
    if not line.added:
        x, y = line.points[-1]
        tip = [(x, y), (x - 0.03, y - 0.06), (x + 0.03, y - 0.06)]
        axes.add_artist(Polygon(tip, facecolor=colour, linewidth=0, zorder=2))


def _draw_plus(axes: Axes, at: Point) -> None:
    (x, y), arm = at, 0.032
    axes.add_artist(Circle(at, 0.055, facecolor=style.WHITE, edgecolor=_ADDED, zorder=6))
    ends = [(x - arm, y), (x + arm, y), (x, y - arm), (x, y + arm)]
    cross = Curve(ends, [Curve.MOVETO, Curve.LINETO] * 2)
    axes.add_artist(PathPatch(cross, edgecolor=_ADDED, zorder=7))


def _draw_legend(axes: Axes, blueprint: Blueprint, y: float) -> None:
    """The steps of every form of box, the two kinds of lines, and notes on the text in boxes."""
    for form, text, number in forms(blueprint):
        _, dark, border = style.BOXES[form]
        _draw_rectangle(axes, Box(0, y - 0.05, 0.26, 0.1), dark, border, layer=3)
        _write(axes, (0.36, y), f"{form}: {text}   ({number})", _SMALL)
        y += _LINE
    for x, colour, text in ((0.0, _READ, "input"), (2.0, _ADDED, "added shortcut")):
        axes.add_artist(PathPatch(Curve([(x, y), (x + 0.26, y)]), edgecolor=colour))
        _write(axes, (x + 0.36, y), text, _SMALL)
    _draw_plus(axes, (2.26, y))
    for text in _NOTES:
        y += _LINE
        _write(axes, (0, y), text, _SMALL)


def _draw_rectangle(axes: Axes, box: Box, colour: str, border: str = "none", *, layer: int) -> FancyBboxPatch:
    corner = min(0.04, box.width / 2, box.height / 2)
    patch = FancyBboxPatch(
        (box.left, box.top),
        box.width,
        box.height,
        boxstyle=f"round,pad=0,rounding_size={corner}",
        facecolor=colour,
        edgecolor=border,
        linewidth=0.7,
        zorder=layer,
    )
    axes.add_artist(patch)
    return patch


def _write(
    axes: Axes,
    at: Point,
    text: str,
    size: float,
    *,
    colour: str = style.INK,
    bold: bool = False,
    right: bool = False,
    room: float | None = None,
    background: str | None = None,
) -> None:
    """One line of text, shrunk to fit into `room` inches if given."""
    if room is not None:
        size = min(size, size * room / (len(text) * _character_width(size)))
    axes.text(
        *at,
        text,
        fontsize=size,
        color=colour,
        weight="bold" if bold else "normal",
        ha="right" if right else "left",
        va="center_baseline",
        zorder=8,
        parse_math=False,
        bbox={"facecolor": background, "edgecolor": "none", "pad": 1.0} if background else None,
    )


def _share(part: float, whole: float) -> float:
    """0 for a network without ops."""
    return part / whole if whole else 0.0


def _character_width(size: float) -> float:
    """Mean width of a character in inches."""
    return _CHARACTER * size / _POINTS_PER_INCH
