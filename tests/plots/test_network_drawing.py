"""The drawing of a network: its geometry, its text, its files."""

from itertools import combinations, pairwise
from math import isclose
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evo_bnas.network.blueprint import Blueprint
from evo_bnas.network.cost import cost
from evo_bnas.network.node import Node
from evo_bnas.plots.network.drawing import draw_network
from evo_bnas.plots.network.labels import forms, kind, operation, percent
from evo_bnas.plots.network.layout import Box, Layout, lay_out
from evo_bnas.space.sketch import Sketch
from tests.support.strategies import SPACES, architectures, spaces

TOLERANCE = 1e-9
SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def networks(draw: st.DrawFn) -> Blueprint:
    """A blueprint of a shipped space."""
    space = draw(spaces)
    return space.draw(draw(architectures(space)))


@st.composite
def tangles(draw: st.DrawFn) -> Blueprint:
    """Any blueprint: nodes read arbitrary earlier ones, and their names put them into arbitrary blocks."""
    sketch = Sketch((4, 8, 8))
    for number in range(draw(st.integers(1, 14))):
        name = draw(st.sampled_from(["", "c1.", "c2.", "s1.b1.", "s1.b2."])) + f"n{number}"
        source = draw(st.integers(0, sketch.last))
        alike = [i for i, node in enumerate(sketch.nodes) if node.shape == sketch.nodes[source].shape]
        match draw(st.sampled_from(["conv", "added", "pool", "sum", "stride"])):
            case "conv":
                sketch.conv(name, source, 4, binary=draw(st.booleans()))
            case "added":
                shortcut = draw(st.sampled_from(alike))
                sketch.conv(name, source, 4, binary=True, after=("norm", "add"), shortcut=shortcut)
            case "pool":
                sketch.pool(name, "pool_max", source, kernel=3)
            case "sum":
                sketch.merge(name, "sum", draw(st.lists(st.sampled_from(alike), min_size=1, max_size=6)))
            case "stride":
                sketch.shrink(name, source, 2)
    sketch.classify(sketch.last, 10)
    return Blueprint(sketch.used())


any_blueprint = st.one_of(networks(), tangles())


def apart(one: Box, other: Box) -> bool:
    return (
        one.right <= other.left + TOLERANCE
        or other.right <= one.left + TOLERANCE
        or one.bottom <= other.top + TOLERANCE
        or other.bottom <= one.top + TOLERANCE
    )


def within(inner: Box, outer: Box) -> bool:
    return (
        outer.left - TOLERANCE <= inner.left
        and inner.right <= outer.right + TOLERANCE
        and outer.top - TOLERANCE <= inner.top
        and inner.bottom <= outer.bottom + TOLERANCE
    )


@settings(max_examples=60)
@given(any_blueprint)
def test_no_two_boxes_overlap(blueprint: Blueprint) -> None:
    boxes = lay_out(blueprint).boxes
    assert len(boxes) == len(blueprint.nodes)
    assert all(apart(one, other) for one, other in combinations(boxes, 2))


@settings(max_examples=60)
@given(any_blueprint)
def test_every_edge_is_a_line_from_box_to_box(blueprint: Blueprint) -> None:
    layout = lay_out(blueprint)
    edges = [(source, index) for index, node in enumerate(blueprint.nodes) for source in node.inputs]
    assert sorted((line.source, line.target) for line in layout.lines) == sorted(edges)
    for line in layout.lines:
        source, target = layout.boxes[line.source], layout.boxes[line.target]
        (x0, y0), (x1, y1) = line.points[0], line.points[-1]
        beside = isclose(x0, source.left) and isclose(y0, source.y) and line.added
        assert beside or (isclose(x0, source.x) and isclose(y0, source.bottom))
        if line.added:
            assert isclose(x1, target.right)
            assert isclose(y1, target.y)
        else:
            assert isclose(x1, target.x)
            assert isclose(y1, target.top)


@settings(max_examples=60)
@given(any_blueprint)
def test_lines_touch_only_the_boxes_that_they_connect(blueprint: Blueprint) -> None:
    layout = lay_out(blueprint)
    for line in layout.lines:
        for (x0, y0), (x1, y1) in pairwise(line.points):
            piece = Box(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))
            assert all(apart(piece, box) for box in layout.boxes), line


@settings(max_examples=60)
@given(any_blueprint)
def test_panels_hold_the_nodes_of_one_resolution(blueprint: Blueprint) -> None:
    layout = lay_out(blueprint)
    page = Box(0, 0, layout.width, layout.height)
    assert sorted(node for panel in layout.panels for node in panel.nodes) == list(range(len(layout.boxes)))
    assert all(apart(one.box, other.box) for one, other in combinations(layout.panels, 2))
    for panel in layout.panels:
        assert within(panel.box, page)
        assert all(blueprint.nodes[node].shape[1:] == panel.size for node in panel.nodes)
        assert all(within(layout.boxes[node], panel.box) for node in panel.nodes)
    assert all(any(within(frame, panel.box) for panel in layout.panels) for frame in layout.frames)
    points = [Box(x, y, 0, 0) for line in layout.lines for x, y in line.points]
    assert all(within(point, page) for point in points)


def stream(layout: Layout, blueprint: Blueprint) -> list[float]:
    """The horizontal extent of every line from a node with weights to another."""
    weighted = [kind(node) != "plain" for node in blueprint.nodes]
    return [
        abs(line.points[0][0] - line.points[-1][0])
        for line in layout.lines
        if weighted[line.source] and weighted[line.target] and not line.added and len(line.points) == 2
    ]


@pytest.mark.parametrize("name", ["elastic-8", "group-mobile-224", "elastic-resnet-32", "op-chain-224"])
def test_lines_between_the_layers_of_a_chain_are_straight(name: str) -> None:
    blueprint = SPACES[name].draw(SPACES[name].largest())
    straight = stream(lay_out(blueprint), blueprint)
    assert len(straight) > 5
    assert max(straight) < TOLERANCE


@pytest.mark.parametrize("name", ["elastic-8", "op-chain-8", "binary-cell-8"])
def test_every_node_appears_once_with_its_name(name: str, tmp_path: Path) -> None:
    space = SPACES[name]
    architecture = space.largest()
    blueprint = space.draw(architecture)
    path = tmp_path / "network.svg"
    draw_network(blueprint, space.cost(architecture), f"{name} {architecture}", [path])
    root = ElementTree.parse(path).getroot()
    identities = [group.get("id") for group in root.iter(f"{SVG}g")]
    texts = ["".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")]
    for node in blueprint.nodes:
        assert identities.count(node.name) == 1
        assert texts.count(node.name) == (2 if node.name == operation(node) else 1)
        assert operation(node) in texts
    assert "".join(texts).count("ops = ") == 1
    for height, width in {node.shape[1:] for node in blueprint.nodes}:
        assert texts.count(f"{height}×{width}") == 1


def test_equal_networks_give_equal_bytes(tmp_path: Path) -> None:
    space = SPACES["op-chain-8"]
    architecture = space.smallest()
    first, again = ([tmp_path / f"{n}.{form}" for form in ("svg", "png")] for n in ("first", "again"))
    for paths in (first, again):
        draw_network(space.draw(architecture), space.cost(architecture), "one", paths)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert sorted(tmp_path.iterdir()) == sorted((*first, *again))


def test_binary_and_real_layers_differ_in_colour(tmp_path: Path) -> None:
    space = SPACES["elastic-8"]
    path = tmp_path / "network.png"
    draw_network(space.draw(space.smallest()), space.cost(space.smallest()), "colours", [path])
    red, _, blue = matplotlib.image.imread(path)[..., :3].transpose(2, 0, 1)
    assert (blue - red > 0.25).sum() > 1000
    assert (red - blue > 0.25).sum() > 1000


def test_a_network_without_ops_is_drawn(tmp_path: Path) -> None:
    nodes = (Node("image", "image", (), (1, 4, 4)), Node("mean", "mean", (0,), (1, 1, 1)))
    blueprint = Blueprint(nodes)
    draw_network(blueprint, cost(blueprint), "pools", [tmp_path / "network.svg"])
    assert "mean" in (tmp_path / "network.svg").read_text()


def test_the_label_of_a_box_describes_its_operation() -> None:
    conv = Node("c", "conv", (0,), (64, 4, 4), cin=32, kernel=3, stride=2, groups=4, dilation=2)
    assert operation(conv) == "3×3 g4 d2 /2  32→64"
    assert operation(Node("p", "pool_avg", (0,), (8, 4, 4), kernel=2, stride=2)) == "avg 2×2 /2  8"
    assert operation(Node("d", "dense", (0,), (10, 1, 1), cin=64)) == "dense  64→10"
    assert [percent(share) for share in (0, 0.0004, 0.012, 0.0999, 0.5)] == [
        "", "<0.1 %", "1.2 %", "10 %", "50 %",
    ]  # fmt: skip


def test_the_legend_lists_the_steps_of_every_form() -> None:
    space = SPACES["elastic-8"]
    blueprint = space.draw(space.largest())
    assert forms(blueprint) == [
        ("binary", "shift · sign · 1-bit conv · norm · + · RPReLU", 12),
        ("real", "conv · norm", 1),
    ]
