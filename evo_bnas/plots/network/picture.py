"""A blueprint as an SVG or PNG: boxes as papers draw them, and where the ops are spent."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import wrap

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Curve

from evo_bnas.files.atomic import replace
from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.cost import Cost, LayerCost
from evo_bnas.network.node import Node
from evo_bnas.plots.network.layout import HEADING, Box, Layout, Line, Point, lay_out
from evo_bnas.plots.network.words import forms, kind, operation, percent
from evo_bnas.quantity import show

# Light, dark and border. Blue and orange, which colour-blind people tell apart, as a grey print does.
_COLOURS = {
    "binary": ("#e3eef8", "#8dbce2", "#3a78ab"),
    "real": ("#fdeeda", "#f0ab52", "#b06a10"),
    "plain": ("#ffffff", "#ffffff", "#9298a0"),
}
_READ, _ADDED, _INK, _FAINT = "#5a6068", "#00805a", "#1c1f24", "#62686f"
_PANEL, _FRAME = "#f4f5f7", "#e7e9ed"
_MARGIN = 0.2  # inches, as everything here but the sizes of letters
_LINE = 0.17  # from line to line of text
_LEAST_WIDTH = 5.2  # for the legend
_INSET = 0.07  # of the text in a box
_DPI = 160
_TITLE, _TEXT, _SMALL, _TINY = 8.5, 7.5, 7.0, 5.9  # points
_POINTS = 72
_EM = 0.6  # mean width of a letter against its height
_READ_AS = (
    "3×3 g4 d2 /2  64→128: kernel, groups, dilation, stride, channels",
    "percent: share of the ops; the dark part of a box compares it with the costliest one",
)


def draw_network(blueprint: Blueprint, counted: Cost, title: str, paths: Sequence[Path]) -> None:
    """Draw a network into image files whose suffixes say their formats; the same drawing is the same bytes.

    `counted` is the cost of this blueprint. A file appears whole or not at all; raises OSError as the file
    system does.
    """
    # In an SVG text stays text, and its identifiers are no random ones.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "evo-bnas"}):
        figure = _figure(blueprint, counted, title)
        for path in paths:
            metadata = {"Title": title} | ({"Date": None} if path.suffix == ".svg" else {})
            _save(figure, path, metadata)


def _save(figure: Figure, path: Path, metadata: Mapping[str, str | None]) -> None:
    replace(path, lambda file: figure.savefig(file, format=path.suffix[1:], metadata=metadata))


def _figure(blueprint: Blueprint, counted: Cost, title: str) -> Figure:
    layout = lay_out(blueprint)
    width = max(layout.width, _LEAST_WIDTH)
    heading = wrap(title, int(width / _letter(_TITLE)))
    above = _LINE * (len(heading) + 1.8)
    below = _LINE * (len(forms(blueprint)) + len(_READ_AS) + 2.2)
    figure = Figure(figsize=(width + 2 * _MARGIN, above + layout.height + below + 2 * _MARGIN), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    # A unit is an inch, y goes downwards, and the layout begins at the origin.
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
        _draw_rectangle(axes, panel.box, _PANEL, layer=1)
        y, (height, width) = panel.box.top + HEADING / 2, panel.size
        share = _share(sum(counted.layers[node].ops for node in panel.nodes), counted.ops)
        # A line may come down here; it passes behind the words.
        left = (panel.box.left + _INSET, y)
        _write(axes, left, f"{height}×{width}", _TITLE, bold=True, behind=_PANEL)
        _write(axes, (panel.box.right - _INSET, y), percent(share), _SMALL, colour=_FAINT, right=True)
    for frame in layout.frames:
        _draw_rectangle(axes, frame, _FRAME, layer=1)


def _draw_box(axes: Axes, node: Node, layer: LayerCost, box: Box, counted: Cost) -> None:
    light, dark, border = _COLOURS[kind(node)]
    body = _draw_rectangle(axes, box, light, border, layer=3)
    body.set_gid(node.name)
    compared = _share(layer.ops, max(other.ops for other in counted.layers))
    if compared:
        part = Box(box.left, box.top, box.width * compared, box.height)
        _draw_rectangle(axes, part, dark, layer=4).set_clip_path(body)
        _draw_rectangle(axes, box, "none", border, layer=5)
    share = percent(_share(layer.ops, counted.ops))
    room = box.width - 2 * _INSET
    upper, lower = box.top + 0.3 * box.height, box.top + 0.74 * box.height
    _write(axes, (box.left + _INSET, upper), operation(node), _TEXT, room=room)
    room -= _letter(_TINY) * (len(share) + 1 if share else 0)
    _write(axes, (box.left + _INSET, lower), node.name, _TINY, colour=_FAINT, room=room)
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
    axes.add_artist(Circle(at, 0.055, facecolor="white", edgecolor=_ADDED, zorder=6))
    ends = [(x - arm, y), (x + arm, y), (x, y - arm), (x, y + arm)]
    cross = Curve(ends, [Curve.MOVETO, Curve.LINETO] * 2)
    axes.add_artist(PathPatch(cross, edgecolor=_ADDED, zorder=7))


def _draw_legend(axes: Axes, blueprint: Blueprint, y: float) -> None:
    """The steps of every form of box, the two kinds of lines, and how the text is read."""
    for form, text, number in forms(blueprint):
        _, dark, border = _COLOURS[form]
        _draw_rectangle(axes, Box(0, y - 0.05, 0.26, 0.1), dark, border, layer=3)
        _write(axes, (0.36, y), f"{form}: {text}   ({number})", _SMALL)
        y += _LINE
    for x, colour, text in ((0.0, _READ, "map that is read"), (2.0, _ADDED, "shortcut that is added")):
        axes.add_artist(PathPatch(Curve([(x, y), (x + 0.26, y)]), edgecolor=colour))
        _write(axes, (x + 0.36, y), text, _SMALL)
    _draw_plus(axes, (2.26, y))
    for text in _READ_AS:
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
    colour: str = _INK,
    bold: bool = False,
    right: bool = False,
    room: float | None = None,
    behind: str | None = None,
) -> None:
    """One line of text, smaller where it needs more than its room, and on a ground of its own if asked."""
    if room is not None:
        size = min(size, size * room / (len(text) * _letter(size)))
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
        bbox={"facecolor": behind, "edgecolor": "none", "pad": 1.0} if behind else None,
    )


def _share(part: float, whole: float) -> float:
    """A network of pools alone has no ops to share."""
    return part / whole if whole else 0.0


def _letter(size: float) -> float:
    """Mean width of a letter in inches."""
    return _EM * size / _POINTS
